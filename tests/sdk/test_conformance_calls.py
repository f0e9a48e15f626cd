"""How both clients try again, keep deadlines and read lists; `test_conformance_blocking` runs this source again for the blocking one."""

import threading
import time
from typing import Any

import grpc
import pytest

from fakes.sdk_clients import CODE, async_client, unavailable
from fakes.stackly_api import Refused
from fakes.stackly_world import FakeStackly
from stackly.v1 import stacks_service_pb2
from stackly_sdk import RetryPolicy, errors


async def test_a_keyed_call_is_tried_again_with_one_request_id(api: FakeStackly) -> None:
    api.faults["CreateRun"].extend([unavailable(), unavailable("DATABASE_UNAVAILABLE")])
    async with async_client(api) as s:
        stack = await s.stacks.get("hello")
        first = await stack.deploy()
        second = await stack.deploy()
    ids = [request.request_id for request in api.requests("CreateRun")]
    assert len(set(ids[:3])) == 1
    assert ids[3] != ids[0]
    assert (first.id, second.id) == ("hello/run-1", "hello/run-2")
    sent = [metadata["x-request-id"] for name, _, metadata in api.calls if name == "CreateRun"]
    assert len(set(sent[:3])) == 1


async def test_an_answer_that_got_lost_has_no_second_effect(api: FakeStackly) -> None:
    def lost(request: Any, context: grpc.ServicerContext) -> Any:
        api.create_run(request, context)
        api.handlers.pop("CreateRun")
        context.abort(CODE.UNAVAILABLE, "the connection broke after the effect")

    api.handlers["CreateRun"] = lost
    async with async_client(api) as s:
        run = await (await s.stacks.get("hello")).deploy()
        assert [each.id async for each in s.runs.list("hello")] == [run.id]


async def test_the_servers_delay_is_kept(api: FakeStackly) -> None:
    api.faults["GetStackState"].append(Refused(CODE.RESOURCE_EXHAUSTED, "RATE_LIMITED", retry=0.2))
    began = time.monotonic()
    async with async_client(api) as s:
        await s.stacks.get("hello")
    assert time.monotonic() - began >= 0.2


async def test_no_retry_goes_beyond_the_deadline(api: FakeStackly) -> None:
    api.faults["GetStackState"].append(Refused(CODE.UNAVAILABLE, "SHUTTING_DOWN", retry=30.0))
    began = time.monotonic()
    async with async_client(api, timeout=2.0) as s:
        with pytest.raises(errors.ShuttingDown):
            await s.stacks.get("hello")
    assert time.monotonic() - began < 2.0


async def test_a_call_ends_at_its_deadline(api: FakeStackly) -> None:
    release = threading.Event()

    def slow(_request: Any, _context: grpc.ServicerContext) -> Any:
        release.wait(10)
        return stacks_service_pb2.GetStackStateResponse()

    api.handlers["GetStackState"] = slow
    began = time.monotonic()
    async with async_client(api, timeout=0.3) as s:
        with pytest.raises(errors.DeadlineExceeded):
            await s.stacks.get(f"{api.url and 'accounts/dev'}/stackStates/hello")
    release.set()
    assert 0.2 < time.monotonic() - began < 3


async def test_the_server_may_restart_between_two_calls(api: FakeStackly) -> None:
    async with async_client(api, retries=RetryPolicy()) as s:
        await s.stacks.get("hello")
        api.stop()
        restart = threading.Timer(0.3, api.start)
        restart.start()
        assert (await s.stacks.get("hello")).id == "hello"
        restart.join()


async def test_a_list_is_read_page_by_page(api: FakeStackly) -> None:
    async with async_client(api) as s:
        stack = await s.stacks.get("pure")
        for _ in range(5):
            await stack.plan()
        assert [run.raw.number async for run in stack.runs()] == [5, 4, 3, 2, 1]
        assert [len(page.items) async for page in stack.runs().pages()] == [2, 2, 1]
        assert [run.raw.number async for run in s.runs.list("-").limit(3)] == [5, 4, 3]
        newest = await s.runs.list("pure").first()
        assert newest is not None
        assert newest.id == "pure/run-5"
        assert await s.runs.list("hello").first() is None
        assert [run async for run in s.runs.list("pure").limit(0)] == []
    assert [request.page_token for request in api.requests("ListRuns")] == ["", "2", "4"] * 2 + ["", "2"] + [""] * 2
