"""RunService on the wire, and the one StackService call that makes a run."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from google.rpc.status_pb2 import Status as RpcStatus

from stackly.v1 import events_service_pb2, runs_pb2, runs_service_pb2, stacks_service_pb2
from stackly_server.access import Subject, require
from stackly_server.errors import Invalid, TooMuch
from stackly_server.hub import Hub, Waiter
from stackly_server.limits import HEARTBEAT_SECONDS, MESSAGE_BYTES, STREAM_SECONDS, WAIT_SECONDS_MAX
from stackly_server.logs.model import Piece, texts, whole
from stackly_server.logs.service import LogService
from stackly_server.pages import Pages
from stackly_server.runs.audit_wire import audit_to_proto
from stackly_server.runs.graph_wire import graph_to_proto
from stackly_server.runs.model import TO_PLAN, NewRun, RunType, Status
from stackly_server.runs.service import RunService, Shown
from stackly_server.runs.store import Filter
from stackly_server.runs.views import RunViews, drawn
from stackly_server.runs.wire import (
    change_to_proto,
    new_run_from_proto,
    plan_to_proto,
    run_to_proto,
    status_from_proto,
    step_to_proto,
    timestamp,
)

_PLANNING = frozenset({*TO_PLAN, Status.PLANNING})
_REACHED: dict[int, Callable[[Shown], bool]] = {
    runs_service_pb2.WAIT_UNTIL_UNSPECIFIED: lambda shown: shown.run.done,
    runs_service_pb2.WAIT_UNTIL_DONE: lambda shown: shown.run.done,
    runs_service_pb2.WAIT_UNTIL_PLANNED: lambda shown: (
        shown.run.done or (shown.plan is not None and shown.run.status not in _PLANNING)
    ),
    runs_service_pb2.WAIT_UNTIL_WAITING: lambda shown: shown.run.done or shown.run.status is Status.AWAITING_APPROVAL,
    runs_service_pb2.WAIT_UNTIL_APPLYING: lambda shown: shown.run.done or shown.run.status is Status.APPLYING,
}


class RunServicer:
    """RunService: message in, one call, message out."""

    def __init__(self, service: RunService, views: RunViews, logs: LogService, hub: Hub, pages: Pages) -> None:
        self._service = service
        self._views = views
        self._logs = logs
        self._hub = hub
        self._pages = pages

    async def CreateRun(
        self, request: runs_service_pb2.CreateRunRequest, call: Subject
    ) -> runs_service_pb2.CreateRunResponse:
        call.encode = lambda shown: runs_service_pb2.CreateRunResponse(run=run_to_proto(shown)).SerializeToString()
        shown = await self._service.create(call, request.parent, new_run_from_proto(request.run))
        return runs_service_pb2.CreateRunResponse(run=run_to_proto(shown))

    async def ListRuns(
        self, request: runs_service_pb2.ListRunsRequest, call: Subject
    ) -> runs_service_pb2.ListRunsResponse:
        size = self._pages.size(request.page_size)
        scope = f"ListRuns/{request.parent}/{request.status}/{request.to_commit}/{request.delivery_id}"
        cursor = await self._pages.open(request.page_token, scope, call)
        wanted = Filter(
            status=status_from_proto(request.status), to_commit=request.to_commit, delivery_id=request.delivery_id,
            before=UUID(str(cursor[0])) if cursor else None,
        )  # fmt: skip
        rows = await self._service.page(call, request.parent, wanted, size + 1)
        token = await self._pages.next(rows, size, lambda shown: (str(shown.run.id),), scope, call)
        return runs_service_pb2.ListRunsResponse(runs=[run_to_proto(row) for row in rows[:size]], next_page_token=token)

    async def GetRun(self, request: runs_service_pb2.GetRunRequest, call: Subject) -> runs_service_pb2.GetRunResponse:
        return runs_service_pb2.GetRunResponse(run=run_to_proto(await self._service.get(call, request.name)))

    async def WaitRun(
        self, request: runs_service_pb2.WaitRunRequest, call: Subject
    ) -> runs_service_pb2.WaitRunResponse:
        seconds = request.timeout.ToTimedelta().total_seconds() if request.HasField("timeout") else 30.0
        if not 0 <= seconds <= WAIT_SECONDS_MAX:
            raise Invalid("VALIDATION_FAILED", f"timeout is at most {WAIT_SECONDS_MAX} seconds.")
        shown, reached = await self._service.wait(call, request.name, _REACHED[request.until], request.etag, seconds)
        return runs_service_pb2.WaitRunResponse(run=run_to_proto(shown), reached=reached)

    async def WatchRuns(
        self, request: runs_service_pb2.WatchRunsRequest, call: Subject
    ) -> AsyncIterator[runs_service_pb2.WatchRunsResponse]:
        since = _moment(request.resume_token)
        end = datetime.now(UTC) + timedelta(seconds=STREAM_SECONDS)
        with self._hub.waiter(f"runs/{call.tenant}") as waiter:
            while datetime.now(UTC) < end:
                for shown in await self._service.changed_since(call, request.parent, since, 100):
                    since = shown.run.updated_at
                    yield runs_service_pb2.WatchRunsResponse(resume_token=since.isoformat(), run=run_to_proto(shown))
                if not await waiter.wait(HEARTBEAT_SECONDS):
                    beat = events_service_pb2.Heartbeat()
                    yield runs_service_pb2.WatchRunsResponse(resume_token=since.isoformat(), heartbeat=beat)
        yield runs_service_pb2.WatchRunsResponse(resume_token=since.isoformat(), end=RpcStatus())

    async def ApproveRun(
        self, request: runs_service_pb2.ApproveRunRequest, call: Subject
    ) -> runs_service_pb2.ApproveRunResponse:
        shown = await self._service.approve(call, request.name, request.plan_digest, request.comment)
        return runs_service_pb2.ApproveRunResponse(run=run_to_proto(shown))

    async def RejectRun(
        self, request: runs_service_pb2.RejectRunRequest, call: Subject
    ) -> runs_service_pb2.RejectRunResponse:
        shown = await self._service.reject(call, request.name, request.comment)
        return runs_service_pb2.RejectRunResponse(run=run_to_proto(shown))

    async def CancelRun(
        self, request: runs_service_pb2.CancelRunRequest, call: Subject
    ) -> runs_service_pb2.CancelRunResponse:
        shown = await self._service.cancel(call, request.name, request.reason, force=request.force)
        return runs_service_pb2.CancelRunResponse(run=run_to_proto(shown))

    async def ListRunSteps(
        self, request: runs_service_pb2.ListRunStepsRequest, call: Subject
    ) -> runs_service_pb2.ListRunStepsResponse:
        size = self._pages.size(request.page_size)
        scope = f"ListRunSteps/{request.parent}"
        cursor = await self._pages.open(request.page_token, scope, call)
        skip = int(cursor[0]) if cursor else 0
        shown = await self._views.steps(call, request.parent)
        rows = list(enumerate(shown.steps, start=1))[skip : skip + size + 1]
        token = await self._pages.next(rows, size, lambda row: (row[0],), scope, call)
        steps = [step_to_proto(request.parent, step, shown.workers) for _, step in rows[:size]]
        return runs_service_pb2.ListRunStepsResponse(run_steps=steps, next_page_token=token)

    async def GetPlan(
        self, request: runs_service_pb2.GetPlanRequest, call: Subject
    ) -> runs_service_pb2.GetPlanResponse:
        run_name = request.name.removesuffix("/plan")
        plan, seconds = await self._views.plan(call, run_name)
        message = plan_to_proto(run_name, plan, seconds)
        if audit := await self._service.audit(call, plan):
            message.audit.CopyFrom(audit_to_proto(audit))
        return runs_service_pb2.GetPlanResponse(plan=message)

    async def GetExecutionGraph(
        self, request: runs_service_pb2.GetExecutionGraphRequest, call: Subject
    ) -> runs_service_pb2.GetExecutionGraphResponse:
        shown = await self._views.graph(call, request.name.removesuffix("/graph"), request.commit)
        svg = await asyncio.to_thread(drawn, shown.graph) if request.draw else ""
        response = runs_service_pb2.GetExecutionGraphResponse(graph=graph_to_proto(shown), svg=svg)
        if response.ByteSize() > MESSAGE_BYTES:
            raise TooMuch("LIMIT_EXCEEDED", "The graph of this plan is too large for an answer.", limit="MESSAGE_BYTES")
        return response

    async def ListResourceChanges(
        self, request: runs_service_pb2.ListResourceChangesRequest, call: Subject
    ) -> runs_service_pb2.ListResourceChangesResponse:
        size = self._pages.size(request.page_size)
        scope = f"ListResourceChanges/{request.parent}/{request.action}"
        cursor = await self._pages.open(request.page_token, scope, call)
        after = int(cursor[0]) if cursor else -1
        plan, rows = await self._service.changes(call, request.parent, request.action, after, size + 1)
        token = await self._pages.next(rows, size, lambda row: (row[0],), scope, call)
        return runs_service_pb2.ListResourceChangesResponse(
            resource_changes=[change_to_proto(change) for _, change in rows[:size]],
            next_page_token=token,
            plan_digest=plan.digest,
        )

    async def ReadRunLogs(
        self, request: runs_service_pb2.ReadRunLogsRequest, call: Subject
    ) -> runs_service_pb2.ReadRunLogsResponse:
        shown = await self._service.get(call, request.name)
        wanted = request.max_bytes or 65536
        data = b""
        while len(data) < wanted and (
            pieces := await self._logs.read(call.tenant, shown.run.id, request.offset + len(data))
        ):
            data += b"".join(piece.data for piece in pieces)
        data = data[:wanted]
        data = data[: whole(data)]
        offset = request.offset + len(data)
        return runs_service_pb2.ReadRunLogsResponse(
            text=data.decode(errors="replace"),
            next_offset=offset,
            complete=shown.run.done and offset >= shown.run.log_size,
        )

    async def TailRunLogs(
        self, request: runs_service_pb2.TailRunLogsRequest, call: Subject
    ) -> AsyncIterator[runs_service_pb2.TailRunLogsResponse]:
        offset = request.offset
        end = datetime.now(UTC) + timedelta(seconds=STREAM_SECONDS)
        shown = await self._service.get(call, request.name)
        with self._hub.waiter(f"run/{shown.run.id}") as waiter:
            while True:
                shown = await self._service.get(call, request.name)
                while found := texts(await self._logs.read(call.tenant, shown.run.id, offset)):
                    for piece, text in found:
                        offset = piece.end
                        yield _tail(piece, text)
                if shown.run.done or request.no_follow or datetime.now(UTC) > end:
                    yield _log_end(offset, shown)
                    return
                if await _silent(waiter):
                    yield runs_service_pb2.TailRunLogsResponse(
                        next_offset=offset, heartbeat=events_service_pb2.Heartbeat()
                    )


class StackRunsServicer:
    """DestroyStackState: a call on a stack state that makes a run, so it lives with the runs."""

    def __init__(self, service: RunService) -> None:
        self._service = service

    async def DestroyStackState(
        self, request: stacks_service_pb2.DestroyStackStateRequest, call: Subject
    ) -> stacks_service_pb2.DestroyStackStateResponse:
        call.encode = lambda shown: stacks_service_pb2.DestroyStackStateResponse(
            run=run_to_proto(shown)
        ).SerializeToString()
        require(call, "stacks.destroy", request.name)
        new = NewRun(RunType.DESTROY, message=request.message)
        shown = await self._service.destroy(call, request.name, request.etag, new)
        return stacks_service_pb2.DestroyStackStateResponse(run=run_to_proto(shown))


async def _silent(waiter: Waiter) -> bool:
    return not await waiter.wait(HEARTBEAT_SECONDS)


def _moment(token: str) -> datetime:
    if not token:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(token)
    except ValueError:
        raise Invalid("PAGE_TOKEN_INVALID", "The resume token is not one of ours.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _tail(piece: Piece, text: str) -> runs_service_pb2.TailRunLogsResponse:
    chunk = runs_pb2.LogChunk(offset=piece.offset, text=text, step=piece.step, received_at=timestamp(piece.received_at))
    return runs_service_pb2.TailRunLogsResponse(next_offset=piece.end, chunk=chunk)


def _log_end(offset: int, shown: Shown) -> runs_service_pb2.TailRunLogsResponse:
    end = runs_service_pb2.LogEnd(status=RpcStatus(), run=run_to_proto(shown))
    return runs_service_pb2.TailRunLogsResponse(next_offset=offset, end=end)
