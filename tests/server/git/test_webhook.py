"""Deliveries: good ones once, bad ones never."""

import asyncio
import json
from typing import TYPE_CHECKING

import grpc
import pytest
from google.api.httpbody_pb2 import HttpBody

from api import reason
from pushing import MODULE, STACK, World
from stackly.ingress.v1 import webhook_service_pb2, webhook_service_pb2_grpc
from stackly_server.access import Kind, Subject
from stackly_server.errors import AlreadyExists, Invalid, StacklyError, Unauthenticated
from stackly_server.git.service import GitService, Receipt
from stackly_server.git.web import WebhookServicer

if TYPE_CHECKING:
    from api import Api


async def inbox(world: World) -> list[tuple[str, str]]:
    async with world.ground.database.read(world.dev.account_id) as conn:
        cursor = await conn.execute("SELECT delivery_id, ref FROM inbox ORDER BY id")
        return list(await cursor.fetchall())


async def lines(world: World) -> list[str]:
    async with world.ground.database.read(world.dev.account_id) as conn:
        cursor = await conn.execute("SELECT key FROM outbox WHERE kind = 'push' ORDER BY id")
        return [row[0] for row in await cursor.fetchall()]


async def refused(git: GitService, headers: dict[str, str], body: bytes) -> StacklyError:
    with pytest.raises(StacklyError) as caught:
        await git.receive(headers, body)
    return caught.value


async def test_a_delivery_is_kept_once_with_one_line_for_the_relay(world: World) -> None:
    body = world.body("a" * 40)
    headers = world.headers(body, delivery="one")
    assert await world.git.receive(headers, body) == Receipt("one", accepted=True)
    assert await world.git.receive(headers, body) == Receipt("one", accepted=True)
    assert await inbox(world) == [("one", "refs/heads/main")]
    assert await lines(world) == [f"{world.repository.id}/refs/heads/main"]
    received = [event for event in await world.events() if event[0] == "push.received"]
    assert received == [("push.received", world.repository_name)]


async def test_a_body_without_the_right_signature_is_refused(world: World) -> None:
    body = world.body("a" * 40)
    good = world.headers(body)
    assert (await world.git.receive(good, body)).accepted
    wrong = [
        world.headers(body, secret="another"),
        {**world.headers(body), "x-hub-signature-256": ""},
        {**world.headers(body), "x-hub-signature-256": "sha256=" + "0" * 64},
        {**world.headers(body), "x-hub-signature-256": "sha1=00"},
        {**world.headers(body), "x-hub-signature-256": "sha256=\u00e9\ud800"},
        {name: text for name, text in world.headers(body).items() if name != "x-hub-signature-256"},
    ]
    for headers in wrong:
        error = await refused(world.git, headers, body)
        assert (type(error), error.reason) == (Unauthenticated, "SIGNATURE_INVALID")
    altered = body.replace(b"main", b"mean")
    assert (await refused(world.git, world.headers(body), altered)).reason == "SIGNATURE_INVALID"
    assert len(await inbox(world)) == 1


async def test_an_unknown_repository_answers_as_a_wrong_signature_does(world: World) -> None:
    known, unknown = world.body("a" * 40), world.body("a" * 40).replace(b"4711", b"4712")
    first = await refused(world.git, world.headers(known, secret="another"), known)
    second = await refused(world.git, world.headers(unknown), unknown)
    assert (first.reason, first.message) == (second.reason, second.message)


async def test_an_id_with_another_body_is_refused_and_the_first_stays(world: World) -> None:
    first, second = world.body("a" * 40), world.body("b" * 40)
    await world.git.receive(world.headers(first, delivery="one"), first)
    error = await refused(world.git, world.headers(second, delivery="one"), second)
    assert (type(error), error.reason) == (AlreadyExists, "DELIVERY_CHANGED")
    assert (await world.git.receive(world.headers(first, delivery="one"), first)).accepted
    assert len(await inbox(world)) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b"{}",
        b'{"repository": 4711}',
        b'{"repository": {"id": true}}',
        b'{"repository": {"id": "47 11"}}',
        b"[" * 2000 + b"]" * 2000,
        b'{"repository":' * 2000,
        b'\xff\xfe{"repository": {"id": 4711}}',
    ],
)
async def test_what_names_no_repository_is_refused(world: World, body: bytes) -> None:
    assert (await refused(world.git, world.headers(body), body)).reason == "SIGNATURE_INVALID"


