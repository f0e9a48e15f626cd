"""The programs put together: which services stand behind which door, and what the orchestrator carries out."""

import logging
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

from stackly.ingress.v1 import codec_service_pb2, discovery_service_pb2, webhook_service_pb2
from stackly.v1 import (
    accounts_service_pb2,
    auth_service_pb2,
    events_service_pb2,
    policies_service_pb2,
    runs_service_pb2,
    stacks_service_pb2,
    states_service_pb2,
    worker_registry_pb2,
)
from stackly.worker.v1 import runner_service_pb2, worker_task_service_pb2
from stackly_server.accounts.principals import Principals
from stackly_server.accounts.rpc import AccountServicer, AuthServicer
from stackly_server.accounts.service import AccountService
from stackly_server.accounts.sign_in import SignIn
from stackly_server.accounts.tokens import Tokens
from stackly_server.accounts.web import DiscoveryServicer
from stackly_server.assembly import Ground, Rooms, ground, rooms
from stackly_server.config import Settings
from stackly_server.edge.answers import Answers
from stackly_server.edge.call_log import Gathering, JsonLines
from stackly_server.edge.certificates import ListenerCertificate
from stackly_server.edge.identity import Identifiers
from stackly_server.edge.server import ApiServer, Mount
from stackly_server.events.rpc import EventServicer
from stackly_server.events.service import EventService
from stackly_server.git.activities import PushActivities
from stackly_server.git.asking import CodeRequests
from stackly_server.git.reconciling import PushReconciler
from stackly_server.git.rpc import StackSourceServicer
from stackly_server.git.service import GitService
from stackly_server.git.starting import PushStarter
from stackly_server.git.web import WebhookServicer
from stackly_server.git.workflow import PushWorkflow
from stackly_server.logs.payloads import PayloadService
from stackly_server.logs.web import CodecServicer
from stackly_server.orchestrate.fleet import Fleet
from stackly_server.orchestrate.namespaces import Namespaces as AllNamespaces
from stackly_server.orchestrate.program import Orchestrator
from stackly_server.orchestrate.sweeps import Sweep, in_each_account, in_each_home, ledger_sweeps
from stackly_server.outside.codec import NamespaceCodec
from stackly_server.outside.probe import ProbeWorkflow
from stackly_server.outside.temporal import Temporal
from stackly_server.policies.rpc import PolicyServicer
from stackly_server.relay import Handler, Relay
from stackly_server.runs.activities import RunActivities
from stackly_server.runs.artifacts import ArtifactService
from stackly_server.runs.audit_sweep import AuditSweep
from stackly_server.runs.covering import CoverService
from stackly_server.runs.dispatch import RunDispatch
from stackly_server.runs.fetching import FetchService
from stackly_server.runs.helping import HelpService
from stackly_server.runs.reconciling import RunReconciler
from stackly_server.runs.rpc import RunServicer, StackRunsServicer
from stackly_server.runs.runner_rpc import RunnerServicer, WorkerTaskServicer
from stackly_server.runs.settling import SERVE, SettleService
from stackly_server.runs.unit_progress import UnitProgressService
from stackly_server.runs.unit_records import UnitRecordService
from stackly_server.runs.views import RunViews
from stackly_server.runs.workflow import ApplyWorkflow, PlanWorkflow
from stackly_server.stacks.rpc import StackServicer
from stackly_server.states.asking import StateRequests
from stackly_server.states.rpc import StateServicer
from stackly_server.workers.joining import JoinService
from stackly_server.workers.living import LivingService
from stackly_server.workers.ports import Plant
from stackly_server.workers.rpc import WorkerRegistryServicer
from stackly_server.workers.sweeps import WorkerSweeps

__all__ = [
    "WORKFLOWS",
    "Ground",
    "Rooms",
    "activities",
    "api",
    "ground",
    "log_handler",
    "orchestrating",
    "rooms",
    "serving",
]

WORKFLOWS = (ProbeWorkflow, PushWorkflow, PlanWorkflow, ApplyWorkflow)


@dataclass(frozen=True, slots=True)
class Api:
    """The services of the API with those who know its callers."""

    public: Sequence[Mount]
    workers: Sequence[Mount]
    identifiers: Identifiers


