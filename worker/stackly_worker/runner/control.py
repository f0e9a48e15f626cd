"""The runner's control plane over RunnerService: the run token of one batch, calls that are safe to repeat."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
import grpc.aio

from stackly.worker.v1 import runner_service_pb2 as messages
from stackly.worker.v1.runner_service_pb2_grpc import RunnerServiceStub
from stackly_engine import outlines
from stackly_engine.deltas import Delta
from stackly_engine.outlines import Outline
from stackly_engine.projected_chain import projected
from stackly_engine.records import Place
from stackly_worker import wire
from stackly_worker.crash import crash_point
from stackly_worker.runner import limits, platform, report, streams
from stackly_worker.runner.clock import Clock
from stackly_worker.runner.ports import (
    Grant,
    LeaseLostError,
    NotCoveredError,
    Offered,
    Outcome,
    PlaneRefusedError,
    PlaneUnavailableError,
    PlanResult,
    Renewal,
    StateRefusedError,
    UnitReport,
    UnitRow,
)
from stackly_worker.runner.shipping import insist
from stackly_worker.runner.statewatch import StateVersion
from stackly_worker.runner.worktree import SourceFile

if TYPE_CHECKING:
    from stackly.worker.v1.runner_service_pb2_grpc import RunnerServiceAsyncStub  # only in the stub file

WAIT = 20  # seconds RenewLease may wait for news
_CALL, _STREAM = 30.0, 300.0  # seconds a call, a stream may take
_LOST = {"LEASE_LOST", "ALREADY_STARTED", "RUN_DONE", "STACK_STATE_GONE"}
_AGAIN = {
    grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL,
    grpc.StatusCode.ABORTED, grpc.StatusCode.CANCELLED, grpc.StatusCode.RESOURCE_EXHAUSTED,
}  # fmt: skip

_AHEAD: dict[str, dict[str, Any]] = {"FetchState": {"outline": True}}  # what is asked for before the work is known
_Answer = TypeVar("_Answer")


@dataclass
class Wishes:
    """What this machine wishes of the batch, beside the control plane's wishes; `ends_at` is on the clock."""

    ends_at: float | None = None
    stop: bool = False
    force: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def stop_now(self) -> None:
        """Stop in order; asked again, at once."""
        self.force, self.stop = self.stop, True
        self.news.set()


