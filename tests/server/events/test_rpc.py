"""EventService through the whole door."""

import asyncio
from typing import Any

import grpc
import pytest

from api import Api, Metadata, Tenant, reason
from stackly.v1 import events_service_pb2 as pb
from stackly.v1 import events_service_pb2_grpc
from stackly_server import limits
from stackly_server.app import Ground


@pytest.fixture
def events(api: Api) -> events_service_pb2_grpc.EventServiceStub:
    return events_service_pb2_grpc.EventServiceStub(api.channel)


@pytest.fixture
async def ann(api: Api, dev: Tenant) -> Metadata:
    return await api.sign_in(dev.api_key)


async def tell(ground: Ground, tenant: Tenant, kind: str, subject: str = "x") -> None:
    async with ground.database.transaction(tenant.subject()) as tx:
        tx.tell(kind, f"accounts/{tenant.name}/{subject}", why="test")


async def refused(call: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return reason(caught.value)


async def test_list(events: Any, ann: Metadata, ground: Ground, dev: Tenant, rival: Tenant) -> None:
    await tell(ground, dev, "run.created", "runs/1")
    await tell(ground, dev, "runner.started")
    await tell(ground, rival, "run.created")

    async def types(**fields: Any) -> list[str]:
        answer = await events.ListEvents(pb.ListEventsRequest(parent="accounts/dev", **fields), metadata=ann)
        return [event.type for event in answer.events]

    first = ["account.created", "member.added", "api_key.created"]
    assert await types() == ["runner.started", "run.created", *reversed(first)]
    assert await types(type="run") == ["run.created"]
    assert await types(type="run.created") == ["run.created"]
    assert await types(subject="accounts/dev/runs/1") == ["run.created"]
    foreign = pb.ListEventsRequest(parent="accounts/rival")
    assert await refused(events.ListEvents(foreign, metadata=ann)) == "NOT_FOUND"


async def test_pages(events: Any, ann: Metadata) -> None:
    request, seen = pb.ListEventsRequest(parent="accounts/dev", page_size=2), []
    while True:
        page = await events.ListEvents(request, metadata=ann)
        seen.append([event.sequence for event in page.events])
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    assert seen == [[3, 2], [1]]
    request.page_token, request.type = (
        (
            await events.ListEvents(pb.ListEventsRequest(parent="accounts/dev", page_size=1), metadata=ann)
        ).next_page_token,
        "run",
    )
    assert await refused(events.ListEvents(request, metadata=ann)) == "PAGE_TOKEN_INVALID"


async def test_watch_from_the_beginning_and_on(events: Any, ann: Metadata, ground: Ground, dev: Tenant) -> None:
    stream = events.WatchEvents(pb.WatchEventsRequest(parent="accounts/dev", resume_token="0"), metadata=ann)
    got = [(await stream.read()).event.sequence for _ in range(3)]
    await tell(ground, dev, "run.created")
    record = await stream.read()
    assert [*got, record.event.sequence] == [1, 2, 3, 4]
    assert (record.event.type, dict(record.event.facts), record.resume_token) == ("run.created", {"why": "test"}, "4")
    stream.cancel()
    await tell(ground, dev, "run.planned")
    resumed = events.WatchEvents(pb.WatchEventsRequest(parent="accounts/dev", resume_token="4"), metadata=ann)
    assert (await resumed.read()).event.type == "run.planned"
    resumed.cancel()


async def test_watch_from_now_sees_no_other_account(
    events: Any, ann: Metadata, ground: Ground, dev: Tenant, rival: Tenant
) -> None:
    stream = events.WatchEvents(pb.WatchEventsRequest(parent="accounts/dev", type="run"), metadata=ann)
    await stream.initial_metadata()  # sent once the caller is in; the start is read after it
    reading = asyncio.ensure_future(stream.read())
    await tell(ground, rival, "run.created")
    while not reading.done():
        await tell(ground, dev, "worker.joined")
        await tell(ground, dev, "run.created")
        await asyncio.wait([reading], timeout=0.05)
    record = reading.result()
    assert record.event.type == "run.created"
    assert record.event.name == f"accounts/dev/events/{record.event.sequence}"
    stream.cancel()


async def test_signs_of_life_and_the_end(
    events: Any, ann: Metadata, ground: Ground, dev: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr(limits, "STREAM_SECONDS", 0.5)
    request = pb.WatchEventsRequest(parent="accounts/dev", resume_token="3")
    records = [record async for record in events.WatchEvents(request, metadata=ann)]
    assert {record.WhichOneof("record") for record in records[:-1]} == {"heartbeat"}
    assert (records[-1].WhichOneof("record"), records[-1].end.code, records[-1].resume_token) == ("end", 0, "3")


@pytest.mark.parametrize(
    ("token", "wanted"), [("x", "PAGE_TOKEN_INVALID"), ("-1", "PAGE_TOKEN_INVALID"), ("99", "PAGE_TOKEN_INVALID")]
)
async def test_tokens_that_are_none(events: Any, ann: Metadata, token: str, wanted: str) -> None:
    request = pb.WatchEventsRequest(parent="accounts/dev", resume_token=token)
    assert await refused(events.WatchEvents(request, metadata=ann).read()) == wanted


async def test_what_is_no_longer_kept(events: Any, ann: Metadata, fresh_database: Any) -> None:
    import psycopg

    with psycopg.connect(fresh_database.super_url, autocommit=True) as conn:
        conn.execute("DELETE FROM events WHERE sequence < 3")
    expired = pb.WatchEventsRequest(parent="accounts/dev", resume_token="1")
    assert await refused(events.WatchEvents(expired, metadata=ann).read()) == "RESUME_EXPIRED"
    for token in ("0", "2"):  # from the oldest kept; or right before it
        stream = events.WatchEvents(pb.WatchEventsRequest(parent="accounts/dev", resume_token=token), metadata=ann)
        assert (await stream.read()).event.sequence == 3
        stream.cancel()
