"""A batch on this machine: claimed, given to a runner, waited for; found again after a crash of the agent or the runner."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import grpc.aio

from stackly.worker.v1 import tasks_pb2
from stackly.worker.v1 import worker_task_service_pb2 as messages
from stackly_worker import wire
from stackly_worker.agent import places
from stackly_worker.agent.folders import BatchFolder, Folders
from stackly_worker.agent.line import CALL, Line, give_up, patient
from stackly_worker.agent.pool import Pool
from stackly_worker.agent.standstill import Standstill
from stackly_worker.crash import crash_point
from stackly_worker.runner import salvage
from stackly_worker.runner.clock import Clock
from stackly_worker.runner.nursery import Greeting
from stackly_worker.runner.process import exited
from stackly_worker.runner.task import Task
from stackly_worker.runner.terraform import Engine, Mirrors

SUCCEEDED, FAILED = tasks_pb2.BATCH_OUTCOME_SUCCEEDED, tasks_pb2.BATCH_OUTCOME_FAILED
GONE, LOST = tasks_pb2.BATCH_OUTCOME_GONE, tasks_pb2.BATCH_OUTCOME_LOST
_PATIENCE = 120.0  # seconds a call about a batch is tried while the control plane is away; the task is tried again then
_SALVAGES = 3
_AHEAD = {
    tasks_pb2.BATCH_PHASE_PLAN: ("FetchSource", "FetchState"),
    tasks_pb2.BATCH_PHASE_APPLY: ("FetchPlan", "FetchState"),
}
_Answer = TypeVar("_Answer")
_log = logging.getLogger(__name__)


class SalvageError(Exception):
    """The runners that were to hand in a dead one's remains died as well."""


@dataclass(frozen=True)
class Equipment:
    """What every runner of this worker gets."""

    engines: tuple[Engine, ...]
    sandbox: str = "plain"
    mirrors: Mirrors = field(default_factory=Mirrors)
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


