"""From credentials to tokens and callers, through the whole door."""

import json
from typing import Any

import grpc
import psycopg
import pytest

from api import Api, FreshDatabase, Tenant, reason
from stackly.ingress.v1 import discovery_service_pb2, discovery_service_pb2_grpc
from stackly.v1 import auth_service_pb2 as pb
from stackly.v1 import auth_service_pb2_grpc

WHO = pb.WhoAmIRequest()


@pytest.fixture
def auth(api: Api) -> auth_service_pb2_grpc.AuthServiceStub:
    return auth_service_pb2_grpc.AuthServiceStub(api.channel)


async def refused(call: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    return reason(caught.value)


def bearer(token: str) -> tuple[tuple[str, str]]:
    return (("authorization", f"Bearer {token}"),)


async def test_keys_that_are_not_good(auth: Any, api: Api, dev: Tenant, fresh_database: FreshDatabase) -> None:
    await api.sign_in(dev.api_key)
    wrong = dev.api_key[:-1] + ("A" if dev.api_key[-1] != "A" else "Q")
    unknown = "stk_" + "0" * 32 + "_" + "A" * 43
    for key in (wrong, unknown, "stk_" + "x" * 40, dev.api_key + "\n", dev.api_key.upper()):
        assert await refused(auth.ExchangeToken(pb.ExchangeTokenRequest(api_key=key))) == "TOKEN_INVALID"
    with psycopg.connect(fresh_database.super_url, autocommit=True) as conn:
        conn.execute("UPDATE api_keys SET expires_at = now()")
    assert await refused(auth.ExchangeToken(pb.ExchangeTokenRequest(api_key=dev.api_key))) == "TOKEN_INVALID"


async def test_callers_without_or_with_other_credentials(auth: Any, api: Api, dev: Tenant) -> None:
    tokens = await api.tokens(dev.api_key)
    await auth.WhoAmI(WHO, metadata=bearer(tokens.access_token))
    assert await refused(auth.WhoAmI(WHO)) == "TOKEN_MISSING"
    for header in (
        "",
        "Basic YTpi",
        "Bearer",
        "Bearer  x",
        f"bearer {tokens.access_token} x",
        "Bearer ✓".encode().hex(),
    ):
        assert await refused(auth.WhoAmI(WHO, metadata=(("authorization", header),))) == "TOKEN_INVALID"
    for token in (tokens.refresh_token, dev.api_key, "stkr_" + "A" * 40):
        assert await refused(auth.WhoAmI(WHO, metadata=bearer(token))) == "TOKEN_INVALID"


async def test_refresh(auth: Any, api: Api, dev: Tenant) -> None:
    first = await api.tokens(dev.api_key)
    assert await refused(auth.RefreshToken(pb.RefreshTokenRequest(refresh_token=first.access_token))) == "TOKEN_INVALID"
    second = (await auth.RefreshToken(pb.RefreshTokenRequest(refresh_token=first.refresh_token))).tokens
    again = (await auth.RefreshToken(pb.RefreshTokenRequest(refresh_token=first.refresh_token))).tokens
    for tokens in (second, again):  # both are the successor: whoever lost the first answer can go on
        third = (await auth.RefreshToken(pb.RefreshTokenRequest(refresh_token=tokens.refresh_token))).tokens
        assert third.refresh_expires_at == first.refresh_expires_at
        await auth.WhoAmI(WHO, metadata=bearer(third.access_token))


async def test_a_stolen_refresh_token_kills_the_family(
    auth: Any, api: Api, dev: Tenant, fresh_database: FreshDatabase
) -> None:
    first = await api.tokens(dev.api_key)
    second = (await auth.RefreshToken(pb.RefreshTokenRequest(refresh_token=first.refresh_token))).tokens
    await auth.WhoAmI(WHO, metadata=bearer(second.access_token))
    with psycopg.connect(fresh_database.super_url, autocommit=True) as conn:
        conn.execute("UPDATE token_families SET rotated_at = rotated_at - interval '31 seconds'")
    assert await refused(auth.RefreshToken(pb.RefreshTokenRequest(refresh_token=first.refresh_token))) == "TOKEN_REUSED"
    successor = pb.RefreshTokenRequest(refresh_token=second.refresh_token)
    assert await refused(auth.RefreshToken(successor)) == "TOKEN_INVALID"

    async def out() -> bool:
        try:
            await auth.WhoAmI(WHO, metadata=bearer(second.access_token))
        except grpc.aio.AioRpcError:
            return True
        return False

    for _ in range(200):
        if await out():
            break
    assert await refused(auth.WhoAmI(WHO, metadata=bearer(second.access_token))) == "TOKEN_INVALID"


async def test_two_steps_behind_is_reuse(auth: Any, api: Api, dev: Tenant) -> None:
    first = await api.tokens(dev.api_key)
    second = (await auth.RefreshToken(pb.RefreshTokenRequest(refresh_token=first.refresh_token))).tokens
    await auth.RefreshToken(pb.RefreshTokenRequest(refresh_token=second.refresh_token))
    assert await refused(auth.RefreshToken(pb.RefreshTokenRequest(refresh_token=first.refresh_token))) == "TOKEN_REUSED"


async def test_revoke(auth: Any, api: Api, dev: Tenant, rival: Tenant) -> None:
    mine, theirs = await api.tokens(dev.api_key), await api.tokens(rival.api_key)
    metadata = bearer(mine.access_token)
    foreign = pb.RevokeTokenRequest(refresh_token=theirs.refresh_token)
    assert await refused(auth.RevokeToken(foreign, metadata=metadata)) == "TOKEN_INVALID"
    await auth.RefreshToken(pb.RefreshTokenRequest(refresh_token=theirs.refresh_token))  # theirs lives on
    await auth.RevokeToken(pb.RevokeTokenRequest(refresh_token=mine.refresh_token), metadata=metadata)
    assert await refused(auth.WhoAmI(WHO, metadata=metadata)) == "TOKEN_INVALID"
    gone = pb.RefreshTokenRequest(refresh_token=mine.refresh_token)
    assert await refused(auth.RefreshToken(gone)) == "TOKEN_INVALID"


async def test_another_server_hears_of_changed_grants(
    auth: Any, api: Api, dev: Tenant, fresh_database: FreshDatabase
) -> None:
    """A notification from elsewhere drops what is held here, long before the 30 seconds are over."""
    metadata = await api.sign_in(dev.api_key)
    before = await auth.WhoAmI(WHO, metadata=metadata)
    assert "members.write" in before.permissions
    with psycopg.connect(fresh_database.super_url, autocommit=True) as conn:
        conn.execute("UPDATE members SET roles = '{viewer}'")
        assert "members.write" in (await auth.WhoAmI(WHO, metadata=metadata)).permissions  # held
        conn.execute("SELECT pg_notify('stackly', %s)", (f"access/{dev.account_id}",))
    seen: list[int] = []
    for _ in range(500):
        seen.append(len((await auth.WhoAmI(WHO, metadata=metadata)).permissions))
        if seen[-1] < len(before.permissions):
            break
    assert seen[-1] == 5


async def test_public_documents(api: Api) -> None:
    stub = discovery_service_pb2_grpc.DiscoveryServiceStub(api.channel)
    keys = await stub.GetJwks(discovery_service_pb2.GetJwksRequest())
    assert keys.content_type == "application/jwk-set+json"
    assert [key["kty"] for key in json.loads(keys.data)["keys"]] == ["EC"]
    openapi = await stub.GetOpenApi(discovery_service_pb2.GetOpenApiRequest())
    assert json.loads(openapi.data)["openapi"].startswith("3.")
