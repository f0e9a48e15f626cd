"""A server of the real door whose servicers do what the test says."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from api import Tenant
from stackly.v1 import accounts_service_pb2 as accounts
from stackly.v1 import accounts_service_pb2_grpc, events_service_pb2_grpc
from stackly.v1 import events_service_pb2 as events
from stackly_server.access import Subject
from stackly_server.app import Ground
from stackly_server.config import Settings
from stackly_server.edge.answers import Answers
from stackly_server.edge.identity import Identifiers
from stackly_server.edge.server import ApiServer, Mount


async def _nothing(*_: Any) -> Any:
    return None


@dataclass(slots=True)
class Behaviour:
    """What the servicers do: `unary(request, subject)` answers ListEvents, `stream` WatchEvents, `keyed` CreateApiKey."""

    unary: Callable[[Any, Subject], Awaitable[Any]] = _nothing
    stream: Callable[[Any, Subject], AsyncIterator[Any]] | None = None
    keyed: Callable[[Any, Subject], Awaitable[Any]] = _nothing
    subjects: list[Subject] = field(default_factory=list)


class _Events:
    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    async def ListEvents(self, request: events.ListEventsRequest, call: Subject) -> events.ListEventsResponse:  # noqa: N802
        self._behaviour.subjects.append(call)
        return (await self._behaviour.unary(request, call)) or events.ListEventsResponse()

    async def WatchEvents(self, request: Any, call: Subject) -> AsyncIterator[events.WatchEventsResponse]:  # noqa: N802
        assert self._behaviour.stream is not None
        async for record in self._behaviour.stream(request, call):
            yield record


class _Accounts:
    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    async def CreateApiKey(self, request: Any, call: Subject) -> accounts.CreateApiKeyResponse:  # noqa: N802
        return (await self._behaviour.keyed(request, call)) or accounts.CreateApiKeyResponse()

    def __getattr__(self, _name: str) -> Any:
        return _nothing


@dataclass(frozen=True, slots=True)
class Provoked:
    """The running server, with stubs and the owner's subject behind every bearer."""

    server: ApiServer
    behaviour: Behaviour
    events: events_service_pb2_grpc.EventServiceStub
    accounts: accounts_service_pb2_grpc.AccountServiceStub
    channel: grpc.aio.Channel

    signed_in: tuple[tuple[str, str], ...] = (("authorization", "Bearer anything"),)


@pytest.fixture
async def provoked(ground: Ground, settings: Settings, dev: Tenant) -> AsyncIterator[Provoked]:
    async def user(_bearer: str) -> Subject:
        return dev.subject()

    behaviour = Behaviour()
    server = ApiServer(Identifiers(user=user), Answers(ground.database, ground.keys))
    mounts = [
        Mount(events.DESCRIPTOR.services_by_name["EventService"], _Events(behaviour)),
        Mount(accounts.DESCRIPTOR.services_by_name["AccountService"], _Accounts(behaviour)),
    ]
    await server.listen_publicly(settings.public_socket, mounts, reflection=True)
    async with grpc.aio.insecure_channel(f"unix:{settings.public_socket}") as channel:
        yield Provoked(
            server,
            behaviour,
            events_service_pb2_grpc.EventServiceStub(channel),
            accounts_service_pb2_grpc.AccountServiceStub(channel),
            channel,
        )
    await server.stop(drain=0, grace=0)
