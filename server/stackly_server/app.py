"""The only place where parts are put together: settings → outside → rooms → door."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from stackly.ingress.v1 import discovery_service_pb2
from stackly.v1 import accounts_service_pb2, auth_service_pb2, events_service_pb2
from stackly_server.accounts.keys import Keys
from stackly_server.accounts.namespaces import Namespaces
from stackly_server.accounts.principals import Principals
from stackly_server.accounts.repositories import Repositories
from stackly_server.accounts.routing import Routes
from stackly_server.accounts.rpc import AccountServicer, AuthServicer
from stackly_server.accounts.service import AccountService
from stackly_server.accounts.sign_in import SignIn
from stackly_server.accounts.tokens import Tokens
from stackly_server.accounts.web import DiscoveryServicer
from stackly_server.clock import SystemClock
from stackly_server.config import Settings
from stackly_server.database import Database
from stackly_server.edge.answers import Answers
from stackly_server.edge.call_log import JsonLines
from stackly_server.edge.certificates import ListenerCertificate
from stackly_server.edge.identity import Identifiers
from stackly_server.edge.server import ApiServer, Mount
from stackly_server.events.rpc import EventServicer
from stackly_server.events.service import EventService
from stackly_server.hub import Hub
from stackly_server.outside.vault import Vault
from stackly_server.pages import Pages


@dataclass(frozen=True, slots=True)
class Ground:
    """What every room stands on: opened by `ground`, shared by the API and the orchestrator."""

    settings: Settings
    clock: SystemClock
    database: Database
    hub: Hub
    vault: Vault
    keys: Keys
    pages: Pages
    routes: Routes
    namespaces: Namespaces


@asynccontextmanager
async def ground(settings: Settings) -> AsyncIterator[Ground]:
    """Opens Postgres and Vault; closes them at the end."""
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        database = Database(settings.database_url)
        await database.open()
        stack.push_async_callback(database.close)
        hub = Hub(settings.database_url)
        await hub.open()
        stack.push_async_callback(hub.close)
        vault = Vault(settings.vault_url, settings.vault_role_id, settings.vault_secret_id_file)
        stack.push_async_callback(vault.close)
        await vault.open()
        keys = Keys(database, vault, clock)
        pages, routes, namespaces = Pages(keys, clock), Routes(database), Namespaces(database)
        yield Ground(settings, clock, database, hub, vault, keys, pages, routes, namespaces)


@dataclass(frozen=True, slots=True)
class Api:
    """The services of the API with those who know its callers."""

    public: Sequence[Mount]
    workers: Sequence[Mount]
    identifiers: Identifiers


@asynccontextmanager
async def api(on: Ground) -> AsyncIterator[Api]:
    """Builds the rooms. A room is added here: its service, then one line in `public` or `workers`."""
    tokens = Tokens(on.vault, on.settings.trust_domain, on.clock)
    principals = Principals(on.database, on.hub, on.clock)
    sign_in = SignIn(on.database, tokens, on.routes, principals, on.clock)
    accounts = AccountService(on.database, on.pages, principals, on.clock)
    roots = on.settings.dev_repository_roots
    repositories = Repositories(on.database, on.keys, on.pages, on.routes, on.clock, roots)
    events = EventService(on.database, on.hub, on.pages, on.clock)
    public = [
        Mount(_service(accounts_service_pb2, "AccountService"), AccountServicer(accounts, repositories)),
        Mount(_service(auth_service_pb2, "AuthService"), AuthServicer(sign_in)),
        Mount(_service(events_service_pb2, "EventService"), EventServicer(events)),
        Mount(_service(discovery_service_pb2, "DiscoveryService"), DiscoveryServicer(tokens)),
    ]
    workers: list[Mount] = []
    try:
        yield Api(public, workers, Identifiers(user=sign_in.identify_user))
    finally:
        principals.close()


@asynccontextmanager
async def serving(settings: Settings, *, drain: float = 5.0, grace: float = 75.0) -> AsyncIterator[ApiServer]:
    """Answers on both listeners while the block runs; then says NOT_SERVING, drains and stops."""
    async with AsyncExitStack() as stack:
        on = await stack.enter_async_context(ground(settings))
        parts = await stack.enter_async_context(api(on))
        server = ApiServer(parts.identifiers, Answers(on.database, on.keys))
        stack.push_async_callback(server.stop, drain, grace)
        await server.listen_publicly(settings.public_socket, parts.public, reflection=settings.reflection)
        if parts.workers:
            hosts = [settings.worker_listen.rpartition(":")[0], settings.worker_address.rpartition(":")[0]]
            certificate = ListenerCertificate(on.vault, sorted({*hosts, "localhost"} - {"", "0.0.0.0"}))  # noqa: S104
            credentials = await certificate.open()
            stack.push_async_callback(certificate.close)
            await server.listen_to_workers(settings.worker_listen, parts.workers, credentials)
        yield server


def log_handler() -> logging.Handler:
    """Log records as lines of JSON on stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    return handler


def _service(module: Any, name: str) -> Any:
    """The descriptor of a service, by which the door knows its rules."""
    return module.DESCRIPTOR.services_by_name[name]
