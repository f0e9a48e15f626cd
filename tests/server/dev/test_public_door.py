"""The public door, before a small gRPC server that stands where the API will: REST, gRPC, gRPC-Web, errors, limits."""

import hashlib
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx
import pytest
from google.api import httpbody_pb2
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from stackly.ingress.v1 import webhook_service_pb2_grpc
from stackly.v1 import accounts_pb2, accounts_service_pb2, accounts_service_pb2_grpc, runs_service_pb2
from stackly.v1 import runs_service_pb2_grpc as runs_grpc
from stackly_server.dev.envoy.public import WEBHOOK_LIMIT_BYTES
from stackly_server.dev.parts.envoy import Envoy

LOGS = "/v1/accounts/a/stackStates/s/runs/r/logs:tail"


async def refuse(context: Any) -> None:
    reason = any_pb2.Any()
    reason.Pack(error_details_pb2.ErrorInfo(reason="NOT_FOUND", domain="stackly.dev", metadata={"x": "y"}))
    refused = status_pb2.Status(code=5, message="no such account", details=[reason])
    await context.abort_with_status(rpc_status.to_status(refused))


@dataclass
class Accounts(accounts_service_pb2_grpc.AccountServiceServicer):
    seen: dict[str, str] = field(default_factory=dict)

    async def GetAccount(self, request: accounts_service_pb2.GetAccountRequest, context: Any) -> Any:  # noqa: N802
        self.seen = {key: str(value) for key, value in context.invocation_metadata()}
        if request.name == "accounts/rich":
            await refuse(context)
        return accounts_service_pb2.GetAccountResponse(account=accounts_pb2.Account(name=request.name))