@dataclass
class Batches:
    """The work of this agent. `public_url` and `ca` are where runners call; `slots` runners work at a time."""

    home: Path
    line: Line
    pool: Pool
    clock: Clock
    equipment: Equipment
    public_url: str
    ca: str
    slots: int = 4
    running: dict[str, str] = field(default_factory=dict)  # by batch: the run's resource name
    _room: asyncio.Semaphore = field(init=False)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._room = asyncio.Semaphore(self.slots)
        self.pool.greeting = Greeting(self.public_url, self.ca)
        self.folders = Folders(self.home / "batches")

    def tidy(self) -> None:
        """Remove what is old and needed by nobody."""
        self.folders.prune()
        places.prune(self.home / "work")

    def equip(self, engines: Iterable[Engine]) -> None:
        """Runners started from now on get these engines."""
        self.equipment = replace(self.equipment, engines=tuple(engines))

    async def carry_out(self, batch: tasks_pb2.BatchRef, nonce: str, run: str) -> tasks_pb2.BatchOutcome:
        """Claim the batch, give it to a runner, wait for its end."""
        async with self._room, self._known(batch, run):
            request = messages.ClaimBatchRequest(batch=batch, nonce=nonce)
            try:
                claimed = await self._patient(lambda: self.line.tasks.ClaimBatch(request, timeout=CALL))
            except grpc.aio.AioRpcError as error:
                return await self._not_claimed(batch, error)
            crash_point("agent.batch.claimed")
            folder = self.folders.new(batch, claimed.lease.epoch)
            self._give(folder, claimed.lease, ahead=_AHEAD[batch.phase])
            crash_point("agent.batch.given")
            return await self._awaited(batch, folder)

    async def attach(self, batch: tasks_pb2.BatchRef, run: str) -> tasks_pb2.BatchOutcome:
        """Find the runner of a batch that this worker had, wait for it, or hand in what a dead one left."""
        async with self._known(batch, run):
            folder = self.folders.latest(batch)
            return await self._awaited(batch, folder)

    async def _not_claimed(
        self, batch: tasks_pb2.BatchRef, error: grpc.aio.AioRpcError
    ) -> tasks_pb2.BatchOutcome:  # fmt: skip
        reason = wire.reason(error)
        if reason == "ALREADY_STARTED" and self.folders.latest(batch):
            return await self._awaited(batch, self.folders.latest(batch))
        if reason in {"LEASE_LOST", "ALREADY_STARTED"}:
            return LOST if reason == "ALREADY_STARTED" else GONE
        return give_up(error)

    def _give(
        self, folder: BatchFolder, lease: messages.BatchLease, *, recover: bool = False, ahead: tuple[str, ...] = ()
    ) -> None:
        """A runner that dies before it reads its task is found dead by whoever waits."""
        runner = self.pool.take()
        folder.note_runner(runner.pid)
        task = Task(
            public_url=self.public_url,
            ca=self.ca,
            run_token=lease.run_token,
            epoch=lease.epoch,
            folder=folder.path,
            work=self.home / "work",
            engines=self.equipment.engines,
            sandbox=self.equipment.sandbox,
            mirrors=self.equipment.mirrors,
            environment=self.equipment.environment,
            secrets=self.equipment.secrets,
            recover=recover,
            ahead=ahead,
        )
        try:
            runner.give(task)
        except BrokenPipeError:
            _log.warning("runner %s died before it got its task", runner.pid)
        self.pool.fill_soon()

    async def _awaited(self, batch: tasks_pb2.BatchRef, folder: BatchFolder | None) -> tasks_pb2.BatchOutcome:
        """How the batch ended; a dead runner's remains are handed in, by one at a time."""
        async with self._lock(batch):
            for _ in range(_SALVAGES + 1):
                if folder is not None and (outcome := await self._end_of(batch, folder)) is not None:
                    return outcome
                status = await self._status(batch)
                if status is None or status.done:
                    return await self._given_up(folder, status)
                folder = await self._salvage(batch, folder)
                if folder is None:
                    return GONE
        raise SalvageError(f"batch {batch.batch} of run {batch.run_id}: see runner.log in {self.folders.root}")

    async def _given_up(
        self, folder: BatchFolder | None, status: messages.GetBatchStatusResponse | None
    ) -> tasks_pb2.BatchOutcome:
        """The batch was ended or handed on while its runner was dead: what that left running here has to end too."""
        if folder is not None:
            await salvage.end(folder.path)
        return status.outcome if status else GONE

    async def _end_of(self, batch: tasks_pb2.BatchRef, folder: BatchFolder) -> tasks_pb2.BatchOutcome | None:
        """Wait for the runner; None when it left no outcome, or one that the control plane did not take."""
        if (pid := folder.runner()) is not None:
            await self._gone(batch, folder, pid)
            self.pool.fill()
        ended = folder.ended()
        if ended is not None and ended.acknowledged:
            await asyncio.to_thread(folder.strip)
        if ended is not None and (ended.acknowledged or ended.outcome == GONE):
            return ended.outcome
        return None

    async def _gone(self, batch: tasks_pb2.BatchRef, folder: BatchFolder, pid: int) -> None:
        """Wait for the end of the runner's process; one that stands still is ended."""
        standstill = Standstill(folder, self.clock, lambda: self._lease_over(batch))
        watching = asyncio.create_task(standstill.watch())
        try:
            await exited(pid)
        finally:
            watching.cancel()

    async def _lease_over(self, batch: tasks_pb2.BatchRef) -> bool:
        request = messages.GetBatchStatusRequest(batch=batch)
        try:
            return (await self.line.tasks.GetBatchStatus(request, timeout=CALL)).lease_over
        except grpc.aio.AioRpcError as error:
            if wire.reason(error) != "NOT_FOUND":
                raise
            return True  # the batch is another's

    async def _salvage(self, batch: tasks_pb2.BatchRef, folder: BatchFolder | None) -> BatchFolder | None:
        """Start a runner that hands in what the dead one left; None when the batch is another's by now."""
        request = messages.ReclaimBatchRequest(batch=batch)
        try:
            reclaimed = await self._patient(lambda: self.line.tasks.ReclaimBatch(request, timeout=CALL))
        except grpc.aio.AioRpcError as error:
            if wire.reason(error) == "LEASE_LOST":
                return None
            give_up(error)
        _log.warning("the runner of batch %s of run %s died; handing in what it left", batch.batch, batch.run_id)
        folder = folder or self.folders.new(batch, reclaimed.lease.epoch)
        self._give(folder, reclaimed.lease, recover=True)
        return folder

    async def _status(self, batch: tasks_pb2.BatchRef) -> messages.GetBatchStatusResponse | None:
        """None for a batch that this worker does not hold and never held."""
        request = messages.GetBatchStatusRequest(batch=batch)
        try:
            return await self._patient(lambda: self.line.tasks.GetBatchStatus(request, timeout=CALL))
        except grpc.aio.AioRpcError as error:
            if wire.reason(error) == "NOT_FOUND":
                return None
            give_up(error)

    async def _patient(self, call: Callable[[], Awaitable[_Answer]]) -> _Answer:
        return await patient(call, self.clock, _PATIENCE)

    def _lock(self, batch: tasks_pb2.BatchRef) -> asyncio.Lock:
        return self._locks.setdefault(_key(batch), asyncio.Lock())

    @asynccontextmanager
    async def _known(self, batch: tasks_pb2.BatchRef, run: str) -> AsyncIterator[None]:
        """Heartbeats name the run meanwhile."""
        self.running[_key(batch)] = run
        try:
            yield
        finally:
            self.running.pop(_key(batch), None)


def _key(batch: tasks_pb2.BatchRef) -> str:
    return f"{batch.run_id}/{batch.plan_number}/{batch.phase}/{batch.batch}"
