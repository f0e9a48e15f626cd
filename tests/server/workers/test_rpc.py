"""The registry over the wire: on the public listener by token, on the worker listener by certificate alone."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from api import Api, Metadata, Tenant, reason
from fakes.authority import Authority
from machines import CLAIM, Machine, right_answers
from stackly.v1 import worker_registry_pb2 as messages
from stackly.v1 import workers_pb2
from stackly.v1.worker_registry_pb2_grpc import WorkerRegistryStub
from stackly.worker.v1 import tasks_pb2
from stackly.worker.v1 import worker_task_service_pb2 as tasks
from stackly.worker.v1.worker_task_service_pb2_grpc import WorkerTaskServiceStub
from stackly_server.config import Settings
from stackly_server.dev.ports import free_ports
from stackly_server.workers.model import DEFAULT_SELECTOR, Challenge, Selector
from stackly_server.workers.rpc import capabilities_to_proto

if TYPE_CHECKING:
    from stackly.v1.worker_registry_pb2_grpc import WorkerRegistryAsyncStub

CLAIMED = capabilities_to_proto(CLAIM)
PARENT = "accounts/dev/namespaces/default"


@dataclass
class Served:
    """A server with both listeners."""

    api: Api
    public: "WorkerRegistryAsyncStub"
    owner: Metadata
    worker_address: str
    roots: bytes

    async def token(self) -> str:
        request = messages.CreateJoinTokenRequest(parent=PARENT, join_token=workers_pb2.JoinToken(display_name="t"))
        made = await self.public.CreateJoinToken(request, metadata=self.owner)
        return str(json.loads(made.join_file)["token"])

    async def register(self, machine: Machine) -> messages.RegisterWorkerResponse:
        request = messages.RegisterWorkerRequest(
            join_token=await self.token(), csr=machine.csr, capabilities=CLAIMED, host="h"
        )
        answer: messages.RegisterWorkerResponse = await self.public.RegisterWorker(request)
        return answer

    async def task_calls(self, chain: str, machine: Machine) -> set[str]:
        """How each call of `WorkerTaskService` ends under a certificate: `OK` or the reason of the refusal."""
        credentials = grpc.ssl_channel_credentials(self.roots, key_pem(machine), chain.encode())
        batch = tasks_pb2.BatchRef(run_id=str(uuid4()), plan_number=1, batch="b1", phase=tasks_pb2.BATCH_PHASE_PLAN)
        ends = set()
        async with grpc.aio.secure_channel(self.worker_address, credentials) as channel:
            stub = WorkerTaskServiceStub(channel)
            for call in (
                stub.ClaimBatch(tasks.ClaimBatchRequest(batch=batch, nonce="n" * 32)),
                stub.ReclaimBatch(tasks.ReclaimBatchRequest(batch=batch)),
                stub.GetBatchStatus(tasks.GetBatchStatusRequest(batch=batch)),
                stub.GetPayloadKeys(tasks.GetPayloadKeysRequest()),
            ):
                try:
                    await call
                except grpc.aio.AioRpcError as error:
                    ends.add(reason(error))
                else:
                    ends.add("OK")
        return ends

    @asynccontextmanager
    async def worker(self, chain: bytes | None, key: bytes | None) -> AsyncIterator["WorkerRegistryAsyncStub"]:
        """A channel to the worker listener under a certificate."""
        credentials = grpc.ssl_channel_credentials(self.roots, key, chain)
        async with grpc.aio.secure_channel(self.worker_address, credentials) as channel:
            yield WorkerRegistryStub(channel)


def key_pem(machine: Machine) -> bytes:
    return machine.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.fixture
async def served(settings: Settings, dev: Tenant) -> AsyncIterator[Served]:
    from stackly_server.app import serving

    address = f"127.0.0.1:{free_ports().worker}"
    own = settings.model_copy(update={"worker_listen": address, "worker_address": address})
    target = f"unix:{settings.public_socket}"
    async with serving(own, drain=0, grace=1) as server, grpc.aio.insecure_channel(target) as channel:
        api = Api(channel, server, own)
        public = WorkerRegistryStub(channel)
        bundle = await public.GetTrustBundle(messages.GetTrustBundleRequest())
        yield Served(api, public, await api.sign_in(dev.api_key), address, bundle.ca_certificates.encode())


async def test_a_machine_joins_proves_and_lives(served: Served) -> None:
    machine = Machine()
    joined = await served.register(machine)
    assert joined.worker_address == served.worker_address
    challenge = Challenge(uuid4(), joined.challenge.nonce, tuple(joined.challenge.engines))
    async with served.worker(joined.certificate_chain.encode(), key_pem(machine)) as stub:
        proved = await stub.VerifyCapabilities(
            messages.VerifyCapabilitiesRequest(
                challenge_id=joined.challenge.id, answers=right_answers(challenge), capabilities=CLAIMED
            )
        )
        assert proved.worker.status == workers_pb2.WORKER_STATUS_ACTIVE
        exact = Selector("terraform", "= 1.11.4")
        assert set(proved.task_queues) == {
            f"{proved.temporal_namespace}.w.{joined.worker.uid}",
            *(f"{proved.temporal_namespace}.{each.hash}" for each in (DEFAULT_SELECTOR, exact)),
        }
        beat = await stub.Heartbeat(messages.HeartbeatRequest(first=True))
        assert list(beat.task_queues) == list(proved.task_queues)
        assert not beat.HasField("reverify")
        assert beat.rotate
        fresh = await stub.RotateCertificate(messages.RotateCertificateRequest(csr=machine.csr))
    assert await served.task_calls(joined.certificate_chain, machine) == {"CAPABILITY_MISMATCH"}
    assert "CAPABILITY_MISMATCH" not in await served.task_calls(fresh.certificate_chain, machine)
    async with served.worker(fresh.certificate_chain.encode(), key_pem(machine)) as stub:
        assert not (await stub.Heartbeat(messages.HeartbeatRequest(first=True))).rotate
        await stub.DeregisterWorker(messages.DeregisterWorkerRequest(reason="done"))
    listed = await served.public.ListWorkers(messages.ListWorkersRequest(parent=PARENT), metadata=served.owner)
    assert [worker.status for worker in listed.workers] == [workers_pb2.WORKER_STATUS_OFFLINE]


async def test_a_certificate_of_another_ca_or_none_opens_nothing(served: Served) -> None:
    machine = Machine()
    joined = await served.register(machine)
    leaf = x509.load_pem_x509_certificate(joined.certificate_chain.encode())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    (same_name,) = names.get_values_for_type(x509.UniformResourceIdentifier)
    other_ca = Authority.make().worker(machine.csr, same_name, timedelta(hours=1)).encode()
    for chain, key in ((other_ca, key_pem(machine)), (None, None)):
        async with served.worker(chain, key) as stub:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Heartbeat(messages.HeartbeatRequest(first=True), timeout=5)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE  # the handshake fails
    async with served.worker(joined.certificate_chain.encode(), key_pem(machine)) as stub:
        assert (await stub.Heartbeat(messages.HeartbeatRequest(first=True))).HasField("reverify")


async def test_a_banned_worker_is_refused_at_its_next_call(served: Served) -> None:
    machine = Machine()
    joined = await served.register(machine)
    async with served.worker(joined.certificate_chain.encode(), key_pem(machine)) as stub:
        await stub.Heartbeat(messages.HeartbeatRequest(first=True))
        ban = messages.BanWorkerRequest(name=joined.worker.name, reason="stolen")
        banned = await served.public.BanWorker(ban, metadata=served.owner)
        assert banned.worker.status == workers_pb2.WORKER_STATUS_BANNED
        for call in (
            stub.Heartbeat(messages.HeartbeatRequest(first=True)),
            stub.RotateCertificate(messages.RotateCertificateRequest(csr=Machine().csr)),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert reason(caught.value) == "CERTIFICATE_INVALID"
    await served.public.DeleteWorker(messages.DeleteWorkerRequest(name=joined.worker.name), metadata=served.owner)


async def test_calls_of_workers_are_not_answered_in_public(served: Served) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.public.Heartbeat(messages.HeartbeatRequest(), metadata=served.owner)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_join_token_is_made_once_for_a_request_id_and_shown_again(served: Served) -> None:
    request = messages.CreateJoinTokenRequest(
        parent=PARENT, join_token=workers_pb2.JoinToken(display_name="t"), request_id=str(uuid4())
    )
    first = await served.public.CreateJoinToken(request, metadata=served.owner)
    again = await served.public.CreateJoinToken(request, metadata=served.owner)
    assert first == again
    listed = await served.public.ListJoinTokens(messages.ListJoinTokensRequest(parent=PARENT), metadata=served.owner)
    assert [token.uid for token in listed.join_tokens] == [first.join_token.uid]
    await served.public.RevokeJoinToken(
        messages.RevokeJoinTokenRequest(name=first.join_token.name), metadata=served.owner
    )


async def test_pages_and_updates(served: Served) -> None:
    names = [(await served.register(Machine())).worker.name for _ in range(3)]
    request = messages.ListWorkersRequest(parent=PARENT, page_size=2)
    first = await served.public.ListWorkers(request, metadata=served.owner)
    request.page_token = first.next_page_token
    second = await served.public.ListWorkers(request, metadata=served.owner)
    assert [worker.name for worker in (*first.workers, *second.workers)] == names[::-1]
    assert not second.next_page_token
    empty = messages.UpdateWorkerRequest(worker=workers_pb2.Worker(name=names[0]))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.public.UpdateWorker(empty, metadata=served.owner)
    assert reason(caught.value) == "UPDATE_EMPTY"
    off = messages.UpdateWorkerRequest(worker=workers_pb2.Worker(name=names[0], schedulable=False))
    assert not (await served.public.UpdateWorker(off, metadata=served.owner)).worker.schedulable
    drain = messages.DrainWorkerRequest(name=names[0])
    assert (
        await served.public.DrainWorker(drain, metadata=served.owner)
    ).worker.status == workers_pb2.WORKER_STATUS_DRAINING
