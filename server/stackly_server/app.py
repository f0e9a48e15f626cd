"""The only place where parts are put together: settings → outside → rooms → door."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from stackly.ingress.v1 import codec_service_pb2, discovery_service_pb2
from stackly.v1 import accounts_service_pb2, auth_service_pb2, events_service_pb2, worker_registry_pb2
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
from stackly_server.logs.payloads import PayloadService
from stackly_server.logs.web import CodecServicer
from stackly_server.orchestrate.fleet import Fleet
from stackly_server.orchestrate.namespaces import Namespaces as AllNamespaces
from stackly_server.orchestrate.program import Orchestrator
from stackly_server.orchestrate.sweeps import Sweep, in_each_account, ledger_sweeps
from stackly_server.outside.codec import NamespaceCodec
from stackly_server.outside.probe import ProbeWorkflow
from stackly_server.outside.temporal import Temporal
from stackly_server.outside.vault import Vault
from stackly_server.pages import Pages
from stackly_server.relay import Handler, Relay
from stackly_server.workers.joining import JoinService
from stackly_server.workers.living import LivingService
from stackly_server.workers.ports import Plant
from stackly_server.workers.rpc import WorkerRegistryServicer
from stackly_server.workers.service import WorkerService
from stackly_server.workers.sweeps import WorkerSweeps


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
    codec = CodecServicer(PayloadService(on.database, NamespaceCodec(on.keys)))
    plant = _plant(on.settings)
    registry = WorkerService(on.database, on.vault, on.keys, plant.trust_domain)
    joining = JoinService(on.database, on.vault, plant)
    living = LivingService(on.database, on.hub, on.vault, plant)
    workers_door = Mount(
        _service(worker_registry_pb2, "WorkerRegistry"), WorkerRegistryServicer(registry, joining, living, on.pages)
    )
    public = [
        Mount(_service(accounts_service_pb2, "AccountService"), AccountServicer(accounts, repositories)),
        Mount(_service(auth_service_pb2, "AuthService"), AuthServicer(sign_in)),
        Mount(_service(events_service_pb2, "EventService"), EventServicer(events)),
        Mount(_service(discovery_service_pb2, "DiscoveryService"), DiscoveryServicer(tokens)),
        Mount(_service(codec_service_pb2, "CodecService"), codec),
        workers_door,
    ]
    workers = [workers_door]
    try:
        yield Api(public, workers, Identifiers(user=sign_in.identify_user, worker=registry.identify_worker))
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


async def orchestrating(settings: Settings) -> None:
    """Workflows, the relay and the sweeps, until SIGTERM or SIGINT. A room adds its workflows, activities, handlers here."""
    async with ground(settings) as on:
        temporal = Temporal(settings.temporal_target, on.keys)
        homes = AllNamespaces(on.database, temporal)
        workers = WorkerSweeps(on.database)
        handlers: dict[str, Handler] = {"namespace": homes.provision, "stop_workflow": temporal.stop_line}
        sweeps = [
            *ledger_sweeps(on.database, homes.accounts),
            Sweep("workers.silent", settings.lease_seconds / 9, in_each_account(homes.accounts, workers.silent)),
            Sweep("workers.old", 3600.0, in_each_account(homes.accounts, workers.old)),
        ]
        fleet = Fleet(temporal, homes, on.hub, [ProbeWorkflow], [])
        relay = Relay(on.database, on.hub, handlers, Random())  # noqa: S311  (spreads retries)
        await Orchestrator(fleet, relay, sweeps, on.clock, settings.ready_file).run_until_signal()


def _plant(settings: Settings) -> Plant:
    return Plant(
        settings.public_url,
        settings.worker_address,
        settings.temporal_front,
        settings.trust_domain,
        settings.certificate_seconds,
        settings.lease_seconds,
    )


def log_handler() -> logging.Handler:
    """Log records as lines of JSON on stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    return handler


def _service(module: Any, name: str) -> Any:
    """The descriptor of a service, by which the door knows its rules."""
    return module.DESCRIPTOR.services_by_name[name]
