"""Temporal's own tools read payloads through our door, for those who may."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import grpc
import pytest
from google.api import httpbody_pb2
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.worker import Worker

from api import Api, Tenant, reason
from echoing import EchoWorkflow, echo
from stackly.ingress.v1 import codec_service_pb2
from stackly.ingress.v1.codec_service_pb2_grpc import CodecServiceStub
from stackly_server.config import Settings
from stackly_server.dev import binaries
from stackly_server.dev.parts.envoy import Envoy
from stackly_server.dev.parts.temporal import Temporal as TemporalServer
from stackly_server.outside.codec import ENCODING
from stackly_server.outside.temporal import CONTROL_QUEUE, Temporal

if TYPE_CHECKING:
    from stackly_server.app import Ground

WORD = "a word to be read"


@pytest.fixture
async def history(dev: Tenant, namespace: str, sealed: Temporal) -> Payload:
    """The sealed argument of a workflow that ran."""
    client = await sealed.client(namespace, dev.account_id)
    async with Worker(client, task_queue=CONTROL_QUEUE, workflows=[EchoWorkflow], activities=[echo]):
        handle = await client.start_workflow("EchoWorkflow", WORD, id="run/1/plan/1", task_queue=CONTROL_QUEUE)
        await handle.result()
    started = (await handle.fetch_history()).events[0].workflow_execution_started_event_attributes
    return started.input.payloads[0]


def body(*payloads: Payload) -> httpbody_pb2.HttpBody:
    text = json_format.MessageToJson(Payloads(payloads=payloads))
    return httpbody_pb2.HttpBody(content_type="application/json", data=text.encode())


def opened(answer: httpbody_pb2.HttpBody) -> list[Payload]:
    return list(json_format.Parse(answer.data, Payloads()).payloads)


async def test_only_the_own_accounts_payloads_are_opened_and_each_time_is_told(
    api: Api, dev: Tenant, rival: Tenant, namespace: str, history: Payload, ground: "Ground"
) -> None:
    stub = CodecServiceStub(api.channel)
    owner, stranger = await api.sign_in(dev.api_key), await api.sign_in(rival.api_key)
    ask = codec_service_pb2.DecodePayloadsRequest(namespace=namespace, payload=body(history))
    (plain,) = opened(await stub.DecodePayloads(ask, metadata=owner))
    assert json.loads(plain.data) == WORD
    async with ground.database.read(rival.account_id) as conn:
        row = await (await conn.execute("SELECT temporal_namespace FROM namespaces")).fetchone()
    assert row is not None
    pasted = codec_service_pb2.DecodePayloadsRequest(namespace=row[0], payload=body(history))
    for request, caller, why in (
        (ask, stranger, "NOT_FOUND"),
        (pasted, stranger, "PERMISSION_DENIED"),
        (pasted, owner, "NOT_FOUND"),
        (
            codec_service_pb2.DecodePayloadsRequest(namespace=namespace, payload={"data": b"{"}),
            owner,
            "VALIDATION_FAILED",
        ),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.DecodePayloads(request, metadata=caller)
        assert reason(caught.value) == why
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.DecodePayloads(ask)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    async with ground.database.read(dev.account_id) as conn:
        told = await (await conn.execute("SELECT subject FROM events WHERE type = 'payloads.decoded'")).fetchall()
    assert told == [("accounts/dev/namespaces/default",)]


async def test_what_is_sealed_here_opens_here(api: Api, dev: Tenant, namespace: str) -> None:
    stub, owner = CodecServiceStub(api.channel), await api.sign_in(dev.api_key)
    plain = Payload(metadata={"encoding": b"json/plain"}, data=b'"hello"')
    request = codec_service_pb2.EncodePayloadsRequest(namespace=namespace, payload=body(plain))
    (sealed,) = opened(await stub.EncodePayloads(request, metadata=owner))
    assert sealed.metadata["encoding"] == ENCODING
    back = codec_service_pb2.DecodePayloadsRequest(namespace=namespace, payload=body(sealed, plain))
    assert opened(await stub.DecodePayloads(back, metadata=owner)) == [plain, plain]


@pytest.fixture
async def behind_envoy(settings: Settings, envoy: Envoy, dev: Tenant) -> AsyncIterator[str]:
    """The API where Envoy looks for it; gives the owner's bearer."""
    from stackly_server.app import serving

    socket = envoy.settings.public.upstream_socket
    own = settings.model_copy(update={"public_socket": socket})
    async with serving(own, drain=0, grace=1) as server, grpc.aio.insecure_channel(f"unix:{socket}") as channel:
        yield dict(await Api(channel, server, own).sign_in(dev.api_key))["authorization"]


async def test_temporals_command_shows_what_ran(
    behind_envoy: str, envoy: Envoy, temporal: TemporalServer, namespace: str, history: Payload
) -> None:
    show = ["workflow", "show", "--workflow-id", "run/1/plan/1", "--output", "json"]
    where = ["--address", temporal.address, "--namespace", namespace]
    codec = ["--codec-endpoint", f"{envoy.public_url}/v1/codec/{namespace}", "--codec-auth", behind_envoy]
    word = base64.b64encode(json.dumps(WORD).encode()).decode()  # as the tool prints the data of a payload
    assert word not in await shown(envoy, *show, *where)
    assert word in await shown(envoy, *show, *where, *codec)


async def shown(envoy: Envoy, *arguments: str) -> str:
    """What the command prints; it trusts our CA."""
    process = await asyncio.create_subprocess_exec(
        str(binaries.find("temporal")),
        *arguments,
        env={"SSL_CERT_FILE": str(envoy.ca), "HOME": str(envoy.ca.parent)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()