@asynccontextmanager
async def api(on: Ground) -> AsyncIterator[Api]:
    """All services, each with its door."""
    principals = Principals(on.database, on.hub, on.clock)
    async with rooms(on) as into:
        tokens = Tokens(on.vault, on.settings.trust_domain, on.clock)
        sign_in = SignIn(on.database, tokens, on.routes, principals, on.clock)
        registry = _registry(on, into)
        tasks = Mount(
            _service(worker_task_service_pb2, "WorkerTaskService"), WorkerTaskServicer(into.batches, into.workers)
        )
        public = [
            Mount(
                _service(accounts_service_pb2, "AccountService"),
                AccountServicer(AccountService(on.database, on.pages, principals, on.clock), into.repositories),
            ),
            Mount(_service(auth_service_pb2, "AuthService"), AuthServicer(sign_in)),
            Mount(_service(discovery_service_pb2, "DiscoveryService"), DiscoveryServicer(tokens)),
            registry,
            *_public(on, into),
        ]
        identifiers = Identifiers(
            user=sign_in.identify_user, run=into.batches.identify, worker=into.workers.identify_worker
        )
        try:
            yield Api(public, [registry, tasks], identifiers)
        finally:
            principals.close()


def _public(on: Ground, into: Rooms) -> list[Mount]:
    """What clients, code hosts and runners call."""
    codes = CodeRequests(on.database, into.repositories, into.sources, into.registry, into.follower)
    states = StateRequests(on.database, into.states, into.stacks, _Advance(into))
    fetching = FetchService(
        on.database, on.keys, into.blobs, into.sources, into.stacks, into.states, into.logs, into.batches
    )
    records = UnitRecordService(on.database, into.batches, into.states, into.records)
    helping = HelpService(
        on.database, on.hub, on.keys, into.blobs, into.workers, into.progress, into.batches
    )  # fmt: skip
    artifacts = ArtifactService(on.database, on.keys, into.blobs, into.batches)
    covering = CoverService(on.database, on.keys, into.blobs, into.batches, into.progress)
    views = RunViews(on.database, into.runs, into.stacks, into.workers)
    progress = UnitProgressService(on.database, into.batches)
    stacks = _together(
        StackServicer(into.stacks, into.registry, on.pages), StackSourceServicer(codes), StackRunsServicer(into.runs)
    )
    return [
        Mount(_service(stacks_service_pb2, "StackService"), stacks),
        Mount(_service(runs_service_pb2, "RunService"), RunServicer(into.runs, views, into.logs, on.hub, on.pages)),
        Mount(_service(states_service_pb2, "StateService"), StateServicer(states, on.pages)),
        Mount(_service(policies_service_pb2, "PolicyService"), PolicyServicer(into.policies, on.pages)),
        Mount(
            _service(events_service_pb2, "EventService"),
            EventServicer(EventService(on.database, on.hub, on.pages, on.clock)),
        ),
        Mount(
            _service(codec_service_pb2, "CodecService"),
            CodecServicer(PayloadService(on.database, NamespaceCodec(on.keys))),
        ),
        Mount(_service(webhook_service_pb2, "WebhookService"), WebhookServicer(into.git)),
        Mount(
            _service(runner_service_pb2, "RunnerService"),
            RunnerServicer(into.batches, fetching, records, artifacts, progress, covering, helping),
        ),
    ]


@asynccontextmanager
async def serving(settings: Settings, *, drain: float = 5.0, grace: float = 75.0) -> AsyncIterator[ApiServer]:
    """Answers on both listeners while the block runs; then says NOT_SERVING, drains and stops."""
    async with AsyncExitStack() as stack:
        on = await stack.enter_async_context(ground(settings, SERVE))
        parts = await stack.enter_async_context(api(on))
        server = ApiServer(parts.identifiers, Answers(on.database, on.keys))
        stack.push_async_callback(server.stop, drain, grace)
        await server.listen_publicly(settings.public_socket, parts.public, reflection=settings.reflection)
        hosts = [settings.worker_listen.rpartition(":")[0], settings.worker_address.rpartition(":")[0]]
        certificate = ListenerCertificate(on.vault, sorted({*hosts, "localhost"} - {"", "0.0.0.0"}))  # noqa: S104
        credentials = await certificate.open()
        stack.push_async_callback(certificate.close)
        await server.listen_to_workers(settings.worker_listen, parts.workers, credentials)
        yield server


def activities(git: GitService, settling: SettleService) -> list[Callable[..., Any]]:
    """What the orchestrator carries out itself for its workflows; the rest is done by workers."""
    return [*PushActivities(git).all, RunActivities(settling).settle]


