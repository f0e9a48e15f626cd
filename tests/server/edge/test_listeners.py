"""The two listeners: health, reflection, and workers by certificate."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from api import Api, Tenant, reason
from stackly.v1 import accounts_service_pb2, worker_registry_pb2, worker_registry_pb2_grpc
from stackly_server.access import Kind, Subject
from stackly_server.app import Ground
from stackly_server.config import Settings
from stackly_server.edge.answers import Answers
from stackly_server.edge.certificates import ListenerCertificate
from stackly_server.edge.identity import Identifiers
from stackly_server.edge.rules import MissingRuleError
from stackly_server.edge.server import ApiServer, Mount
from stackly_server.errors import Unauthenticated

SPIFFE = "spiffe://stackly.local/accounts/dev/namespaces/default/workers/w1"
REGISTRY = worker_registry_pb2.DESCRIPTOR.services_by_name["WorkerRegistry"]


class Registry:
    """Answers Heartbeat and GetTrustBundle; the rest is never reached here."""

    def __init__(self) -> None:
        self.subjects: list[Subject] = []
        self.beat: Any = None

    async def Heartbeat(self, request: Any, call: Subject) -> Any:  # noqa: N802
        self.subjects.append(call)
        if self.beat is not None:
            await self.beat(request, call)
        return worker_registry_pb2.HeartbeatResponse()

    async def GetTrustBundle(self, _request: Any, _call: Subject) -> Any:  # noqa: N802
        return worker_registry_pb2.GetTrustBundleResponse()

    def __getattr__(self, name: str) -> Any:
        return self.Heartbeat


@dataclass(frozen=True)
class Workers:
    """Both listeners with the same registry on them."""

    server: ApiServer
    registry: Registry
    port: int
    socket: str
    ca: bytes
    certificate: ListenerCertificate
    serials: list[tuple[str, str]]

    def channel(self, key: bytes = b"", chain: bytes = b"") -> grpc.aio.Channel:
        credentials = grpc.ssl_channel_credentials(self.ca, key or None, chain or None)
        return grpc.aio.secure_channel(f"localhost:{self.port}", credentials)


@pytest.fixture
async def workers(ground: Ground, settings: Settings, dev: Tenant) -> AsyncIterator[Workers]:
    serials: list[tuple[str, str]] = []

    async def worker(spiffe_id: str, serial: str) -> Subject:
        serials.append((spiffe_id, serial))
        if spiffe_id != SPIFFE:
            raise Unauthenticated("WORKER_UNKNOWN", "unknown")
        return Subject(Kind.WORKER, dev.account_id, "dev", SPIFFE)

    async def user(_bearer: str) -> Subject:
        return dev.subject()

    registry = Registry()
    server = ApiServer(Identifiers(user=user, worker=worker), Answers(ground.database, ground.keys))
    await server.listen_publicly(settings.public_socket, [Mount(REGISTRY, registry)], reflection=False)
    certificate = ListenerCertificate(ground.vault, ["localhost", "127.0.0.1"])
    port = await server.listen_to_workers("127.0.0.1:0", [Mount(REGISTRY, registry)], await certificate.open())
    ca = "".join(await ground.vault.ca_chain()).encode()
    yield Workers(server, registry, port, str(settings.public_socket), ca, certificate, serials)
    await certificate.close()
    await server.stop(drain=0, grace=0)


async def worker_identity(ground: Ground, name: str = SPIFFE) -> tuple[bytes, bytes, str]:
    """(key, chain, serial) of a worker's certificate by the CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    signed = await ground.vault.sign_worker(request.public_bytes(serialization.Encoding.PEM).decode(), name, 3600)
    shape = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, shape, serialization.NoEncryption())
    return pem, "\n".join((signed.certificate, *signed.chain)).encode(), signed.serial


def beat(channel: grpc.aio.Channel) -> Any:
    stub = worker_registry_pb2_grpc.WorkerRegistryStub(channel)
    return stub.Heartbeat(worker_registry_pb2.HeartbeatRequest())


async def test_a_worker_is_known_by_its_certificate(workers: Workers, ground: Ground) -> None:
    key, chain, serial = await worker_identity(ground)
    async with workers.channel(key, chain) as channel:
        await beat(channel)
        (subject,) = workers.registry.subjects
        assert (subject.kind, subject.actor) == (Kind.WORKER, SPIFFE)
        assert workers.serials == [(SPIFFE, serial)]
        stub = worker_registry_pb2_grpc.WorkerRegistryStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:  # what is for others is answered on the other listener
            await stub.GetTrustBundle(worker_registry_pb2.GetTrustBundleRequest())
        assert reason(caught.value) == "CERTIFICATE_INVALID"


