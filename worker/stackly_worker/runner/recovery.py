"""What is left of a batch whose runner died: read from its folder and the stack's place, nothing is changed."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stackly_worker.runner import events, units_recovery, unwritten
from stackly_worker.runner.batch_spec import PLAN, STARTED
from stackly_worker.runner.journal import Journal
from stackly_worker.runner.place import Place
from stackly_worker.runner.process import exited
from stackly_worker.runner.statewatch import StateVersion, later, newest, whole

APPLY = "apply"


@dataclass(frozen=True)
class Remains:
    """`pid` is set while Terraform itself still lives (then the rest is only as of now).

    `started`: the apply was announced, so it may have run and is never begun again. `begun`: Terraform was started.
    `rc` None with `begun` and without `pid`: it was killed and nobody could note how it ended. `state` is the last
    whole document, `dump` what Terraform printed because it could not write. `suspects`: address → action, of what was
    under way and of what was done without `state` or `dump` showing it.
    """

    started: bool
    begun: bool
    rc: int | None
    pid: int | None
    state: StateVersion | None = None
    dump: StateVersion | None = None
    suspects: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[events.TerraformError, ...] = ()  # not redacted: the secrets went with the runner's memory
    log_size: int = 0


def read(folder: Path, place: Place, serial: int = 0) -> Remains:
    """Read the batch's folder. The state in `place` is this batch's as long as no other batch locked the place since.

    `serial` is that of the control plane's state; what is put together of several states gets a higher one.
    """
    return _read_units(folder, place, serial) if units_recovery.cut(folder) else _read_whole(folder, place)


def _read_units(folder: Path, place: Place, serial: int) -> Remains:
    found = units_recovery.applies(folder)
    failed, errors = units_recovery.failures(folder)
    return Remains(
        started=(folder / STARTED).exists(),
        begun=bool(found),
        rc=units_recovery.code(found) if found else None,
        pid=next((pid for journal in found if (pid := journal.pid())), None),
        state=units_recovery.state(folder, place, serial) if found else None,
        suspects=units_recovery.suspects(folder),
        failed=failed,
        errors=errors,
        log_size=_size(folder / "log"),
    )


def _read_whole(folder: Path, place: Place) -> Remains:
    journal = Journal(folder / APPLY)
    said = _said(journal)
    state = newest((place.errored(journal.ran_in()), place.state, place.kept)) if journal.begun else None
    dump = whole(said.dump) if said.dump else None
    return Remains(
        started=(folder / STARTED).exists(),
        begun=journal.begun,
        rc=journal.rc(),
        pid=journal.pid() if journal.begun else None,
        state=state,
        dump=dump,
        suspects=_suspects(said, journal.rc(), later(state, dump), folder / PLAN),
        failed=dict(said.failed),
        errors=tuple(said.errors),
        log_size=_size(folder / "log"),
    )


async def settled(folder: Path, place: Place, serial: int = 0) -> Remains:
    """Wait until every Terraform is gone and its wrapper has noted the exit code, then read."""
    for journal in (Journal(folder / APPLY), *units_recovery.applies(folder)):
        if journal.begun and (pid := journal.pid()):
            await exited(pid)
    async with place.locked():  # each wrapper holds the place until its exit code is on disk
        return await asyncio.to_thread(read, folder, place, serial)


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def _suspects(said: events.Events, rc: int | None, last: StateVersion | None, plan: Path) -> dict[str, str]:
    document = last.document if last else None
    hidden = unwritten.unwritten(said.done, document, unwritten.prior_state(plan)) if rc != 0 else {}
    return hidden | said.suspects


def _said(journal: Journal) -> events.Events:
    if not journal.out.exists():
        return events.Events()
    with journal.out.open("rb") as lines:
        return events.read(lines)
