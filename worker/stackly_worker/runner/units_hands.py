"""The engine's port on a worker: each batch of units in a Terraform of its own, with journal, log, and part of the state."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from stackly_engine import exact, plans, slices
from stackly_engine.driving.ports import Job, Outcome, Planned
from stackly_engine.exports import Recorded
from stackly_engine.graph import OUTPUTS
from stackly_engine.outlines import Outline
from stackly_engine.records import Record
from stackly_worker.runner import limits, terraform, worktree
from stackly_worker.runner.events import Events
from stackly_worker.runner.journal import write_new
from stackly_worker.runner.options import Budget, EngineOptions
from stackly_worker.runner.place import DiskFullError, Place, write_atomically
from stackly_worker.runner.ports import LeaseLostError
from stackly_worker.runner.process import Command
from stackly_worker.runner.session import CancelledStepError, Session, StepFailedError
from stackly_worker.runner.statewatch import ReadState, StateVersion, later, newest, whole
from stackly_worker.runner.terraform import Engine, Settings
from stackly_worker.runner.units_folder import UnitFolder
from stackly_worker.runner.units_log import Choir, UnitEvents, Voice

_Answer = TypeVar("_Answer")
_NOT_BEGUN = "not begun: the run is being stopped"
_NOT_COVERED = "not begun: the control plane finds more in it than was approved"


@dataclass(frozen=True)
class Desk:
    """What all batches of one phase share. `command` makes a confined command of argv, environment and phase.

    `titles` says why each unit runs, where that is known. `mode` is that of plans, as of `terraform.plan_argv`.
    `laid` is the state that the phase begins with, `outline` what came instead of one.
    """

    session: Session
    engine: Engine
    settings: Settings
    place: Place
    environment: Mapping[str, str]
    variables: Mapping[str, Any]
    parallelism: int
    options: EngineOptions
    command: Callable[[list[str], Mapping[str, str], str], Command]
    titles: Mapping[str, str] = field(default_factory=dict)
    costs: tuple[tuple[int, float], ...] = ()
    mode: str = "apply"
    laid: ReadState | None = None
    outline: Outline | None = None


class Applies(Protocol):
    """What an apply does beside Terraform: the whole state, and what is kept; all on the session's loop."""

    @property
    def refused(self) -> bool:
        """Whether the control plane takes nothing of this run any more."""

    def announcement(self, job: Job) -> bytes:
        """What whoever comes back after a crash needs to take in what this batch leaves."""

    def found(self, number: int, job: Job, version: StateVersion) -> None:
        """The batch wrote a whole version of its part."""

    def forget(self, number: int) -> None:
        """All that the batch wrote was kept."""

    async def covered(self, planned: Planned) -> bool:
        """Whether the control plane, too, finds a plan that was made again to be what was approved."""

    async def keep(self, document: Mapping[str, Any]) -> None:
        """As of the engine's port."""

    async def learn(self, records: Mapping[str, Record], exports: Recorded) -> None:
        """As of the engine's port."""


class Others(Protocol):
    """Other workers on the same apply."""

    def would(self, job: Job) -> bool:
        """Whether one of them could take it now."""

    async def apply(self, planned: Planned, parallelism: int) -> tuple[Outcome, Events, int] | None:
        """Outcome, what Terraform said, exit code; None: nobody took it."""