async def test_an_unknown_worker(workers: Workers, ground: Ground) -> None:
    key, chain, _ = await worker_identity(ground, SPIFFE.replace("w1", "w2"))
    async with workers.channel(key, chain) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await beat(channel)
    assert reason(caught.value) == "WORKER_UNKNOWN"


async def test_without_or_with_a_self_made_certificate(workers: Workers) -> None:
    async with workers.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await beat(channel)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert workers.serials == []


async def test_a_server_certificate_is_no_worker(workers: Workers, ground: Ground) -> None:
    """The same CA signs servers; one of them must not pass for a worker."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    csr = request.public_bytes(serialization.Encoding.PEM).decode()
    signed = await ground.vault.sign_server(csr, ["localhost"], ["127.0.0.1"])
    shape = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, shape, serialization.NoEncryption())
    async with workers.channel(pem, signed.certificate.encode()) as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await beat(channel)
    assert workers.serials == []


async def test_worker_calls_on_the_public_listener(workers: Workers) -> None:
    async with grpc.aio.insecure_channel(f"unix:{workers.socket}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await beat(channel)
        assert reason(caught.value) == "CERTIFICATE_INVALID"
        stub = worker_registry_pb2_grpc.WorkerRegistryStub(channel)
        await stub.GetTrustBundle(worker_registry_pb2.GetTrustBundleRequest())


async def test_a_renewed_certificate_is_shown_at_the_next_handshake(workers: Workers, ground: Ground) -> None:
    key, chain, _ = await worker_identity(ground)
    shown = workers.certificate._shown
    await workers.certificate._issue()
    async with workers.channel(key, chain) as channel:
        await beat(channel)
    assert workers.certificate._shown is not shown


async def test_long_polls_end_when_the_server_stops(workers: Workers, ground: Ground) -> None:
    begun = asyncio.Event()

    async def wait(_request: Any, _call: Subject) -> Any:
        begun.set()
        await asyncio.Event().wait()

    workers.registry.beat = wait
    key, chain, _ = await worker_identity(ground)
    async with workers.channel(key, chain) as channel:
        polling = asyncio.ensure_future(beat(channel))
        async with asyncio.timeout(5):
            await begun.wait()
        stopping = asyncio.create_task(workers.server.stop(drain=0, grace=30))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await polling
        assert reason(caught.value) == "SHUTTING_DOWN"
        await stopping


async def test_health_and_its_end(api: Api) -> None:
    stub = health_pb2_grpc.HealthStub(api.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    watch = stub.Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    await api.server._health.enter_graceful_shutdown()
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    watch.cancel()


async def test_reflection_is_for_those_who_signed_in(api: Api, dev: Tenant) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(api.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    stream = stub.ServerReflectionInfo(iter([request]), metadata=await api.sign_in(dev.api_key))
    names = [service.name for answer in [await stream.read()] for service in answer.list_services_response.service]
    assert "stackly.v1.AccountService" in names
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ServerReflectionInfo(iter([request])).read()
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_the_socket_lies_in_a_closed_folder(ground: Ground, tmp_path: Path) -> None:
    server = ApiServer(Identifiers(), Answers(ground.database, ground.keys))
    (tmp_path / "open").mkdir(mode=0o755)
    with pytest.raises(PermissionError, match="0700"):
        await server.listen_publicly(tmp_path / "open" / "s", [], reflection=False)


def test_a_servicer_without_a_method_stops_the_start(ground: Ground) -> None:
    server = ApiServer(Identifiers(user=None), Answers(ground.database, ground.keys))
    accounts = accounts_service_pb2.DESCRIPTOR.services_by_name["AccountService"]
    with pytest.raises(MissingRuleError, match="does not answer"):
        server._public.handlers(Mount(accounts, object()))


def test_callers_that_nobody_knows_stop_the_start(ground: Ground) -> None:
    server = ApiServer(Identifiers(), Answers(ground.database, ground.keys))
    with pytest.raises(MissingRuleError, match="AUDIENCE_WORKER"):
        server._workers.handlers(Mount(REGISTRY, Registry()))
