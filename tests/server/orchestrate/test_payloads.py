"""Payloads: sealed wherever Temporal keeps them, opened only where they belong."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError
from temporalio.converter import DataConverter
from temporalio.worker import Worker

from api import Tenant
from echoing import EchoWorkflow, echo
from stackly_server.dev.home import Home
from stackly_server.dev.parts.temporal import Temporal as TemporalServer
from stackly_server.errors import Denied, NotNow
from stackly_server.outside.codec import ENCODING, Context, seal, unseal
from stackly_server.outside.temporal import CONTROL_QUEUE, Temporal
from stackly_server.sealing import BrokenSealError, DataKey

if TYPE_CHECKING:
    from stackly_server.app import Ground

PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"a word"')


def key(version: int = 1) -> DataKey:
    return DataKey(uuid4(), "payload", version, os.urandom(32))


def test_a_payload_opens_where_it_belongs_and_nowhere_else() -> None:
    mine = key()
    contexts = [
        Context(account, namespace, workflow, kind)
        for account in ("a1", "a2")
        for namespace in ("n1", "n2")
        for workflow in ("run/1", "run/2")
        for kind in ("workflow", "activity")
    ]
    for here in contexts:
        assert unseal([mine], here, seal(mine, here, PLAIN)) == PLAIN
    for here, there in permutations(contexts, 2):
        with pytest.raises(Denied):
            unseal([mine], here, seal(mine, there, PLAIN))


def test_what_was_altered_does_not_open() -> None:
    mine, here = key(), Context("a", "n", "w", "workflow")
    sealed = seal(mine, here, PLAIN)
    forged = replace(here, account="b").to_bytes()
    altered = [
        Payload(metadata=dict(sealed.metadata), data=sealed.data[:-1] + bytes([sealed.data[-1] ^ 1])),
        Payload(metadata={**sealed.metadata, "stackly-context": here.to_bytes() + b" "}, data=sealed.data),
        Payload(metadata={**sealed.metadata, "stackly-context": b"{}"}, data=sealed.data),
        Payload(metadata=dict(sealed.metadata), data=b"short"),
        PLAIN,
    ]
    for each in altered:
        with pytest.raises(BrokenSealError):
            unseal([mine], here, each)
    with pytest.raises(BrokenSealError):  # the context says it belongs here, the seal says it does not
        unseal(
            [mine],
            replace(here, account="b"),
            Payload(metadata={**sealed.metadata, "stackly-context": forged}, data=sealed.data),
        )
    with pytest.raises(BrokenSealError):
        unseal([key()], here, sealed)
    with pytest.raises(NotNow):
        unseal([key(version=2)], here, sealed)


@asynccontextmanager
async def working(client: Client) -> AsyncIterator[None]:
    async with Worker(client, task_queue=CONTROL_QUEUE, workflows=[EchoWorkflow], activities=[echo]):
        yield


async def test_temporal_never_holds_a_plain_word(
    ground: "Ground", dev: Tenant, namespace: str, sealed: Temporal, temporal: TemporalServer, parts_home: Home
) -> None:
    canary, failure = f"canary-{uuid4().hex}", f"canary-{uuid4().hex}"
    client = await sealed.client(namespace, dev.account_id)
    async with working(client):
        handle = await client.start_workflow("EchoWorkflow", canary, id="run/1/plan/1", task_queue=CONTROL_QUEUE)
        assert await handle.result() == canary  # the positive control: it was there, and it came back
        with pytest.raises(WorkflowFailureError) as caught:
            await client.execute_workflow(
                "EchoWorkflow", f"fail {failure}", id="run/2/plan/1", task_queue=CONTROL_QUEUE
            )
        assert failure in str(caught.value.cause.__cause__)
    folder = parts_home.data("temporal")
    stored = b"".join(path.read_bytes() for path in folder.iterdir())
    assert b"run/1/plan/1" in stored
    assert ENCODING in stored
    for word in (canary, failure):
        assert word.encode() not in stored
        assert base64.b64encode(word.encode())[:-4] not in stored


async def test_a_payload_of_another_workflow_is_not_taken(
    ground: "Ground", dev: Tenant, namespace: str, sealed: Temporal, temporal: TemporalServer
) -> None:
    client = await sealed.client(namespace, dev.account_id)
    async with working(client):
        first = await client.start_workflow("EchoWorkflow", "a word", id="run/1/plan/1", task_queue=CONTROL_QUEUE)
        assert await first.result() == "a word"
        stolen = (await first.fetch_history()).events[0].workflow_execution_started_event_attributes.input.payloads[0]
        intruder = await Client.connect(temporal.address, namespace=namespace, data_converter=DataConverter.default)
        from temporalio.common import RawValue

        pasted = await intruder.start_workflow(
            "EchoWorkflow", RawValue(stolen), id="run/2/plan/1", task_queue=CONTROL_QUEUE
        )
        failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
        kinds: list[int] = []
        for _ in range(1000):
            kinds = [event.event_type for event in (await pasted.fetch_history()).events]
            if failed in kinds:
                break
            await asyncio.sleep(0.01)
        assert failed in kinds
        await pasted.terminate()
