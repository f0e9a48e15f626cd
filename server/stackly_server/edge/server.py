"""The two listeners: the public one on a unix socket behind Envoy, and that of workers, which ends TLS itself."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.reflection import aio as reflection_aio

from stackly.options.v1 import options_pb2
from stackly_server import limits
from stackly_server.edge import identity, statuses
from stackly_server.edge.answers import Answers
from stackly_server.edge.call_log import CallLog, Metrics
from stackly_server.edge.door import Entry, Stopping
from stackly_server.edge.identity import Credentials, Identifiers
from stackly_server.edge.rules import MissingRuleError, Rule, rules_of
from stackly_server.errors import StacklyError

_DRAIN_SECONDS = 5.0
_GRACE_SECONDS = 75.0  # longer than the longest wait
_OPTIONS = (
    ("grpc.max_send_message_length", limits.MESSAGE_BYTES),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_concurrent_streams", 1000),
    ("grpc.so_reuseport", 0),
)


@dataclass(frozen=True, slots=True)
class Mount:
    """A service as its descriptor says it, and who answers its methods: `await servicer.Method(request, subject)`."""

    service: ServiceDescriptor
    servicer: object


@dataclass(slots=True)
class Listener:
    """One listener: which audiences it answers, and what its calls share."""

    served: frozenset[int]
    identifiers: Identifiers
    answers: Answers
    metrics: Metrics = field(default_factory=Metrics)
    log: CallLog = field(default_factory=CallLog)
    stopping: Stopping = field(default_factory=Stopping)

    def handlers(self, mount: Mount) -> tuple[grpc.GenericRpcHandler, list[Rule]]:
        """The handlers of one service; MissingRuleError when a method lacks its rule, its answerer or its callers."""
        made, rules = {}, []
        for name, rule in rules_of(mount.service):
            handler = getattr(mount.servicer, name, None)
            if not callable(handler):
                raise MissingRuleError(
                    f"{type(mount.servicer).__name__} does not answer {mount.service.full_name}/{name}."
                )
            made[name] = Entry(self, rule, handler).grpc_handler()
            rules.append(rule)
        unknown = self.identifiers.missing(rule.audience for rule in rules)
        if unknown:
            raise MissingRuleError(f"{mount.service.full_name} has callers that nobody identifies: {unknown}.")
        return grpc.method_handlers_generic_handler(mount.service.full_name, made), rules


class ApiServer:
    """The listeners of one process. Start-up fails when a method has no rule."""

    def __init__(self, identifiers: Identifiers, answers: Answers) -> None:
        self.metrics = Metrics()
        self._log = CallLog()
        self._stopping = Stopping()
        self._public = Listener(identity.PUBLIC, identifiers, answers, self.metrics, self._log, self._stopping)
        self._workers = Listener(identity.WORKERS, identifiers, answers, self.metrics, self._log, self._stopping)
        self._servers: list[grpc.aio.Server] = []
        self._health = health_aio.HealthServicer()

    async def listen_publicly(self, socket: Path, mounts: Sequence[Mount], *, reflection: bool) -> None:
        """Answers on a unix socket, whose folder nobody else may enter; a socket left behind is taken over."""
        _take_over(socket)
        # the webhook's limit, as the limit of a server counts for all its methods; Envoy holds the others to 4 MiB
        server = grpc.aio.server(options=(*_OPTIONS, ("grpc.max_receive_message_length", limits.WEBHOOK_BYTES)))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        self._mount(server, self._public, mounts)
        if reflection:
            names = [mount.service.full_name for mount in mounts]
            reflect = _SignedInReflection(
                [*names, reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"].full_name], self._public
            )
            reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflect, server)
        if server.add_insecure_port(f"unix:{socket}") == 0:
            raise OSError(f"cannot listen on {socket}")
        await server.start()
        self._servers.append(server)

    async def listen_to_workers(self, address: str, mounts: Sequence[Mount], tls: grpc.ServerCredentials) -> int:
        """Answers workers over mTLS on host:port (port 0: a free one); gives the port."""
        server = grpc.aio.server(options=(*_OPTIONS, ("grpc.max_receive_message_length", limits.MESSAGE_BYTES)))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        self._mount(server, self._workers, mounts)
        port = server.add_secure_port(address, tls)
        await server.start()
        self._servers.append(server)
        return port

    async def stop(self, drain: float = _DRAIN_SECONDS, grace: float = _GRACE_SECONDS) -> None:
        """Says NOT_SERVING, waits `drain` seconds for Envoy to hear it, ends streams, then lets calls finish."""
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(drain)
        self._stopping.stop()
        await asyncio.gather(*(server.stop(grace) for server in self._servers))
        self._log.flush()

    def _mount(self, server: grpc.aio.Server, listener: Listener, mounts: Sequence[Mount]) -> None:
        for mount in mounts:
            handler, _ = listener.handlers(mount)
            server.add_generic_rpc_handlers((handler,))


def _take_over(socket: Path) -> None:
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if socket.parent.stat().st_mode & 0o077:
        raise PermissionError(f"{socket.parent} must be closed to others (mode 0700): whoever enters speaks for Envoy")
    socket.unlink(missing_ok=True)


class _SignedInReflection(reflection_aio.ReflectionServicer):  # type: ignore[misc]
    """Tells the schema to callers who have signed in."""

    def __init__(self, names: Sequence[str], listener: Listener) -> None:
        super().__init__(names)
        self._listener = listener

    async def ServerReflectionInfo(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        credentials = Credentials(identity.metadata_of(context.invocation_metadata()))
        try:
            audience = options_pb2.AUDIENCE_USER
            await self._listener.identifiers.identify(audience, self._listener.served, credentials)
        except StacklyError as error:
            refused = statuses.refusal(error)
            await context.abort(refused.code, refused.message)
        async for answer in super().ServerReflectionInfo(requests, context):
            yield answer
