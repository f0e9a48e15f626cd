"""Hands in what a dead runner left: ends its Terraform, sends the last whole state, names the suspects."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

from stackly_worker.runner import recovery, report, units_recovery
from stackly_worker.runner.clock import Clock
from stackly_worker.runner.control import RunnerPlane
from stackly_worker.runner.journal import Journal
from stackly_worker.runner.logspool import LogSpool
from stackly_worker.runner.place import Place
from stackly_worker.runner.ports import LeaseLostError, PlaneRefusedError, PlaneUnavailableError, StateRefusedError
from stackly_worker.runner.process import exited
from stackly_worker.runner.recovery import Remains
from stackly_worker.runner.shipping import LogShipper
from stackly_worker.runner.statewatch import StateVersion, whole

_STEPS = ("init", "plan", "show", "apply")
_UNSENT = "unsent-*.tfstate"
_DEFAULT_GRACE = 300.0
_PAUSE = 1.0  # seconds between two signs of life


async def hand_in(plane: RunnerPlane, folder: Path, place: Place, clock: Clock, log_base: int) -> Remains:
    """Report the batch as lost; nothing of its Terraform lives when that is said.

    `log_base` is where the dead runner's log began in the run's log. LeaseLostError when the batch is another's now.
    """
    async with _kept(plane, clock):
        await end(folder, float(plane.spec.stop_grace_seconds) or _DEFAULT_GRACE)
        remains = await recovery.settled(folder, place, plane.spec.state_serial)
        await _send_log(plane, folder, clock, log_base)
        if units_recovery.cut(folder):
            await _send_slices(plane, folder, place, begun=remains.begun)
        else:
            for version in _versions(remains, place):
                with contextlib.suppress(StateRefusedError):  # kept in quarantine; the next one may still fit
                    await plane.write_state(version, final=True)
        await plane.persist(lambda: plane.send_finish(report.lost(remains)))
    return remains


async def end(folder: Path, grace: float = _DEFAULT_GRACE) -> None:
    """End all that a dead runner left running; `grace` as in `end_terraform`."""
    whole = [Journal(folder / step) for step in _STEPS]
    await asyncio.gather(*(_end(journal, grace) for journal in (*whole, *units_recovery.journals(folder))))


async def _end(journal: Journal, grace: float) -> None:
    await end_terraform(journal, grace)
    await sweep(journal)


async def end_terraform(journal: Journal, grace: float) -> None:
    """Ask a Terraform without runner to stop, once, so that it saves what it has; kill it after `grace` seconds."""
    pid = journal.pid() if journal.begun else None
    if pid is None:
        return
    if not journal.interrupted:
        journal.note_interrupt()
        _send(pid, signal.SIGINT)
    _wake(journal)
    try:
        await asyncio.wait_for(exited(pid), grace)
    except TimeoutError:
        _send(pid, signal.SIGKILL)
        await exited(pid)


async def sweep(journal: Journal) -> None:
    """After Terraform: providers and children of provisioners that outlived it."""
    if not journal.begun or (found := journal.leader()) is None:
        return
    group, lives = found
    if lives:
        await exited(group)  # the wrapper, which only has to note the exit code
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _wake(journal: Journal) -> None:
    """Whoever stopped the runner may have stopped its Terraform: it hears nothing until it goes on."""
    if (found := journal.leader()) is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(found[0], signal.SIGCONT)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


async def _send_slices(plane: RunnerPlane, folder: Path, place: Place, *, begun: bool) -> None:
    await asyncio.to_thread(units_recovery.keep_strays, folder, place)
    if not begun:
        return
    delta = await asyncio.to_thread(units_recovery.delta, folder, plane.spec.state_serial)
    if plane.helps:
        delta = replace(delta, head=None)
    with contextlib.suppress(StateRefusedError):  # kept in quarantine
        await plane.write_slices(delta, final=True)


def _versions(remains: Remains, place: Place) -> Iterator[StateVersion]:
    """What Terraform printed because it could not write, then the newest document of the batch's lineage.

    A plan of the same stack that used the place meanwhile has set a document nobody had accepted aside.
    """
    if remains.dump:
        yield remains.dump
    if not remains.begun:
        return
    aside = (whole(path.read_bytes()) for path in place.state.parent.glob(_UNSENT))
    known = [version for version in (remains.state, *aside) if version is not None]
    lineages = {remains.state.lineage} if remains.state else {version.lineage for version in known}
    if found := [version for version in known if version.lineage in lineages]:
        yield max(found, key=lambda version: version.serial)


async def _send_log(plane: RunnerPlane, folder: Path, clock: Clock, log_base: int) -> None:
    """From where the control plane has it. What Terraform said after the runner's death is not redacted: not sent."""
    if not (folder / "log").exists():
        return
    plane.log_base = log_base
    with LogSpool(folder / "log") as spool:
        spool.append(b"\nThe runner died; another one hands in what it left.\n")
        shipper = LogShipper(spool, plane, clock, sent=max(0, plane.spec.log_offset - log_base))
        with contextlib.suppress(PlaneUnavailableError, PlaneRefusedError):  # the log may be lost, the state not
            await shipper.flush()


@contextlib.asynccontextmanager
async def _kept(plane: RunnerPlane, clock: Clock) -> AsyncIterator[None]:
    """The lease is renewed meanwhile; wishes to stop change nothing here."""
    renewing = asyncio.create_task(_renew(plane, clock))
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)


async def _renew(plane: RunnerPlane, clock: Clock) -> None:
    while True:
        try:
            await plane.renew()
        except PlaneUnavailableError:
            pass  # the lease is the server's to judge
        except LeaseLostError:
            return  # the next call that matters says so too
        await clock.sleep(_PAUSE)
