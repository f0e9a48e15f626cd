"""A running server in a database of its own, and who may call it."""

import base64
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import grpc
from cryptography.hazmat.primitives import serialization

from api import FreshDatabase, Metadata, Tenant
from machines import Machine
from server.rules.calls import ask
from server.rules.tables import Tables
from stackly_server.accounts.founding import found
from stackly_server.accounts.tokens import ACCESS, Tokens
from stackly_server.app import Ground, ground, serving
from stackly_server.config import Settings


@dataclass(frozen=True, repr=False)
class Place:
    """The server with both of its listeners, and what stands behind it."""

    ground: Ground
    settings: Settings
    channel: grpc.aio.Channel
    tables: Tables
    folder: Path
    ca: bytes
    open: AsyncExitStack

    async def found(self, name: str, owner: str) -> Tenant:
        made = await found(self.ground.database, self.ground.keys, self.ground.clock, name, owner)
        return Tenant(made.account_id, name, owner, made.namespace_id, made.api_key)

    async def machine(self, machine: Machine, chain: str) -> grpc.aio.Channel:
        """A channel to the worker listener by a worker's certificate."""
        shape, hidden = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        key = machine.key.private_bytes(serialization.Encoding.PEM, shape, hidden)
        credentials = grpc.ssl_channel_credentials(self.ca, key, chain.encode())
        channel = grpc.aio.secure_channel(self.settings.worker_listen, credentials)
        return await self.open.enter_async_context(channel)

    async def sign_in(self, api_key: str) -> "Caller":
        """A caller with the tokens of a key, and a second sign-in to spend."""
        tokens = (await ask(self.channel, "AuthService/ExchangeToken", api_key=api_key)).tokens
        spare = (await ask(self.channel, "AuthService/ExchangeToken", api_key=api_key)).tokens
        return Caller(_bearer(tokens.access_token), spare.refresh_token)

    async def expired(self, caller: "Caller", account_id: UUID) -> "Caller":
        """The same caller an hour later: a token signed by the real key, whose time is over."""
        claims = caller.metadata[0][1].split(".")[1]
        family = json.loads(_unpacked(claims))["fam"]
        tokens = Tokens(self.ground.vault, self.settings.trust_domain, self.ground.clock)
        end = int(self.ground.clock.now().timestamp()) - 1
        return Caller(
            _bearer(await tokens.issue(ACCESS, account_id, UUID(bytes=_unpacked(family)), end)), caller.refresh
        )


@dataclass(frozen=True)
class Caller:
    """Who calls: metadata, a refresh token of its own, and for a worker the channel that its certificate opened."""

    metadata: Metadata = ()
    refresh: str = "rt_that_is_none"
    channel: grpc.aio.Channel | None = None

    @classmethod
    def run(cls, token: str) -> "Caller":
        return cls(_bearer(token))


@asynccontextmanager
async def open_place(settings: Settings, database: FreshDatabase, folder: Path) -> AsyncIterator[Place]:
    address = f"unix:{settings.public_socket}"
    async with AsyncExitStack() as stack:
        tables = stack.enter_context(closing(Tables(database.super_url)))
        on = await stack.enter_async_context(ground(settings))
        await stack.enter_async_context(serving(settings, drain=0, grace=0))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(address))
        place = Place(on, settings, channel, tables, folder, "".join(await on.vault.ca_chain()).encode(), stack)
        yield place


def free_address() -> str:
    """A loopback address that nobody listened on a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"


def _bearer(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)


def _unpacked(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
