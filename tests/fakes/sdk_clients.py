"""Clients of a fake Stackly, async and blocking under names that the blocking twin of a test turns into each other."""

from typing import Any

import grpc

from fakes.stackly_api import API_KEY, Refused
from fakes.stackly_world import FakeStackly
from stackly_sdk import AsyncStackly, RetryPolicy, Stackly
from stackly_sdk._gen.blocking.credentials import StaticToken
from stackly_sdk._gen.blocking.transport import Connections, Transport
from stackly_sdk.aio.credentials import AsyncStaticToken
from stackly_sdk.aio.transport import AsyncConnections, AsyncTransport
from stackly_sdk.channel import target_of

CODE = grpc.StatusCode
QUICK = RetryPolicy(first=0.001, longest=0.002)
_TOKEN = "fixed"
_SILENCE = 45.0  # seconds


def async_client(api: FakeStackly, **arguments: Any) -> AsyncStackly:
    """Signed in with the API key and quick to try again, unless told otherwise."""
    return AsyncStackly(**{**_arguments(api), **arguments})


def client(api: FakeStackly, **arguments: Any) -> Stackly:
    """The same, blocking."""
    return Stackly(**{**_arguments(api), **arguments})


async def async_transport(api: FakeStackly, silence: float = _SILENCE) -> AsyncTransport:
    """What a generated client calls through; a stream that says nothing for `silence` seconds is started again."""
    api.good_tokens.add(_TOKEN)
    connections = AsyncConnections(target_of(api.url))
    return AsyncTransport(connections, AsyncStaticToken(_TOKEN), policy=QUICK, silence=silence)


def transport(api: FakeStackly, silence: float = _SILENCE) -> Transport:
    """The same, blocking."""
    api.good_tokens.add(_TOKEN)
    return Transport(Connections(target_of(api.url)), StaticToken(_TOKEN), policy=QUICK, silence=silence)


def unavailable(reason: str = "SHUTTING_DOWN") -> Refused:
    return Refused(CODE.UNAVAILABLE, reason, "The server is stopping.")


def _arguments(api: FakeStackly) -> dict[str, Any]:
    return {"endpoint": api.url, "api_key": API_KEY, "retries": QUICK}