@dataclass
class UnitsHands:
    """The engine's loop works in a thread of its own; everything here happens on the session's."""

    desk: Desk
    applies: Applies | None = None
    helpers: Others | None = None
    said: dict[tuple[str, ...], Events] = field(default_factory=dict)  # by batch: of its last command
    codes: dict[tuple[str, ...], int] = field(default_factory=dict)  # exit codes of applies
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _choir: Choir = field(init=False)
    _room: asyncio.Semaphore | None = field(init=False)
    _budget: Budget = field(init=False)
    _count: int = 0
    _applied: dict[tuple[str, ...], tuple[int, UnitFolder]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._room = asyncio.Semaphore(self.desk.options.processes) if self.helpers is not None else None
        self._choir = Choir(self.desk.session.log.spool)
        self._budget = Budget(self.desk.parallelism, self.desk.options.processes)

    @property
    def stopping(self) -> bool:
        session = self.desk.session
        return session.cancelled or session.lost or (self.applies is not None and self.applies.refused)

    def plan(self, job: Job) -> Planned:
        return self._wait(self._told(job))

    def apply(self, planned: Planned, width: int) -> Outcome:
        return self._wait(self._apply(planned, width))

    def keep(self, document: Mapping[str, Any]) -> None:
        self._wait(self._applying.keep(document))

    def learn(self, records: Mapping[str, Record], exports: Recorded) -> None:
        self._wait(self._applying.learn(records, exports))

    def discard(self, planned: Planned) -> None:
        self._wait(self._discard(planned))

    @property
    def _applying(self) -> Applies:
        if self.applies is None:
            raise RuntimeError("a plan changes nothing")
        return self.applies

    def _wait(self, work: Coroutine[Any, Any, _Answer]) -> _Answer:
        answer: Future[_Answer] = asyncio.run_coroutine_threadsafe(work, self.loop)
        return answer.result()

    async def _told(self, job: Job) -> Planned:
        """Its plan, while the control plane is told how it goes; in an apply it is but the first half."""
        progress, status, resources = self.desk.session.progress, "CANCELED", 0
        progress.begin(job.units)
        try:
            planned = await self._plan(job)
            status, resources = "FAILED" if planned.error else "SUCCEEDED", resources_of(planned)
        finally:
            if self.applies is None:
                progress.end(job.units, status, resources)
            else:
                progress.replanned(job.units)
        return planned

    async def _plan(self, job: Job) -> Planned:
        async with self._here():
            return await self._planned(job)

    async def _planned(self, job: Job) -> Planned:
        desk = self.desk
        number, folder = await self._filled(job)
        strand, voice = self._strand(number, folder, job)
        strand.applies = False
        try:
            document = await self._shown(strand, folder, job)
        except StepFailedError as error:
            return Planned(job, {}, b"", str(error), (number, folder))
        except (CancelledStepError, LeaseLostError) as error:
            if self.applies is None:
                raise
            return Planned(job, {}, b"", str(error), (number, folder))  # others may still have something to keep
        finally:
            self._ended(strand, voice, job.units)
            await self._give_back(folder)  # some data sources write
            folder.values_file.unlink(missing_ok=True)
            folder.variables_file.unlink(missing_ok=True)
        desk.session.redactor.add(plans.sensitive_values(document))
        return Planned(job, exact.loads(document), folder.plan_file.read_bytes(), place=(number, folder))

    async def _shown(self, strand: Session, folder: UnitFolder, job: Job) -> bytes:
        """The plan's JSON."""
        worktree.write_variables(folder.variables_file, self._declared(job))
        settings = replace(self.desk.settings, var_file=folder.variables_file, plan_file=folder.plan_file)
        with self._share(job.width) as share:
            argv = terraform.plan_argv(
                self.desk.engine, settings, mode=self.desk.mode, replace=job.replace, parallelism=share
            )
            await strand.step("plan", self._command(folder, [*argv, f"-var-file={folder.values_file}"], "plan"))
        show = self._command(folder, terraform.show_argv(self.desk.engine, settings), "plan")
        shown = await strand.step("show", replace(show, apart=True))
        document = shown.out.read_bytes()
        shown.out.unlink()
        if len(document) > limits.PLAN_JSON_BYTES:
            raise exact.FormatError(f"the plan document is larger than {limits.PLAN_JSON_BYTES} bytes")
        return document

    async def _apply(self, planned: Planned, width: int) -> Outcome:
        """Here while there is room; else with another worker, if one takes it."""
        job, desk, applies = planned.job, self.desk, self._applying
        if planned.cut.preview:
            raise RuntimeError("a plan in which something stands for a value is never applied")
        if self.stopping:
            return Outcome(good=False, output=_NOT_BEGUN, state=None)
        if planned.place is not None and not await applies.covered(planned):  # one from the bundle has no place yet
            return Outcome(good=False, output=_NOT_COVERED, state=None)
        desk.session.progress.begin(job.units)
        if self.helpers is not None and self.helpers.would(job) and await self._crowded():
            with self._share(width) as share:
                done = await self.helpers.apply(planned, share)
            if done is not None:
                outcome, self.said[job.units], self.codes[job.units] = done
                return outcome
        async with self._here():
            return await self._apply_here(planned, width)

    async def _crowded(self) -> bool:
        """Whether no room comes free here for a while: what takes less is not worth another worker's time to begin."""
        if self._room is None:
            return False
        try:
            await asyncio.wait_for(self._room.acquire(), limits.HELP_AFTER)
        except TimeoutError:
            return True
        self._room.release()
        return False

    def _here(self) -> AbstractAsyncContextManager[object]:
        """Room for a Terraform on this machine; without other workers the engine itself starts no more than fit."""
        return nullcontext() if self._room is None else self._room

    async def _apply_here(self, planned: Planned, width: int) -> Outcome:
        job, desk, applies = planned.job, self.desk, self._applying
        if self.stopping:
            return Outcome(good=False, output=_NOT_BEGUN, state=None)
        try:
            desk.place.require_room()
        except DiskFullError as error:
            desk.session.transcript.say(f"{', '.join(job.units)} is not begun: {error}")
            return Outcome(good=False, output=str(error), state=None)
        number, folder = planned.place or await self._filled(job)
        self._applied[job.units] = number, folder
        if not folder.plan_file.exists():
            write_new(folder.plan_file, planned.data)
        await asyncio.to_thread(folder.catch_up, desk.settings.root)
        folder.announce(applies.announcement(job))
        strand, voice = self._strand(number, folder, job)
        settings = replace(desk.settings, plan_file=folder.plan_file)
        with self._share(width) as share:
            argv = terraform.apply_argv(desk.engine, settings, parallelism=share)
            code = await strand.change(self._command(folder, argv, "apply"))
        version = await self._left(strand, folder, code)
        self.codes[job.units] = code
        self._ended(strand, voice, job.units)
        await self._give_back(folder)
        if version is None:
            return Outcome(code == 0, f"exit code {code}", None)
        applies.found(number, job, version)
        return Outcome(code == 0, f"exit code {code}", slices.parse(version.document))

    async def _left(self, strand: Session, folder: UnitFolder, code: int) -> StateVersion | None:
        """The batch's last state, wherever Terraform could write it."""
        said = strand.transcript.events
        written = await asyncio.to_thread(newest, (folder.errored, folder.state, folder.kept))
        version = later(written, whole(said.dump) if said.dump else None)
        if code != 0:
            await strand.suspect_unwritten(written, folder.plan_file)
            await asyncio.to_thread(folder.suspect, said.suspects)
        return version

    async def _discard(self, planned: Planned) -> None:
        """What an apply left was taken in, or there was none."""
        applied = self._applied.pop(planned.job.units, None)
        for number, folder in filter(None, (planned.place, applied)):
            if self.applies is not None:
                self.applies.forget(number)
            of_an_apply = applied is not None and number == applied[0]
            await asyncio.to_thread(folder.forget_secrets if of_an_apply else folder.absorbed)

    async def _give_back(self, folder: UnitFolder) -> None:
        """What stays here is only missed by units that read it: the state is to be taken in all the same."""
        try:
            await asyncio.to_thread(folder.give_back, self.desk.settings.root)
        except OSError as error:
            self.desk.session.transcript.say(f"A file that this batch wrote does not get to the root: {error}")

    async def _filled(self, job: Job) -> tuple[int, UnitFolder]:
        self._count += 1
        root, number = self.desk.settings.root, self._count
        folder = UnitFolder.of(root, self.desk.session.folder, number, job.units)
        await asyncio.to_thread(folder.fill, root, self.desk.settings.data, job.cut, job.state)
        return number, folder

    def _strand(self, number: int, folder: UnitFolder, job: Job) -> tuple[Session, Voice]:
        session = self.desk.session
        title = session.redactor.whole(", ".join(self.desk.titles.get(unit, unit) for unit in job.units))
        events = UnitEvents(prefix=job.cut.prefix, all_variables=OUTPUTS in job.units)

        def found(version: StateVersion) -> None:
            write_atomically(folder.kept, version.document)
            self._applying.found(number, job, version)

        voice = self._choir.voice(title)
        strand = session.beside(folder.aside, voice, events, folder.state, found)
        first = whole(job.state)
        strand.watch.digest = first.sha256 if first else ""
        return strand, voice

    def _ended(self, strand: Session, voice: Voice, units: tuple[str, ...]) -> None:
        self.said[units] = strand.transcript.events
        voice.close()
        strand.log.poke()

    def _command(self, folder: UnitFolder, argv: list[str], phase: str) -> Command:
        """From the real root, with -chdir: `path.cwd` comes out as in the root."""
        front = len(self.desk.engine.command)
        there = [*argv[:front], f"-chdir={folder.tree}", *argv[front:]]
        environment = {**self.desk.environment, "TF_DATA_DIR": str(folder.data)}
        return self.desk.command(there, environment, phase)

    def _declared(self, job: Job) -> dict[str, Any]:
        return {name: value for name, value in self.desk.variables.items() if name in job.declared}

    @contextmanager
    def _share(self, width: int) -> Iterator[int]:
        """Of the one budget of parallelism, while a Terraform works."""
        share = self._budget.take(width)
        try:
            yield share
        finally:
            self._budget.give(share)


def resources_of(planned: Planned) -> int:
    """How many resources are in a plan, those that do not change too; none when it failed."""
    changes = planned.document.get("resource_changes") or ()
    return sum(not change["name"].startswith(planned.cut.prefix) for change in changes)
