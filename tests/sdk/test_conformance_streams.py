"""How both clients read streams that are cut, silent or full; `test_conformance_blocking` runs this source again for the blocking one."""

import threading
import time
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2

from fakes.sdk_clients import CODE, async_client, async_transport
from fakes.stackly_api import Refused
from fakes.stackly_world import APPLIED, PLANNED, STATE, FakeStackly
from stackly.v1 import events_service_pb2, runs_pb2, runs_service_pb2, states_service_pb2
from stackly_sdk import RetryPolicy, errors

from stackly_sdk._gen.clients.event_service import AsyncEventServiceClient  # isort: skip
from stackly_sdk._gen.clients.run_service import AsyncRunServiceClient  # isort: skip

LOG = (PLANNED + APPLIED).decode().splitlines()


async def test_a_log_goes_on_after_each_cut(api: FakeStackly) -> None:
    api.cut_logs_after = [1, 0, 2, 3]
    async with async_client(api) as s:
        run = await (await s.stacks.get("auto")).deploy()
        assert [line async for line in run.logs()] == LOG
    offsets = [request.offset for request in api.requests("TailRunLogs")]
    assert len(offsets) == 5
    assert offsets == sorted(offsets)


async def test_a_log_goes_on_after_a_restart_of_the_server(api: FakeStackly) -> None:
    async with async_client(api, retries=RetryPolicy()) as s:
        run = await (await s.stacks.get("hello")).deploy()
        await run.wait("waiting", "10s")
        lines: list[str] = []
        async for line in run.logs():
            lines.append(line)
            if len(lines) == 2:
                api.stop()
                api.start()
                await run.approve()
        assert lines == LOG


async def test_a_log_can_be_read_without_following(api: FakeStackly) -> None:
    async with async_client(api) as s:
        run = await (await s.stacks.get("hello")).deploy()
        await run.wait("waiting", "10s")
        assert [line async for line in run.logs(follow=False)] == PLANNED.decode().splitlines()


async def test_a_silent_stream_is_started_again(api: FakeStackly) -> None:
    gone = threading.Event()

    def silent(_request: Any, context: grpc.ServicerContext) -> Any:
        del api.handlers["TailRunLogs"]
        yield runs_service_pb2.TailRunLogsResponse(
            next_offset=len(PLANNED), chunk=runs_pb2.LogChunk(text=PLANNED.decode())
        )
        context.add_callback(gone.set)
        gone.wait(10)

    api.handlers["TailRunLogs"] = silent
    async with async_client(api) as s:
        run = await (await s.stacks.get("auto")).deploy()
    stream = AsyncRunServiceClient(await async_transport(api, silence=0.3)).tail_run_logs(name=run.name)
    text = "".join([record.chunk.text async for record in stream if record.chunk is not None])
    assert text.splitlines() == LOG
    assert stream.resumed == 1
    assert gone.wait(5)


async def test_a_slow_reader_goes_on_and_an_error_in_band_is_raised(api: FakeStackly) -> None:
    lagging = Refused(CODE.RESOURCE_EXHAUSTED, "STREAM_LAGGING").status()
    expired = Refused(CODE.OUT_OF_RANGE, "RESUME_EXPIRED", "Too old.").status()
    asked: list[str] = []

    def events(request: Any, _context: grpc.ServicerContext) -> Any:
        asked.append(request.resume_token)
        yield events_service_pb2.WatchEventsResponse(resume_token="7", heartbeat=events_service_pb2.Heartbeat())
        yield events_service_pb2.WatchEventsResponse(resume_token="8", end=lagging if len(asked) == 1 else expired)

    api.handlers["WatchEvents"] = events
    with pytest.raises(errors.ResumeExpired, match="Too old"):
        async for _ in AsyncEventServiceClient(await async_transport(api)).watch_events(parent="accounts/dev"):
            pass
    assert asked == ["", "8"]


async def test_a_watch_goes_on_after_a_good_end(api: FakeStackly) -> None:
    seen: list[int] = []
    async with async_client(api) as s:
        async for event in s.events.watch(resume_token="0"):
            seen.append(event.sequence)
            if len(seen) == 7:
                break
    assert seen == [1, 2, 3, 4, 5, 6, 7]


async def test_a_server_that_ends_each_stream_at_once_is_not_stormed(api: FakeStackly) -> None:
    asked: list[float] = []

    def ends(_request: Any, _context: grpc.ServicerContext) -> Any:
        asked.append(time.monotonic())
        if len(asked) == 4:
            raise Refused(CODE.OUT_OF_RANGE, "RESUME_EXPIRED")
        yield events_service_pb2.WatchEventsResponse(resume_token="1", end=status_pb2.Status())

    api.handlers["WatchEvents"] = ends
    async with async_client(api, retries=RetryPolicy(first=0.1)) as s:
        with pytest.raises(errors.ResumeExpired):
            async for _ in s.events.watch():
                pass
    assert asked[-1] - asked[0] >= 0.3


async def test_polls_without_news_are_not_stormed(api: FakeStackly) -> None:
    asked: list[float] = []

    def at_once(request: Any, context: grpc.ServicerContext) -> Any:
        asked.append(time.monotonic())
        request.timeout.Clear()
        return api.wait_run(request, context)

    async with async_client(api) as s:
        run = await (await s.stacks.get("hello")).deploy()
        await run.wait("waiting", "10s")
        api.handlers["WaitRun"] = at_once
        with pytest.raises(errors.WaitTimeout):
            await run.wait(timeout=1.0, approval="wait")
    assert len(asked) < 10


async def test_an_export_is_whole_or_an_error(api: FakeStackly) -> None:
    async with async_client(api) as s:
        assert await s.state("hello").export() == STATE

        def cut(_request: Any, _context: grpc.ServicerContext) -> Any:
            yield runs_and_states_chunk()
            yield end_of_export(status_pb2.Status(code=13, message="the disk broke"))

        api.handlers["ExportStateVersion"] = cut
        with pytest.raises(errors.ServerError, match="the disk broke"):
            await s.state("hello").export()


def runs_and_states_chunk() -> Any:
    return states_service_pb2.ExportStateVersionResponse(chunk=b"{")


def end_of_export(status: Any) -> Any:
    return states_service_pb2.ExportStateVersionResponse(end=status)