class Runs(runs_grpc.RunServiceServicer):
    async def TailRunLogs(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        if request.name.startswith("accounts/rich/"):
            await refuse(context)
        for offset in (1, 2):
            yield runs_service_pb2.TailRunLogsResponse(next_offset=offset, heartbeat={})
        yield runs_service_pb2.TailRunLogsResponse(next_offset=3, end={})


class Webhooks(webhook_service_pb2_grpc.WebhookServiceServicer):
    async def ReceiveGitHubWebhook(self, request: Any, context: Any) -> httpbody_pb2.HttpBody:  # noqa: N802
        digest = hashlib.sha256(request.payload.data).hexdigest()
        return httpbody_pb2.HttpBody(content_type="text/plain", data=digest.encode())


@pytest.fixture(scope="module")
async def accounts(envoy: Envoy) -> AsyncIterator[Accounts]:
    servicer = Accounts()
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", WEBHOOK_LIMIT_BYTES + 65_536)])
    accounts_service_pb2_grpc.add_AccountServiceServicer_to_server(servicer, server)
    runs_grpc.add_RunServiceServicer_to_server(Runs(), server)
    webhook_service_pb2_grpc.add_WebhookServiceServicer_to_server(Webhooks(), server)
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    reflection.enable_server_reflection(("stackly.v1.AccountService",), server)
    server.add_insecure_port(f"unix:{envoy.settings.public.upstream_socket}")
    await server.start()
    yield servicer
    await server.stop(0)


@pytest.fixture(scope="module")
async def rest(envoy: Envoy, accounts: Accounts) -> AsyncIterator[httpx.AsyncClient]:
    trust = ssl.create_default_context(cafile=str(envoy.ca))
    async with httpx.AsyncClient(base_url=envoy.public_url, verify=trust, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
async def native(envoy: Envoy, accounts: Accounts) -> AsyncIterator[grpc.aio.Channel]:
    credentials = grpc.ssl_channel_credentials(root_certificates=envoy.ca.read_bytes())
    async with grpc.aio.secure_channel(envoy.public_url.removeprefix("https://"), credentials) as channel:
        yield channel


async def test_rest_prints_all_keys_in_camel_case(rest: httpx.AsyncClient) -> None:
    answer = await rest.get("/v1/accounts/dev")
    assert answer.status_code == 200
    assert answer.json()["account"]["name"] == "accounts/dev"
    assert answer.json()["account"]["displayName"] == ""


async def test_a_stream_is_one_json_document_a_line(rest: httpx.AsyncClient) -> None:
    answer = await rest.get(LOGS)
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["nextOffset"] for line in lines] == ["1", "2", "3"]
    assert "end" in lines[-1]
    assert answer.headers["content-type"] == "application/x-ndjson"


async def test_a_stream_that_is_refused_is_one_error(rest: httpx.AsyncClient) -> None:
    answer = await rest.get(LOGS.replace("/a/", "/rich/"))
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    assert answer.json()["details"][0]["reason"] == "NOT_FOUND"


async def test_native_streams_stay_grpc(native: grpc.aio.Channel) -> None:
    request = runs_service_pb2.TailRunLogsRequest(name=LOGS.removeprefix("/v1/").removesuffix("/logs:tail"))
    answers = [each.next_offset async for each in runs_grpc.RunServiceStub(native).TailRunLogs(request, timeout=5)]
    assert answers == [1, 2, 3]


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/v1/accounts/rich", 404, "NOT_FOUND"),  # the API's own error, with its details
        ("/v1/nowhere", 404, "NOT_FOUND"),
        ("/stackly.worker.v1.WorkerTaskService/Heartbeat", 404, "NOT_FOUND"),
        ("/v1/accounts/dev?unknown=1", 400, "VALIDATION_FAILED"),
    ],
)
async def test_every_error_has_one_shape(rest: httpx.AsyncClient, path: str, status: int, reason: str) -> None:
    answer = await rest.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"code", "message", "details"}
    assert answer.json()["details"][0]["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    assert answer.json()["details"][0]["reason"] == reason


async def test_headers_that_we_trust_do_not_come_from_outside(rest: httpx.AsyncClient, accounts: Accounts) -> None:
    forged = {"x-stackly-account": "root", "X-Stackly-Subject": "root", "x-forwarded-client-cert": "URI=spiffe://x"}
    await rest.get("/v1/accounts/dev", headers={**forged, "x-other": "stays"})
    assert accounts.seen["x-other"] == "stays"
    assert not {key.lower() for key in forged} & set(accounts.seen)


async def test_a_large_webhook_arrives_byte_for_byte(rest: httpx.AsyncClient) -> None:
    body = bytes(range(256)) * 4 * 1024 * 20  # 20 MiB
    answer = await rest.post("/v1/webhooks/github", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert answer.text == hashlib.sha256(body).hexdigest()


async def test_bodies_beyond_the_limit_are_refused(rest: httpx.AsyncClient) -> None:
    closing = {"connection": "close"}  # what was not read of a refused body must not look like the next request
    answer = await rest.post("/v1/webhooks/github", content=b"x" * (WEBHOOK_LIMIT_BYTES + 1), headers=closing)
    assert answer.status_code == 413
    assert answer.json()["details"][0]["reason"] == "LIMIT_EXCEEDED"
    answer = await rest.post("/v1/codec/n/decode", content=b"x" * (4 * 1024 * 1024 + 1))
    assert answer.status_code == 413


async def test_native_grpc_keeps_its_own_errors(native: grpc.aio.Channel) -> None:
    stub = accounts_service_pb2_grpc.AccountServiceStub(native)
    answer = await stub.GetAccount(accounts_service_pb2.GetAccountRequest(name="accounts/dev"), timeout=5)
    assert answer.account.name == "accounts/dev"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetAccount(accounts_service_pb2.GetAccountRequest(name="accounts/rich"), timeout=5)
    assert caught.value.details() == "no such account"
    refused = rpc_status.from_call(caught.value)
    assert refused is not None
    assert refused.details[0].Is(error_details_pb2.ErrorInfo.DESCRIPTOR)


async def test_workers_calls_have_no_way_through_the_public_door(native: grpc.aio.Channel) -> None:
    call: Any = native.unary_unary("/stackly.worker.v1.WorkerTaskService/Heartbeat", request_serializer=bytes)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"", timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "{" not in (caught.value.details() or "")


async def test_health_and_reflection(native: grpc.aio.Channel) -> None:
    checked = await health_pb2_grpc.HealthStub(native).Check(health_pb2.HealthCheckRequest(), timeout=5)
    assert checked.status == health_pb2.HealthCheckResponse.SERVING
    asked = reflection_pb2_grpc.ServerReflectionStub(native).ServerReflectionInfo(
        iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=5
    )
    async for answer in asked:
        assert [service.name for service in answer.list_services_response.service] == ["stackly.v1.AccountService"]


async def test_grpc_web(rest: httpx.AsyncClient) -> None:
    message = accounts_service_pb2.GetAccountRequest(name="accounts/dev").SerializeToString()
    answer = await rest.post(
        "/stackly.v1.AccountService/GetAccount",
        content=b"\0" + len(message).to_bytes(4, "big") + message,
        headers={"content-type": "application/grpc-web+proto", "x-grpc-web": "1"},
    )
    assert answer.status_code == 200
    size = int.from_bytes(answer.content[1:5], "big")
    got = accounts_service_pb2.GetAccountResponse.FromString(answer.content[5 : 5 + size])
    assert got.account.name == "accounts/dev"
    assert answer.content[5 + size] == 0x80  # the trailers, as a frame of their own
    assert b"grpc-status:0" in answer.content
