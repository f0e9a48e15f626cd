"""RunnerService as a test needs it: one batch, everything handed in is kept, faults on demand."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeAlias

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from stackly.v1 import runs_pb2
from stackly.worker.v1 import runner_service_pb2 as messages
from stackly.worker.v1 import tasks_pb2
from stackly.worker.v1.runner_service_pb2_grpc import RunnerServiceServicer

TOKEN = "str_run-token-of-a-test-0123456789"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


async def fail(context: Context, code: grpc.StatusCode, reason: str) -> None:
    """Ends the call as the control plane does: status, words and ErrorInfo."""
    detail = AnyMessage()
    detail.Pack(ErrorInfo(reason=reason, domain="stackly.dev"))
    await context.abort_with_status(
        rpc_status.to_status(Status(code=code.value[0], message=reason.lower(), details=[detail]))
    )


def spec(phase: tasks_pb2.BatchPhase, **facts: object) -> messages.GetBatchSpecResponse:
    answer = messages.GetBatchSpecResponse(
        batch=tasks_pb2.BatchRef(run_id="0199", plan_number=1, batch="b1", phase=phase),
        run="accounts/a/runs/run-1",
        run_type=runs_pb2.RUN_TYPE_APPLY,
        commit="c0ffee",
        engine="terraform >= 1.5",
        hash_key=b"k" * 32,
        timeout_seconds=300,
        stop_grace_seconds=60,
        work_key="stack-1",
    )
    answer.MergeFrom(messages.GetBatchSpecResponse(**facts))  # type: ignore[arg-type]
    return answer


@dataclass
class RunnerFake(RunnerServiceServicer):
    """What a run of one stack left here; `spec` says which batch the token is good for."""

    files: Mapping[str, str]
    spec: messages.GetBatchSpecResponse = field(default_factory=lambda: spec(tasks_pb2.BATCH_PHASE_PLAN))
    state: bytes | None = None
    states: list[messages.StateHeader] = field(default_factory=list)
    aside: list[bytes] = field(default_factory=list)  # documents that came after the lease was lost
    log: bytearray = field(default_factory=bytearray)
    plan: bytes = b""
    projected: bytes = b""
    header: messages.PlanHeader | None = None
    finished: list[messages.FinishBatchRequest] = field(default_factory=list)
    start_token: str = ""
    states_asked: int = 0
    stop: bool = False
    force: bool = False
    lost: bool = False
    breaks: int = 0  # client streams that end as grpc.aio's client sees it when it loses a server's early word
    lost_after: bool = False  # the lease is lost unsaid once they have broken
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, condition: "Callable[[RunnerFake], bool]") -> None:
        """Waits until something that was handed in makes the condition true."""
        async with self.news:
            await asyncio.wait_for(self.news.wait_for(lambda: condition(self)), 60)

    async def tell(self, **facts: bool) -> None:
        """Sets stop, force or lost and wakes the long polls."""
        async with self.news:
            for name, value in facts.items():
                setattr(self, name, value)
            self.news.notify_all()

    async def _admit(self, context: Context, *, lost_too: bool = False) -> None:
        metadata = dict(context.invocation_metadata() or ())
        if metadata.get("authorization") != f"Bearer {TOKEN}":
            await fail(context, grpc.StatusCode.UNAUTHENTICATED, "ERROR_REASON_TOKEN_INVALID")
        if self.lost and not lost_too:
            await fail(context, grpc.StatusCode.FAILED_PRECONDITION, "ERROR_REASON_LEASE_LOST")

    async def _break(self, context: Context) -> None:
        if not self.breaks:
            return
        async with self.news:
            self.breaks -= 1
            self.lost = self.lost or (self.lost_after and not self.breaks)
            self.news.notify_all()
        await context.abort(grpc.StatusCode.INTERNAL, "Internal error from Core")

    async def GetBatchSpec(  # noqa: N802
        self, request: messages.GetBatchSpecRequest, context: Context
    ) -> messages.GetBatchSpecResponse:
        await self._admit(context)
        answer = messages.GetBatchSpecResponse()
        answer.CopyFrom(self.spec)
        answer.log_offset = len(self.log)
        answer.plan_sha256 = sha256(self.plan).hexdigest() if self.plan else ""
        return answer

    async def FetchSource(  # noqa: N802
        self, request: messages.FetchSourceRequest, context: Context
    ) -> AsyncIterator[messages.FetchSourceResponse]:
        await self._admit(context)
        listing = b""
        for path, text in sorted(self.files.items()):
            content = text.encode()
            yield messages.FetchSourceResponse(entry=messages.SourceEntry(path=path, size_bytes=len(content)))
            for at in range(0, len(content), 1000):
                yield messages.FetchSourceResponse(chunk=content[at : at + 1000])
            listing += f"{path}\x00100644\x00{sha256(content).hexdigest()}\n".encode()
        end = messages.SourceEnd(entries=len(self.files), tree_sha256=sha256(listing).hexdigest())
        yield messages.FetchSourceResponse(end=end)

    async def FetchState(  # noqa: N802
        self, request: messages.FetchStateRequest, context: Context
    ) -> AsyncIterator[messages.FetchStateResponse]:
        await self._admit(context)
        state = self.state
        async with self.news:
            self.states_asked += 1
            self.news.notify_all()
        if state is not None:
            yield messages.FetchStateResponse(chunk=state, sha256=sha256(state).hexdigest())

    async def FetchPlan(  # noqa: N802
        self, request: messages.FetchPlanRequest, context: Context
    ) -> AsyncIterator[messages.FetchPlanResponse]:
        await self._admit(context)
        yield messages.FetchPlanResponse(chunk=self.plan, sha256=sha256(self.plan).hexdigest())

    async def AppendRunLogs(  # noqa: N802
        self, request: messages.AppendRunLogsRequest, context: Context
    ) -> messages.AppendRunLogsResponse:
        await self._admit(context)
        if request.offset > len(self.log):
            await fail(context, grpc.StatusCode.OUT_OF_RANGE, "ERROR_REASON_VALIDATION_FAILED")
        async with self.news:
            known = bytes(self.log[request.offset : request.offset + len(request.data)])
            assert request.data.startswith(known), "the same offset with other bytes"
            self.log[request.offset : request.offset + len(request.data)] = request.data
            self.news.notify_all()
        return messages.AppendRunLogsResponse(next_offset=len(self.log))

    async def SubmitPlan(  # noqa: N802
        self, request_iterator: AsyncIterator[messages.SubmitPlanRequest], context: Context
    ) -> messages.SubmitPlanResponse:
        await self._break(context)
        await self._admit(context)
        projected, plan = bytearray(), bytearray()
        async for part in request_iterator:
            self.header = part.header if part.HasField("header") else self.header
            projected += part.projected
            plan += part.plan_file
        assert self.header is not None
        assert sha256(projected).hexdigest() == self.header.projected_sha256
        assert sha256(plan).hexdigest() == self.header.plan_sha256
        self.projected, self.plan = bytes(projected), bytes(plan)
        return messages.SubmitPlanResponse(plan_digest="d" * 64)

    async def StartApply(  # noqa: N802
        self, request: messages.StartApplyRequest, context: Context
    ) -> messages.StartApplyResponse:
        await self._admit(context)
        if self.start_token not in {"", request.start_token}:
            await fail(context, grpc.StatusCode.FAILED_PRECONDITION, "ERROR_REASON_ALREADY_STARTED")
        self.start_token = request.start_token
        return messages.StartApplyResponse()

    async def WriteState(  # noqa: N802
        self, request_iterator: AsyncIterator[messages.WriteStateRequest], context: Context
    ) -> messages.WriteStateResponse:
        await self._break(context)
        await self._admit(context, lost_too=True)
        header, data = messages.StateHeader(), bytearray()
        async for part in request_iterator:
            header = part.header if part.HasField("header") else header
            data += part.chunk
        assert sha256(data).hexdigest() == header.sha256
        current = json.loads(self.state)["serial"] if self.state else 0
        if self.lost:
            self.aside.append(bytes(data))
            return messages.WriteStateResponse(accepted=False, detail="another holds the lock now")
        async with self.news:
            self.states.append(header)
            if header.serial < current:
                return messages.WriteStateResponse(accepted=False, detail="the serial does not follow")
            self.state = bytes(data)
            self.news.notify_all()
        return messages.WriteStateResponse(accepted=True)

    async def RenewLease(  # noqa: N802
        self, request: messages.RenewLeaseRequest, context: Context
    ) -> messages.RenewLeaseResponse:
        await self._admit(context)
        async with self.news:
            with contextlib.suppress(TimeoutError):
                news = self.news.wait_for(lambda: self.stop or self.force or self.lost)
                await asyncio.wait_for(news, request.wait_seconds)
        await self._admit(context)
        return messages.RenewLeaseResponse(stop=self.stop, force=self.force)

    async def FinishBatch(  # noqa: N802
        self, request: messages.FinishBatchRequest, context: Context
    ) -> messages.FinishBatchResponse:
        await self._admit(context)
        async with self.news:
            self.finished.append(request)
            self.news.notify_all()
        return messages.FinishBatchResponse()
