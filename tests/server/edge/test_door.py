"""Every way out of the door: errors, deadlines, cancellation, streams that end."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2

from api import details, reason, status_of
from stackly.v1 import events_service_pb2 as events
from stackly_server import errors, limits
from stackly_server.access import Kind, Subject
from stackly_server.edge import deadlines
from waiting import until

LIST = events.ListEventsRequest(parent="accounts/dev")
WATCH = events.WatchEventsRequest(parent="accounts/dev")
LIST_PATH = "/stackly.v1.EventService/ListEvents"


def raising(error: BaseException) -> Any:
    async def behave(_request: Any, _call: Subject) -> None:
        raise error

    return behave


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.Invalid("FILTER_INVALID", "m"), grpc.StatusCode.INVALID_ARGUMENT),
        (errors.Unauthenticated("TOKEN_INVALID", "m"), grpc.StatusCode.UNAUTHENTICATED),
        (errors.Denied("PERMISSION_DENIED", "m"), grpc.StatusCode.PERMISSION_DENIED),
        (errors.NotFound("run", "accounts/dev/x"), grpc.StatusCode.NOT_FOUND),
        (errors.AlreadyExists("ALREADY_EXISTS", "m"), grpc.StatusCode.ALREADY_EXISTS),
        (errors.NotNow("RUN_DONE", "m"), grpc.StatusCode.FAILED_PRECONDITION),
        (errors.Conflict("ETAG_MISMATCH", "m"), grpc.StatusCode.ABORTED),
        (errors.TooMuch("QUOTA_EXCEEDED", "m"), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (errors.OutOfRange("RESUME_EXPIRED", "m"), grpc.StatusCode.OUT_OF_RANGE),
        (errors.Unavailable("DATABASE_UNAVAILABLE", "m", retry_after=2), grpc.StatusCode.UNAVAILABLE),
    ],
)
async def test_refusals(provoked: Any, error: errors.StacklyError, code: grpc.StatusCode) -> None:
    provoked.behaviour.unary = raising(error)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await provoked.events.ListEvents(LIST, metadata=provoked.signed_in)
    told = caught.value
    assert (told.code(), reason(told), told.details()) == (code, error.reason, error.message)
    info = details(told, error_details_pb2.ErrorInfo)
    assert (info.domain, dict(info.metadata)) == ("stackly.dev", dict(error.facts))
    assert status_of(told).code == code.value[0]
    retry = details(told, error_details_pb2.RetryInfo)
    headers = dict(told.initial_metadata() or ())
    assert (retry is not None, "retry-after" in headers) == (error.retry_after is not None,) * 2
    if retry is not None:
        assert (retry.retry_delay.seconds, headers["retry-after"]) == (2, "2")


async def test_field_problems_are_a_bad_request(provoked: Any) -> None:
    problem = errors.FieldProblem("run.type", "is required")
    provoked.behaviour.unary = raising(errors.Invalid("VALIDATION_FAILED", "m", fields=[problem]))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await provoked.events.ListEvents(LIST, metadata=provoked.signed_in)
    (violation,) = details(caught.value, error_details_pb2.BadRequest).field_violations
    assert (violation.field, violation.description) == ("run.type", "is required")


async def test_a_fault_keeps_its_text_inside(provoked: Any, caplog: pytest.LogCaptureFixture) -> None:
    provoked.behaviour.unary = raising(RuntimeError("password=hunter2"))
    with caplog.at_level(logging.INFO, "stackly.calls"), pytest.raises(grpc.aio.AioRpcError) as caught:
        await provoked.events.ListEvents(LIST, metadata=provoked.signed_in)
    told = caught.value
    assert (told.code(), reason(told)) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "hunter2" not in str(told) + str(told.trailing_metadata())
    incident = details(told, error_details_pb2.RequestInfo).request_id
    (record,) = [each for each in caplog.records if getattr(each, "facts", {}).get("incident") == incident]
    assert record.exc_info is not None
    assert "hunter2" in str(record.exc_info[1])


async def test_the_call_id_goes_round(provoked: Any) -> None:
    async def id_of(sent: str) -> tuple[str, str]:
        call = provoked.events.ListEvents(LIST, metadata=(*provoked.signed_in, ("x-request-id", sent)))
        await call
        return dict(await call.trailing_metadata())["x-request-id"], provoked.behaviour.subjects[-1].call_id

    assert await id_of("abc-1") == ("abc-1", "abc-1")
    told, seen = await id_of("no spaces allowed")
    assert told == seen != "no spaces allowed"


async def test_the_handler_gets_the_caller(provoked: Any) -> None:
    await provoked.events.ListEvents(LIST, metadata=provoked.signed_in)
    (subject,) = provoked.behaviour.subjects
    assert (subject.kind, subject.account, subject.method) == (Kind.USER, "dev", LIST_PATH)
    assert provoked.server.metrics.calls[LIST_PATH, "OK"] == 1
    assert provoked.server.metrics.running == 0


async def test_a_call_that_takes_too_long(provoked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines.Deadlines, "add", _soon)
    provoked.behaviour.unary = lambda *_: asyncio.Event().wait()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await provoked.events.ListEvents(LIST, metadata=provoked.signed_in)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "30 seconds" in str(caught.value.details())


def _soon(_all: deadlines.Deadlines, deadline: deadlines.Deadline, loop: asyncio.AbstractEventLoop) -> None:
    loop.call_later(0.01, deadline.expire)


async def test_a_time_out_inside_is_a_fault(provoked: Any) -> None:
    provoked.behaviour.unary = raising(TimeoutError("inner"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await provoked.events.ListEvents(LIST, metadata=provoked.signed_in)
    assert reason(caught.value) == "INTERNAL"


async def test_a_canceled_call_is_canceled_inside(provoked: Any) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def behave(*_: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    provoked.behaviour.unary = behave
    call = provoked.events.ListEvents(LIST, metadata=provoked.signed_in)
    waiting = asyncio.ensure_future(call)
    async with asyncio.timeout(5):
        await begun.wait()
        call.cancel()
        await ended.wait()
    await asyncio.gather(waiting, return_exceptions=True)
    await until(lambda: provoked.server.metrics.calls[LIST_PATH, "CANCELLED"] == 1)
    assert provoked.server.metrics.running == 0


async def test_too_large_and_broken_requests(provoked: Any) -> None:
    raw = provoked.channel.unary_unary(LIST_PATH)
    for sent, wanted in ((b"\x0a" * (4 * 1024**2 + 1), "LIMIT_EXCEEDED"), (b"\xff", "VALIDATION_FAILED")):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await raw(sent, metadata=provoked.signed_in)
        assert reason(caught.value) == wanted


async def records(*texts: str, then: BaseException | None = None) -> AsyncIterator[events.WatchEventsResponse]:
    for text in texts:
        yield events.WatchEventsResponse(resume_token=text)
    if then is not None:
        raise then


async def test_a_stream(provoked: Any) -> None:
    provoked.behaviour.stream = lambda *_: records("1", "2")
    stream = provoked.events.WatchEvents(WATCH, metadata=provoked.signed_in)
    assert [record.resume_token async for record in stream] == ["1", "2"]


@pytest.mark.parametrize("sent", [(), ("1",)])
async def test_a_stream_that_fails(provoked: Any, sent: tuple[str, ...]) -> None:
    got: list[str] = []

    async def read() -> None:
        stream = provoked.events.WatchEvents(WATCH, metadata=provoked.signed_in)
        async for record in stream:
            got.append(record.resume_token)  # noqa: PERF401  (what came before the error counts)

    for error, wanted in ((errors.NotNow("RUN_DONE", "m"), "RUN_DONE"), (KeyError("secret"), "INTERNAL")):
        provoked.behaviour.stream = lambda *_, error=error: records(*sent, then=error)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await read()
        assert reason(caught.value) == wanted
        assert "secret" not in str(caught.value)
    assert got == [*sent, *sent]


async def endless(ended: asyncio.Event) -> AsyncIterator[events.WatchEventsResponse]:
    try:
        yield events.WatchEventsResponse(resume_token="1")
        await asyncio.Event().wait()
    finally:
        ended.set()


async def test_a_stream_whose_reader_leaves(provoked: Any) -> None:
    ended = asyncio.Event()
    provoked.behaviour.stream = lambda *_: endless(ended)
    stream = provoked.events.WatchEvents(WATCH, metadata=provoked.signed_in)
    assert (await stream.read()).resume_token == "1"
    stream.cancel()
    async with asyncio.timeout(5):
        await ended.wait()
    await until(lambda: provoked.server.metrics.running == 0)


async def test_one_caller_cannot_take_all_streams(provoked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STREAMS_OF_ONE_CALLER", 2)
    provoked.behaviour.stream = lambda *_: endless(asyncio.Event())
    streams = [provoked.events.WatchEvents(WATCH, metadata=provoked.signed_in) for _ in range(2)]
    for stream in streams:
        await stream.read()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await provoked.events.WatchEvents(WATCH, metadata=provoked.signed_in).read()
    assert reason(caught.value) == "QUOTA_EXCEEDED"
    streams[0].cancel()
    await until(lambda: provoked.server.metrics.running == 1)
    again = provoked.events.WatchEvents(WATCH, metadata=provoked.signed_in)
    await again.read()


async def test_streams_end_when_the_server_stops(provoked: Any) -> None:
    ended = asyncio.Event()
    provoked.behaviour.stream = lambda *_: endless(ended)
    stream = provoked.events.WatchEvents(WATCH, metadata=provoked.signed_in)
    assert (await stream.read()).resume_token == "1"
    stopping = asyncio.create_task(provoked.server.stop(drain=0, grace=5))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stream.read()
    assert (caught.value.code(), reason(caught.value)) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
    assert ended.is_set()
    await stopping
