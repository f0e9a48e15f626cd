"""What runs beside Terraform during one phase: log, state, renewal; and the loop that follows one process."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from stackly_engine import slices
from stackly_worker.runner import limits, unwritten
from stackly_worker.runner.clock import Clock
from stackly_worker.runner.events import Events, TerraformError
from stackly_worker.runner.journal import Journal
from stackly_worker.runner.logspool import LogSpool
from stackly_worker.runner.place import Place
from stackly_worker.runner.ports import ControlPlane, LeaseLostError, Outcome, PlaneRefusedError, PlaneUnavailableError
from stackly_worker.runner.process import Command, Process
from stackly_worker.runner.redact import Redactor
from stackly_worker.runner.shipping import LogShipper, StateShipper
from stackly_worker.runner.statewatch import StateVersion, StateWatch, later, newest, whole
from stackly_worker.runner.transcript import Sink, Transcript
from stackly_worker.runner.units_progress import UnitProgress

_SECRETS_UP_TO = limits.MIB  # bytes of a state version that is searched for new secrets while Terraform runs


class StepFailedError(Exception):
    """A Terraform command before the apply ended with an error; what it said is in the events."""

    def __init__(self, step: str, rc: int) -> None:
        super().__init__(f"terraform {step} failed with exit code {rc}")
        self.step, self.rc = step, rc


class CancelledStepError(Exception):
    """The run was cancelled before or during a step that changes nothing."""

    def __init__(self, step: str) -> None:
        super().__init__(f"cancelled at {step}")
        self.step = step


@dataclass
class Standing:
    """What is wished of the batch, and whether it is still ours."""

    cancelled: bool = False
    forced: bool = False
    lost: bool = False


@dataclass
class Session:
    """The living parts of one phase; made by `open`, ended by `close`. `found` takes each state version that appears."""

    folder: Path
    clock: Clock
    plane: ControlPlane
    redactor: Redactor
    transcript: Transcript
    log: LogShipper
    state: StateShipper
    watch: StateWatch
    progress: UnitProgress
    lock: int | None = None  # the place's, once it is ours: no command runs before
    waited: bool = False
    grace: float = limits.STOP_GRACE
    applies: bool = False
    standing: Standing = field(default_factory=Standing)
    found: Callable[[StateVersion], None] | None = None
    _large_told: bool = field(default=False)

    @classmethod
    def open(
        cls, folder: Path, place: Place, plane: ControlPlane, clock: Clock, secrets: Iterable[str]
    ) -> "Session":  # fmt: skip
        spool, redactor = LogSpool(folder / "log"), Redactor(secrets)
        return cls(
            folder=folder,
            clock=clock,
            plane=plane,
            redactor=redactor,
            transcript=Transcript(folder / "none", spool, redactor),
            log=LogShipper(spool, plane, clock, sent=spool.size),
            state=StateShipper(place, plane, clock),
            watch=StateWatch(place.state),
            progress=UnitProgress(plane, clock),
        )

    def close(self) -> None:
        self.log.spool.close()

    def beside(
        self, folder: Path, sink: Sink, events: Events, state: Path, found: Callable[[StateVersion], None]
    ) -> "Session":
        """For one of several commands at a time: its own journals and output, its own state file; the rest is shared."""
        transcript = Transcript(folder / "none", sink, self.redactor.twin(), events)
        return replace(self, folder=folder, transcript=transcript, watch=StateWatch(state), found=found)

    @property
    def cancelled(self) -> bool:
        return self.standing.cancelled

    @property
    def forced(self) -> bool:
        return self.standing.forced

    @property
    def lost(self) -> bool:
        return self.standing.lost

    def known_state(self, version: StateVersion) -> None:
        """The version Terraform starts from is not news."""
        self.watch.digest = version.sha256

    def stop_if_cancelled(self, step: str) -> None:
        if self.lost:
            raise LeaseLostError("the lease of this batch was lost")
        if self.cancelled:
            raise CancelledStepError(step)

    async def step(self, name: str, command: Command) -> Journal:
        """Run a command that changes nothing; StepFailedError or CancelledStepError unless it ends well."""
        self.stop_if_cancelled(name)
        process = self._start(name, command)
        rc = await self._follow(process, quiet=command.apart)
        self.stop_if_cancelled(name)
        if rc:
            if command.apart:
                self.transcript.say(process.journal.err.read_text(encoding="utf-8", errors="replace"))
            raise StepFailedError(name, rc)
        return process.journal

    async def apply(self, command: Command) -> int:
        """Run the one command that changes things, each whole state on its way as it appears; the exit code."""
        sending = asyncio.create_task(self.state.run())
        try:
            return await self.change(command)
        finally:
            self.state.end()
            await asyncio.gather(sending, return_exceptions=True)

    async def change(self, command: Command) -> int:
        """Run the one command that changes things; the exit code."""
        return await self._follow(self._start("apply", command), quiet=False)

    async def settle(self, root: Path) -> StateVersion | None:
        """Hand over the final state, and the dump if Terraform printed one; the final version."""
        if self.transcript.events.dump and (dump := whole(self.transcript.events.dump)):
            await self.state.send_dump(dump)
        place = self.state.place
        version = newest((place.errored(root), place.state, place.kept))
        if version is not None:
            await self.state.send_final(version)
        return version

    async def suspect_unwritten(self, version: StateVersion | None, plan_file: Path) -> None:
        """Terraform did not end well: what it said to be done, and its final state does not show, is suspect too."""
        events = self.transcript.events
        last = later(version, whole(events.dump) if events.dump else None)
        document, prior = last.document if last else None, unwritten.prior_state(plan_file)
        hidden = await asyncio.to_thread(unwritten.unwritten, tuple(events.done), document, prior)
        events.suspects = hidden | events.suspects

    async def renewing(self, every: float) -> None:
        """Signs of life until cancelled; takes in what the control plane wants."""
        standing = self.standing
        while not standing.lost:
            try:
                answer = await self.plane.renew()
                standing.cancelled, standing.forced = self.cancelled or answer.cancel, self.forced or answer.force
            except (LeaseLostError, PlaneRefusedError):
                standing.lost = True
            except PlaneUnavailableError:
                pass  # Terraform goes on; the lease is the server's to judge
            await self.clock.sleep(every)

    def outcome(
        self, status: str, *, step: str = "", rc: int | None = None, reason: str = "", cause: str = ""
    ) -> Outcome:
        events = self.transcript.events
        return Outcome(
            status=status,
            rc=rc,
            step=step,
            cause=cause,
            reason=self.redactor.whole(reason),
            errors=tuple(self._redacted(error) for error in events.errors),
            errors_total=events.errors_total,
            suspects=dict(events.suspects),
            failed=dict(events.failed),
            counts=dict(events.summary),
            state_refused=self.state.refused,
        )

    def _start(self, name: str, command: Command) -> Process:
        if self.lock is None:
            raise RuntimeError("Terraform works only in a place that is held")
        journal = Journal(self.folder / name, durable=self.applies)
        if not command.apart:
            events = self.transcript.events.fresh()
            self.transcript = replace(self.transcript, out=journal.out, events=events, _offset=0, _rest=b"")
        return Process.start(command, journal, self.lock, self.clock.wall())

    async def _follow(self, process: Process, *, quiet: bool) -> int:
        """Wait for the process; meanwhile look at output and state, and stop it when that is asked."""
        waiting, stopped_at = asyncio.create_task(process.wait()), None
        while not waiting.done():
            pause = self._look(quiet=quiet)
            stopped_at = self._stop(process, stopped_at)
            tick = asyncio.create_task(self.clock.sleep(pause))
            await asyncio.wait({waiting, tick}, return_when=asyncio.FIRST_COMPLETED)
            tick.cancel()
        self._look(quiet=quiet)
        if not quiet:
            self.transcript.finish()
        self.log.poke()
        return waiting.result()

    def _look(self, *, quiet: bool) -> float:
        """One look at everything that grows; seconds until the next, longer when looking is dear (a large state)."""
        began = self.clock.monotonic()
        if not quiet and self.transcript.poll():
            self.log.poke()
        if self.applies and (version := self.watch.look()):
            self._found(version)
        return max(limits.WATCH_INTERVAL, 2 * (self.clock.monotonic() - began))

    def _found(self, version: StateVersion) -> None:
        if len(version.document) <= _SECRETS_UP_TO:
            self.redactor.add(slices.sensitive_values(version.document))
        if version.large and not self._large_told:
            self._large_told = True
            self.transcript.say("The state is larger than 16 MB: each version of it is sent whole, which costs time.")
        (self.found or self.state.offer)(version)

    def _stop(self, process: Process, stopped_at: float | None) -> float | None:
        """One SIGINT when cancelled or when another holds the lease; SIGKILL after the grace, by force, for a lost plan."""
        now = self.clock.monotonic()
        overdue = stopped_at is not None and now - stopped_at > self.grace
        if overdue or self.forced or (self.lost and not self.applies):
            process.kill()
        elif (self.cancelled or self.lost) and stopped_at is None and process.interrupt():
            return now
        return stopped_at

    def _redacted(self, error: TerraformError) -> TerraformError:
        whole_text = self.redactor.whole
        return replace(
            error,
            summary=whole_text(error.summary),
            detail=whole_text(error.detail),
            snippet=whole_text(error.snippet),
            # a file beside the code, such as that of the variables: where it lies on this machine is nobody's affair
            file=Path(error.file).name if Path(error.file).is_absolute() else error.file,
        )
