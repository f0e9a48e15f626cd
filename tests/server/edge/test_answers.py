"""Repeated calls: the same answer, no second effect, whatever happens between."""

import asyncio
import uuid
from typing import Any

import grpc
import psycopg
import pytest

from api import FreshDatabase, reason
from stackly.v1 import accounts_service_pb2 as accounts
from stackly_server.access import Subject
from stackly_server.app import Ground
from waiting import until


class Work:
    """A KEYED use case that counts its effects; `gate` holds it inside its transaction."""

    def __init__(self, ground: Ground) -> None:
        self._db = ground.database
        self.effects = 0
        self.inside = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, request: Any, call: Subject) -> accounts.CreateApiKeyResponse:
        answer = accounts.CreateApiKeyResponse(secret=f"s3cret-{uuid.uuid4()}")
        call.encode = lambda result: result.SerializeToString()
        async with self._db.transaction(call) as tx:
            self.inside += 1
            await self.gate.wait()
            tx.tell("api_key.created", request.parent)
            tx.result = answer
        self.effects += 1
        return answer


def request(name: str, request_id: str) -> accounts.CreateApiKeyRequest:
    asked = accounts.CreateApiKeyRequest(parent="accounts/dev", request_id=request_id)
    asked.api_key.display_name = name
    return asked


@pytest.fixture
def work(provoked: Any, ground: Ground) -> Work:
    made = Work(ground)
    provoked.behaviour.keyed = made
    return made


async def test_repeated_it_answers_the_same(provoked: Any, work: Work) -> None:
    asked = request("ci", str(uuid.uuid4()))
    answers = [await provoked.accounts.CreateApiKey(asked, metadata=provoked.signed_in) for _ in range(3)]
    assert len({answer.secret for answer in answers}) == 1
    assert work.effects == 1


async def test_without_an_id_each_call_counts(provoked: Any, work: Work) -> None:
    for _ in range(2):
        await provoked.accounts.CreateApiKey(request("ci", ""), metadata=provoked.signed_in)
    assert work.effects == 2


async def test_the_id_with_another_body_is_refused(provoked: Any, work: Work) -> None:
    id_ = str(uuid.uuid4())
    await provoked.accounts.CreateApiKey(request("ci", id_), metadata=provoked.signed_in)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await provoked.accounts.CreateApiKey(request("another", id_), metadata=provoked.signed_in)
    assert (caught.value.code(), reason(caught.value)) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "REQUEST_ID_REUSED",
    )
    assert work.effects == 1


async def test_side_by_side_one_has_its_effect(provoked: Any, work: Work) -> None:
    asked = request("ci", str(uuid.uuid4()))
    work.gate.clear()
    calls = [
        asyncio.ensure_future(provoked.accounts.CreateApiKey(asked, metadata=provoked.signed_in)) for _ in range(4)
    ]
    await until(lambda: work.inside == 4)
    work.gate.set()
    answers = await asyncio.gather(*calls)
    assert len({answer.secret for answer in answers}) == 1
    assert work.effects == 1


async def test_side_by_side_with_another_body_one_is_refused(provoked: Any, work: Work) -> None:
    id_ = str(uuid.uuid4())
    work.gate.clear()
    calls = [
        asyncio.ensure_future(provoked.accounts.CreateApiKey(request(name, id_), metadata=provoked.signed_in))
        for name in ("one", "two")
    ]
    await until(lambda: work.inside == 2)
    work.gate.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    (refused,) = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert reason(refused) == "REQUEST_ID_REUSED"
    assert work.effects == 1


async def test_a_failed_call_leaves_nothing_to_repeat(provoked: Any, work: Work) -> None:
    asked = request("ci", str(uuid.uuid4()))

    async def fails(*_: Any) -> None:
        raise RuntimeError

    provoked.behaviour.keyed = fails
    with pytest.raises(grpc.aio.AioRpcError):
        await provoked.accounts.CreateApiKey(asked, metadata=provoked.signed_in)
    provoked.behaviour.keyed = work
    await provoked.accounts.CreateApiKey(asked, metadata=provoked.signed_in)
    assert work.effects == 1


async def test_kept_secrets_are_sealed(provoked: Any, work: Work, fresh_database: FreshDatabase) -> None:
    asked = request("ci", str(uuid.uuid4()))
    answer = await provoked.accounts.CreateApiKey(asked, metadata=provoked.signed_in)
    with psycopg.connect(fresh_database.super_url) as conn:
        ((response, sealed),) = conn.execute("SELECT response, sealed FROM idempotency").fetchall()
    assert sealed
    assert answer.secret.startswith("s3cret-")
    assert b"s3cret-" not in response