@pytest.mark.parametrize(
    "change",
    [
        {"ref": None},
        {"ref": 7},
        {"ref": "main"},
        {"ref": "refs/heads/" + "x" * 400},
        {"ref": "refs/heads/a\nb"},
        {"after": "abc"},
        {"before": None},
        {"after": "A" * 40},
    ],
)
async def test_a_signed_body_that_is_no_push_is_refused(world: World, change: dict[str, object]) -> None:
    body = json.dumps({**json.loads(world.body("a" * 40)), **change}).encode()
    error = await refused(world.git, world.headers(body), body)
    assert (type(error), error.reason) == (Invalid, "VALIDATION_FAILED")
    assert await inbox(world) == []


@pytest.mark.parametrize("name", ["x-github-delivery", "x-github-event"])
async def test_missing_headers_are_named(world: World, name: str) -> None:
    body = world.body("a" * 40)
    headers = {key: text for key, text in world.headers(body).items() if key != name}
    error = await refused(world.git, headers, body)
    assert name in error.message.lower()


async def test_other_events_and_tags_ask_for_nothing(world: World) -> None:
    ping = world.body("a" * 40)
    assert not (await world.git.receive(world.headers(ping, event="ping"), ping)).accepted
    tag = world.body("a" * 40, ref="refs/tags/v1")
    assert not (await world.git.receive(world.headers(tag), tag)).accepted
    assert await inbox(world) == []


async def test_a_delivery_over_the_bound_is_refused_before_it_is_read(world: World) -> None:
    body = b" " * (25 * 2**20 + 1)
    assert (await refused(world.git, {}, body)).reason == "LIMIT_EXCEEDED"


async def test_a_disconnected_repository_is_unknown(world: World) -> None:
    from stackly_server.accounts.repositories import Repositories

    ground = world.ground
    body = world.body("a" * 40)
    assert (await world.git.receive(world.headers(body), body)).accepted
    repositories = Repositories(ground.database, ground.keys, ground.pages, ground.routes, ground.clock, [])
    await repositories.disconnect(world.subject, world.repository_name)
    assert (await refused(world.git, world.headers(body), body)).reason == "SIGNATURE_INVALID"


async def test_a_delivery_through_the_door_and_a_large_one(world: World, api: "Api") -> None:
    stub = webhook_service_pb2_grpc.WebhookServiceStub(api.channel)
    for delivery, padding in (("small", 0), ("large", 6 * 2**20)):
        body = world.body("a" * 40, padding="x" * padding)
        request = webhook_service_pb2.ReceiveGitHubWebhookRequest(payload=HttpBody(data=body))
        answer = await stub.ReceiveGitHubWebhook(request, metadata=list(world.headers(body, delivery=delivery).items()))
        assert json.loads(answer.data)["accepted"]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ReceiveGitHubWebhook(request, metadata=list(world.headers(body, secret="x").items()))
        assert (caught.value.code(), reason(caught.value)) == (grpc.StatusCode.UNAUTHENTICATED, "SIGNATURE_INVALID")
    assert [delivery for delivery, _ in await inbox(world)] == ["small", "large"]


async def test_refusals_take_their_time(world: World) -> None:
    loop = asyncio.get_running_loop()
    for body in (world.body("a" * 40), world.body("a" * 40).replace(b"4711", b"4712"), b"no json"):
        begun = loop.time()
        await refused(world.git, world.headers(body, secret="another"), body)
        assert loop.time() - begun >= 0.05


async def test_the_servicer_answers_json(world: World) -> None:
    body = world.body(world.commit({"stackly.hcl": STACK, "main.tf": MODULE}))
    caller = Subject(Kind.ANONYMOUS, headers=world.headers(body, delivery="one"))
    request = webhook_service_pb2.ReceiveGitHubWebhookRequest(payload=HttpBody(data=body))
    answer = await WebhookServicer(world.git).ReceiveGitHubWebhook(request, caller)
    assert answer.content_type == "application/json"
    assert json.loads(answer.data) == {"deliveryId": "one", "accepted": True, "reason": ""}
