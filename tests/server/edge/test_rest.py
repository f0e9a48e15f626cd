"""The same door through a real Envoy: REST, native gRPC over TLS, streams, errors."""

import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc
import httpx
import pytest

from api import Tenant, reason
from stackly.v1 import auth_service_pb2, auth_service_pb2_grpc
from stackly_server.app import Ground
from stackly_server.config import Settings
from stackly_server.dev.parts.envoy import Envoy


@dataclass(frozen=True)
class Rest:
    """An HTTP client of Envoy; `signed_in` are headers of the owner."""

    http: httpx.AsyncClient
    envoy: Envoy
    signed_in: dict[str, str]


@pytest.fixture
async def rest(envoy: Envoy, settings: Settings, dev: Tenant) -> AsyncIterator[Rest]:
    from stackly_server.app import serving

    there = settings.model_copy(update={"public_socket": envoy.settings.public.upstream_socket})
    trust = ssl.create_default_context(cafile=str(envoy.ca))
    async with (
        serving(there, drain=0, grace=1),
        httpx.AsyncClient(base_url=envoy.public_url, verify=trust, trust_env=False, http2=False) as http,
    ):
        answer = await http.post("/v1/auth:exchangeToken", json={"apiKey": dev.api_key})
        assert answer.status_code == 200, answer.text
        token = answer.json()["tokens"]["accessToken"]
        yield Rest(http, envoy, {"authorization": f"Bearer {token}"})


def info(answer: httpx.Response) -> dict[str, object]:
    """The ErrorInfo of a refusal."""
    found: dict[str, object]
    (found,) = [each for each in answer.json()["details"] if each["@type"].endswith("ErrorInfo")]
    return found


async def test_signed_in(rest: Rest) -> None:
    answer = await rest.http.get("/v1/auth:whoAmI", headers=rest.signed_in)
    assert answer.json()["principal"] == "accounts/dev/members/ann"
    assert answer.headers["x-request-id"]
    listed = await rest.http.get("/v1/accounts/dev/namespaces", headers=rest.signed_in)
    assert listed.json()["namespaces"][0]["status"] == "NAMESPACE_STATUS_PROVISIONING"


async def test_refusals_are_json_with_details(rest: Rest) -> None:
    nobody = await rest.http.get("/v1/auth:whoAmI")
    assert (nobody.status_code, info(nobody)["reason"]) == (401, "TOKEN_MISSING")
    foreign = await rest.http.get("/v1/accounts/rival/namespaces", headers=rest.signed_in)
    assert (foreign.status_code, info(foreign)["reason"]) == (404, "NOT_FOUND")
    bad = await rest.http.get("/v1/accounts/dev/members?pageSize=-1", headers=rest.signed_in)
    assert (bad.status_code, info(bad)["domain"]) == (400, "stackly.dev")
    (fields,) = [each for each in bad.json()["details"] if each["@type"].endswith("BadRequest")]
    assert fields["fieldViolations"][0]["field"] == "page_size"


async def test_escaped_names_do_not_reach_another_thing(rest: Rest) -> None:
    for name in ("dev%2Fnamespaces%2Fdefault", "dev%00", "..%2Frival", "Dev"):
        answer = await rest.http.get(f"/v1/accounts/{name}/namespaces", headers=rest.signed_in)
        assert answer.status_code in {400, 404}, (name, answer.text)


@pytest.mark.parametrize("body", [{}, {"run": {"type": "RUN_TYPE_PLAN_ONLY"}}, {"typ": "RUN_TYPE_PLAN_ONLY"}])
async def test_a_run_whose_type_is_not_read_is_not_made(rest: Rest, body: dict[str, object]) -> None:
    """The transcoder lets unknown keys of a body pass in silence; what is left of such a body must not mean an apply."""
    answer = await rest.http.post("/v1/accounts/dev/stackStates/it/runs", headers=rest.signed_in, json=body)
    assert (answer.status_code, info(answer)["reason"]) == (400, "VALIDATION_FAILED")
    (fields,) = [each for each in answer.json()["details"] if each["@type"].endswith("BadRequest")]
    assert fields["fieldViolations"][0]["field"] == "run.type"
    named = {"type": "RUN_TYPE_PLAN_ONLY"}
    answer = await rest.http.post("/v1/accounts/dev/stackStates/it/runs", headers=rest.signed_in, json=named)
    assert info(answer)["reason"] == "NOT_FOUND"


async def test_public_documents(rest: Rest) -> None:
    keys = await rest.http.get("/v1/jwks.json")
    assert (keys.headers["content-type"], list(keys.json())) == ("application/jwk-set+json", ["keys"])
    document = await rest.http.get("/v1/openapi.json")
    assert "/v1/auth:whoAmI" in document.json()["paths"]


async def test_a_stream_is_lines_of_json(rest: Rest, ground: Ground, dev: Tenant) -> None:
    path = "/v1/accounts/dev/events:watch?resumeToken=0"
    async with rest.http.stream("GET", path, headers=rest.signed_in) as answer:
        lines = answer.aiter_lines()
        first = [json.loads(await anext(lines))["event"]["type"] for _ in range(3)]
        assert first == ["account.created", "member.added", "api_key.created"]
        async with ground.database.transaction(dev.subject()) as tx:
            tx.tell("run.created", "accounts/dev/stackStates/x/runs/run-1")
        assert json.loads(await anext(lines))["event"]["type"] == "run.created"


async def test_native_grpc_over_tls(rest: Rest) -> None:
    trust = grpc.ssl_channel_credentials(rest.envoy.ca.read_bytes())
    async with grpc.aio.secure_channel(rest.envoy.public_url.removeprefix("https://"), trust) as channel:
        stub = auth_service_pb2_grpc.AuthServiceStub(channel)
        metadata = tuple(rest.signed_in.items())
        who = await stub.WhoAmI(auth_service_pb2.WhoAmIRequest(), metadata=metadata)
        assert who.account == "accounts/dev"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.WhoAmI(auth_service_pb2.WhoAmIRequest())
        assert reason(caught.value) == "TOKEN_MISSING"
