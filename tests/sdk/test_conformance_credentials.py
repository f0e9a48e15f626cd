"""How both clients sign in, and what they trust; `test_conformance_blocking` runs this source again for the blocking one."""

from typing import Any

import grpc
import pytest

from fakes.authority import Authority
from fakes.sdk_clients import CODE, async_client
from fakes.stackly_api import API_KEY, Refused
from fakes.stackly_world import FakeStackly
from stackly_sdk import AsyncStackly, Secret, errors
from stackly_sdk.channel import target_of


async def test_a_token_is_refreshed_before_it_ends(api: FakeStackly) -> None:
    api.token_seconds = 30.0
    async with async_client(api, account="dev") as s:
        for _ in range(3):
            await s.stacks.get("hello")
    assert len(api.requests("ExchangeToken")) == 1
    assert len(api.requests("RefreshToken")) == 2


async def test_a_spent_refresh_token_leads_back_to_the_key(api: FakeStackly) -> None:
    api.token_seconds = 30.0
    async with async_client(api, account="dev") as s:
        await s.stacks.get("hello")
        api.refresh_tokens.clear()
        await s.stacks.get("hello")
    assert len(api.requests("ExchangeToken")) == 2


async def test_a_revoked_token_is_replaced_once(api: FakeStackly) -> None:
    async with async_client(api, account="dev") as s:
        await s.stacks.get("hello")
        api.good_tokens.clear()
        await s.stacks.get("hello")
        api.faults["GetStackState"].extend([Refused(CODE.UNAUTHENTICATED, "TOKEN_INVALID")] * 2)
        with pytest.raises(errors.TokenInvalid):
            await s.stacks.get("hello")


async def test_a_bad_key_is_login_required(api: FakeStackly) -> None:
    async with async_client(api, api_key="stk_not_a_key") as s:
        with pytest.raises(errors.LoginRequired, match="stackly login"):
            await s.stacks.get("hello")


async def test_without_credentials_the_first_call_says_so(api: FakeStackly) -> None:
    async with async_client(api, api_key="") as s:
        with pytest.raises(errors.LoginRequired):
            await s.whoami()


async def test_without_a_server_login_is_required() -> None:
    with pytest.raises(errors.LoginRequired, match="STACKLY_ENDPOINT"):
        AsyncStackly()


async def test_secrets_are_in_no_repr(api: FakeStackly) -> None:
    async with async_client(api) as s:
        await s.whoami()
        assert API_KEY not in repr(vars(s)) + repr(Secret(API_KEY))


async def test_a_given_token_and_channel_are_used(api: FakeStackly) -> None:
    from stackly_sdk.tasks import close_channel, open_channel

    api.good_tokens.add("mine")
    channel = open_channel(target_of(api.url), streams=False)
    async with AsyncStackly(channel=channel, token="mine", account="dev") as s:
        assert (await s.stacks.get("hello")).id == "hello"
    async with AsyncStackly(channel=channel, token="mine", account="dev") as s:
        assert (await s.stacks.get("hello")).id == "hello"
    await close_channel(channel)


async def test_tls_with_a_ca_file(home: Any) -> None:
    authority, stranger = Authority.make(), Authority.make()
    chain, key = authority.server()
    fake = FakeStackly()
    fake.start(grpc.ssl_server_credentials([(key, chain)]))
    good, bad = home / "ca.pem", home / "other.pem"
    good.write_text(authority.pem)
    bad.write_text(stranger.pem)
    address = f"https://127.0.0.1:{fake.port}"
    async with AsyncStackly(endpoint=address, api_key=API_KEY, ca_file=good) as s:
        assert (await s.whoami()).account == "accounts/dev"
    async with AsyncStackly(endpoint=address, api_key=API_KEY, ca_file=bad, timeout=3.0) as s:
        with pytest.raises(errors.StacklyError):
            await s.whoami()
    fake.stop()
    assert len(fake.requests("WhoAmI")) == 1