@dataclass
class RunnerPlane:
    """The port ControlPlane of one batch. `spec` is the batch's; `log_base` where its log begins in the run's log."""

    stub: "RunnerServiceAsyncStub"
    token: str
    clock: Clock
    spec: messages.GetBatchSpecResponse = field(default_factory=messages.GetBatchSpecResponse)
    log_base: int = 0
    wishes: Wishes = field(default_factory=Wishes)
    timed_out: bool = False
    reported: bool = False  # the end of the batch was acknowledged
    _tree_sha256: str = ""
    _outcomes: dict[str, Any] = field(default_factory=dict)  # of offered batches, as they were told last
    _early: dict[str, Any] = field(default_factory=dict)  # streams under way, by method

    @classmethod
    async def attach(
        cls, channel: grpc.aio.Channel, token: str, clock: Clock, ahead: Iterable[str] = ()
    ) -> "RunnerPlane":
        """Ask for the work, for as long as PlaneUnavailableError may pass; LeaseLostError when it is not ours.

        The streams named in `ahead` are asked for meanwhile, as they will be needed whatever the work is.
        """
        plane = cls(RunnerServiceStub(channel), token, clock)
        plane._early = {method: plane._stream(method, **_AHEAD.get(method, {})) for method in ahead}
        plane.spec = await insist(plane.get_spec, clock)
        plane.log_base = plane.spec.log_offset
        if plane.spec.timeout_seconds:
            plane.wishes.ends_at = clock.monotonic() + plane.spec.timeout_seconds
        return plane

    @property
    def helps(self) -> bool:
        """Whether the batch was offered by the runner of the run's first one."""
        return self.spec.batch.batch.startswith("h")

    @property
    def _as_runner(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token}"),)

    async def get_spec(self) -> messages.GetBatchSpecResponse:
        with translated():
            request = messages.GetBatchSpecRequest()
            return await self.stub.GetBatchSpec(request, metadata=self._as_runner, timeout=_CALL)

    async def get_source(self) -> AsyncIterator[SourceFile]:
        with translated():
            call = self._stream("FetchSource")
            reader = streams.SourceReader(aiter(call))
            async for file in reader.files():
                yield file
            self._tree_sha256 = reader.tree_sha256

    async def get_artifact(self) -> bytes:
        with translated():
            data = await streams.document(self._stream("FetchArtifact"), limits.ARTIFACT_BYTES)
        if data is None or sha256(data).hexdigest() != self.spec.artifact_sha256:
            raise PlaneRefusedError("what the code of this run was resolved to is not what came")
        return data

    async def keep_artifact(self, data: bytes) -> None:
        with translated():
            parts = streams.artifact_parts(data)
            await self.stub.KeepArtifact(parts, metadata=self._as_runner, timeout=_STREAM)

    async def get_state(self, *, outline: bool = False) -> bytes | Outline | None:
        """What was asked for ahead comes as the control plane thinks best; an outline that will not do is asked for anew."""
        with translated():
            reader = streams.StateReader(self._stream("FetchState", outline=outline))
            data = await streams.document(reader, streams.STATE_MOST)
        if data and reader.outline:
            return await asyncio.to_thread(outlines.read, data) if outline else await self.get_state()
        return data or None

    async def get_slices(self, serial: int, units: Sequence[str]) -> Mapping[str, bytes]:
        request = messages.FetchStateRequest(serial=serial, units=units)
        with translated():
            call = self.stub.FetchState(request, metadata=self._as_runner, timeout=_STREAM)
            data = await streams.document(call, streams.STATE_MOST)
        return streams.slices_of(data or b"{}", units)

    async def get_plan(self) -> bytes:
        with translated():
            call = self._stream("FetchPlan")
            data = await streams.document(call, streams.PLAN_MOST)
        if data is None or sha256(data).hexdigest() != self.spec.plan_sha256:
            raise PlaneRefusedError("the saved plan is not the one this batch is to apply")
        return data

    def waits(self) -> None:
        """What was asked for ahead is asked for again."""
        for call in self._early.values():
            call.cancel()
        self._early.clear()

    def _stream(self, method: str, **facts: Any) -> Any:
        """The answers to a method that needs to be told little: those under way, the first time."""
        request = getattr(messages, f"{method}Request")(**facts)
        return self._early.pop(method, None) or getattr(self.stub, method)(
            request, metadata=self._as_runner, timeout=_STREAM
        )

    async def append_log(self, offset: int, data: bytes) -> None:
        if self.helps:
            return  # one runner writes the run's log; ours goes to it with the result
        with translated():
            request = messages.AppendRunLogsRequest(offset=self.log_base + offset, data=data)
            await self.stub.AppendRunLogs(request, metadata=self._as_runner, timeout=_CALL)

    async def write_state(self, version: StateVersion, *, final: bool, kind: str = "state") -> None:
        """The final version is sent until it is answered, however long the control plane is away."""
        crash_point(f"runner.{kind}.before_write")
        if final:
            await self.persist(lambda: self._write_state(version, final=True))
        else:
            await self._write_state(version, final=False)

    async def _write_state(self, version: StateVersion, *, final: bool) -> None:
        header = messages.StateHeader(
            serial=version.serial, lineage=version.lineage, sha256=version.sha256, final=final
        )
        await self._written(streams.state_parts(header, version.document))

    async def _written(self, parts: Iterator[messages.WriteStateRequest]) -> messages.WriteStateResponse:
        try:
            with translated():
                answer = await self.stub.WriteState(parts, metadata=self._as_runner, timeout=_STREAM)
        except PlaneRefusedError as error:
            raise StateRefusedError(str(error)) from error
        if not answer.accepted:
            raise StateRefusedError(answer.detail)
        return answer

    async def write_slices(self, delta: Delta, *, final: bool) -> int:
        """The final one is sent until it is answered, however long the control plane is away."""
        crash_point("runner.state.before_write")
        if final:
            return await self.persist(lambda: self._write_slices(delta, final=True))
        return await self._write_slices(delta, final=False)

    async def _write_slices(self, delta: Delta, *, final: bool) -> int:
        parts = await asyncio.to_thread(lambda: list(streams.delta_parts(delta, final=final)))
        return (await self._written(iter(parts))).serial

    async def submit_plan(self, plan: PlanResult) -> None:
        crash_point("runner.plan.before_submit")
        header = messages.PlanHeader(
            engine=plan.engine,
            platform=platform.name(),
            tree_sha256=self._tree_sha256,
            state_serial=plan.state_serial or 0,
            state_lineage=plan.state_lineage or self.spec.state_lineage,
            projected_sha256=sha256(plan.projected).hexdigest(),
            plan_sha256=sha256(plan.bundle).hexdigest(),
            has_changes=not projected(plan.projected).empty,
            whole_reasons=plan.whole_reasons,
            record_generations=plan.record_generations,
            audit=None if plan.audit is None else report.audited(plan.audit),
            artifact_sha256=plan.artifact,
        )
        with translated():
            parts = streams.plan_parts(header, plan.projected, plan.bundle)
            await self.stub.SubmitPlan(parts, metadata=self._as_runner, timeout=_STREAM)

    async def get_records(self) -> tuple[UnitRow, ...]:
        with translated():
            call = self.stub.FetchRecords(messages.FetchRecordsRequest(), metadata=self._as_runner, timeout=_STREAM)
            rows = [answer.record async for answer in call]
        return tuple(UnitRow(row.unit, row.generation, row.record, row.exports) for row in rows)

    async def write_records(self, rows: Sequence[UnitRow]) -> None:
        crash_point("runner.records.before_write")
        for some in streams.record_parts(rows):
            with translated():
                await self.stub.WriteRecords(some, metadata=self._as_runner, timeout=_CALL)

    async def report_units(self, reports: Sequence[UnitReport]) -> None:
        if self.helps:
            return  # they are told by the runner that offered them
        request = messages.ReportUnitsRequest(batches=report.unit_batches(reports, self.clock.monotonic()))
        with translated():
            await self.stub.ReportUnits(request, metadata=self._as_runner, timeout=_CALL)

    async def start_apply(self, nonce: str, units: Sequence[str] = ()) -> Grant:
        crash_point("runner.apply.before_start")
        request = messages.StartApplyRequest(start_token=str(uuid.UUID(nonce)), units=units)
        with translated():
            answer = await self.stub.StartApply(request, metadata=self._as_runner, timeout=_CALL)
        crash_point("runner.apply.after_start")
        return Grant(helpers=answer.helpers)

    async def offer_batch(self, name: str, slices: Sequence[str], order: bytes) -> bool:
        header = messages.OfferHeader(batch=name, slices=slices, sha256=sha256(order).hexdigest())
        with translated():
            parts = streams.order_parts(header, order)
            return (await self.stub.OfferBatch(parts, metadata=self._as_runner, timeout=_STREAM)).accepted

    async def watch_batches(self, wait: float, known: Sequence[Offered]) -> Sequence[Offered]:
        request = messages.WatchBatchesRequest(wait_seconds=int(wait))
        for one in known:
            request.known.add(
                batch=one.name, claimed=one.claimed, done=one.done, outcome=self._outcomes.get(one.name, 0)
            )
        with translated():
            answer = await self.stub.WatchBatches(request, metadata=self._as_runner, timeout=wait + _CALL)
        self._outcomes = {one.batch: one.outcome for one in answer.batches}
        return [Offered(one.batch, one.claimed, one.done) for one in answer.batches]

    async def withdraw_batch(self, name: str) -> bool:
        request = messages.WithdrawBatchRequest(batch=name)
        with translated():
            return (await self.stub.WithdrawBatch(request, metadata=self._as_runner, timeout=_CALL)).withdrawn

    async def get_result(self, name: str) -> bytes | None:
        request = messages.FetchResultRequest(batch=name)
        with translated():
            call = self.stub.FetchResult(request, metadata=self._as_runner, timeout=_STREAM)
            return await streams.document(call, streams.STATE_MOST)

    async def submit_result(self, result: bytes) -> None:
        crash_point("runner.result.before_submit")
        header = messages.ResultHeader(sha256=sha256(result).hexdigest())
        with translated():
            parts = streams.result_parts(header, result)
            await self.stub.SubmitResult(parts, metadata=self._as_runner, timeout=_STREAM)

    async def verify_plan(self, units: Sequence[str], projected: bytes, reads: Mapping[Place, str]) -> None:
        crash_point("runner.verify.before")
        with translated():
            parts = streams.verify_parts(units, projected, reads)
            await self.stub.VerifyPlan(parts, metadata=self._as_runner, timeout=_STREAM)

    async def renew(self) -> Renewal:
        """Returns as soon as somebody wishes a stop: the control plane, this machine, or the time limit."""
        if self.wishes.stop:
            return Renewal(cancel=True, force=self.wishes.force or await self._forced())
        asking = asyncio.create_task(self._renew(min(WAIT, self._seconds_left())))
        told = asyncio.create_task(self.wishes.news.wait())
        try:
            await asyncio.wait({asking, told}, return_when=asyncio.FIRST_COMPLETED)
            self._watch_time()
            answer = await asking if asking.done() else Renewal(cancel=True)
        finally:
            asking.cancel()
            told.cancel()
        return Renewal(cancel=answer.cancel or self.wishes.stop, force=answer.force or self.wishes.force)

    async def finish(self, outcome: Outcome) -> None:
        """Report until it is acknowledged, however long the control plane is away; never about another's batch."""
        if outcome.status == "lost":
            return
        crash_point("runner.finish.before")
        request = report.finished(outcome, phase=self.spec.batch.phase, timed_out=self.timed_out)
        if not self.helps:
            request.unit_batches.extend(report.unit_batches(outcome.unit_batches, self.clock.monotonic()))
        await self.persist(lambda: self.send_finish(request))
        crash_point("runner.finish.after")

    async def send_finish(self, request: messages.FinishBatchRequest) -> None:
        with translated():
            await self.stub.FinishBatch(request, metadata=self._as_runner, timeout=_CALL)
        self.reported = True

    async def persist(self, call: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """Make the call until it is answered, however long the control plane is away."""
        while True:
            try:
                return await insist(call, self.clock)
            except PlaneUnavailableError:
                continue

    async def _renew(self, wait: float) -> Renewal:
        request = messages.RenewLeaseRequest(wait_seconds=int(wait))
        with translated():
            answer = await self.stub.RenewLease(request, metadata=self._as_runner, timeout=wait + _CALL)
        return Renewal(cancel=answer.stop, force=answer.force)

    async def _forced(self) -> bool:
        """While Terraform stops the lease is kept, and a wish for force heard."""
        try:
            return (await self._renew(0)).force
        except PlaneUnavailableError:
            return False

    def _seconds_left(self) -> float:
        ends_at = self.wishes.ends_at
        return WAIT if ends_at is None else max(0.0, ends_at - self.clock.monotonic())

    def _watch_time(self) -> None:
        if self._seconds_left() <= 0 and not self.wishes.stop:
            self.timed_out, self.wishes.stop = True, True


@contextmanager
def translated() -> Iterator[None]:
    """Failed calls as the port's errors."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise _translation(error) from error


def _translation(error: grpc.aio.AioRpcError) -> Exception:
    reason, code, words = wire.reason(error), error.code(), error.details() or "no answer"
    if reason in _LOST or code is grpc.StatusCode.UNAUTHENTICATED:
        return LeaseLostError(words)
    if code in _AGAIN and reason != "QUOTA_EXCEEDED":
        return PlaneUnavailableError(words)
    if reason == "PLAN_NOT_COVERED":
        return NotCoveredError(words)
    return PlaneRefusedError(f"{reason or code.name}: {words}")