async def orchestrating(settings: Settings) -> None:
    """Workflows, the relay and the sweeps, until SIGTERM or SIGINT."""
    async with ground(settings, "stackly-orchestrate") as on, rooms(on) as into:
        temporal = Temporal(settings.temporal_target, on.keys)
        homes = AllNamespaces(on.database, temporal)
        settling = SettleService(on.database, into.stacks, into.workers, into.progress, into.batches)
        dispatch = RunDispatch(on.database, temporal, settling)
        handlers: dict[str, Handler] = {
            "namespace": homes.provision,
            "plan": dispatch.plan,
            "apply": dispatch.apply,
            "stop_workflow": dispatch.stop_workflow,
            "push": PushStarter(on.namespaces, temporal),
        }
        fleet = Fleet(temporal, homes, on.hub, WORKFLOWS, activities(into.git, settling))
        relay = Relay(on.database, on.hub, handlers, Random())  # noqa: S311  (spreads retries)
        sweeps = [*_sweeps(on, into, homes, settling), *_reconcilers(on, into, homes, temporal, fleet)]
        await Orchestrator(fleet, relay, sweeps, on.clock, settings.ready_file).run_until_signal()


def _sweeps(on: Ground, into: Rooms, homes: AllNamespaces, settling: SettleService) -> list[Sweep]:
    workers = WorkerSweeps(on.database)
    audits = AuditSweep(on.database, into.stacks, into.runs, on.clock)
    return [
        *ledger_sweeps(on.database, homes.accounts),
        Sweep("workers.silent", on.settings.lease_seconds / 9, in_each_account(homes.accounts, workers.silent)),
        Sweep("workers.old", 3600.0, in_each_account(homes.accounts, workers.old)),
        Sweep("runs.expire", 30.0, in_each_account(homes.accounts, settling.expire)),
        Sweep("runs.advance", 15.0, in_each_account(homes.accounts, settling.advance)),
        Sweep("runs.rejudge", 15.0, in_each_account(homes.accounts, settling.rejudge)),
        Sweep("engine.audits", 300.0, in_each_account(homes.accounts, audits.due)),
        Sweep("logs.ended", 60.0, in_each_account(homes.accounts, into.logs.move_ended)),
    ]


def _reconcilers(on: Ground, into: Rooms, homes: AllNamespaces, temporal: Temporal, fleet: Fleet) -> list[Sweep]:
    """What puts right what must not be; each of them says so when it had something to do."""
    runs = RunReconciler(on.database, temporal, into.stacks, into.states, into.progress)
    pushes = PushReconciler(on.database, temporal, on.namespaces)
    return [
        Sweep("namespaces.restore", 10.0, in_each_account(homes.accounts, homes.restore)),
        Sweep("builds.restore", 10.0, fleet.restore),
        Sweep("runs.hand_out", 30.0, in_each_account(homes.accounts, runs.hand_out)),
        Sweep("runs.stop", 60.0, in_each_home(homes.active, runs.stop)),
        Sweep("runs.close", 60.0, in_each_account(homes.accounts, runs.close)),
        Sweep("pushes.take_up", 30.0, in_each_account(homes.accounts, pushes.take_up)),
    ]


def log_handler() -> logging.Handler:
    """Log records as lines of JSON on stderr."""
    handler = Gathering(sys.stderr)
    handler.setFormatter(JsonLines())
    return handler


def _registry(on: Ground, into: Rooms) -> Mount:
    at = on.settings
    plant = Plant(
        at.public_url, at.worker_address, at.temporal_front, at.trust_domain, at.certificate_seconds, at.lease_seconds
    )
    joining = JoinService(on.database, on.vault, plant)
    living = LivingService(on.database, on.hub, on.vault, plant)
    servicer = WorkerRegistryServicer(into.workers, joining, living, on.pages)
    return Mount(_service(worker_registry_pb2, "WorkerRegistry"), servicer)


class _Advance:
    """Lets a waiting run go on when a person gave the lock back."""

    def __init__(self, into: Rooms) -> None:
        self._into = into

    async def __call__(self, tx: Any, stack_state_id: UUID) -> None:
        state = await self._into.stacks.state_by_id(tx.conn, tx.account_id, stack_state_id)
        await self._into.progress.advance(tx, state)


def _together(*servicers: object) -> object:
    """One servicer of several rooms' methods; each method is in one of them."""
    methods = {
        name: getattr(servicer, name) for servicer in servicers for name in vars(type(servicer)) if name[0].isupper()
    }
    return type("Servicer", (), {name: staticmethod(method) for name, method in methods.items()})()


def _service(module: Any, name: str) -> Any:
    """The descriptor of a service, by which the door knows its rules."""
    return module.DESCRIPTOR.services_by_name[name]
