"""WorkerRegistry and WorkerTaskService as a test needs them: one worker, one batch, directives and faults on demand."""

import asyncio
import contextlib
import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import grpc
import grpc.aio
from cryptography import x509
from google.protobuf.timestamp_pb2 import Timestamp

from fakes.runner_service import TOKEN, Context, RunnerFake, fail
from stackly.v1 import worker_registry_pb2 as messages
from stackly.v1 import workers_pb2
from stackly.v1.worker_registry_pb2_grpc import WorkerRegistryServicer, add_WorkerRegistryServicer_to_server
from stackly.worker.v1 import tasks_pb2
from stackly.worker.v1 import worker_task_service_pb2 as task_messages
from stackly.worker.v1.runner_service_pb2_grpc import add_RunnerServiceServicer_to_server
from stackly.worker.v1.worker_task_service_pb2_grpc import (
    WorkerTaskServiceServicer,
    add_WorkerTaskServiceServicer_to_server,
)

JOIN_TOKEN = "stj_join-token-of-a-test"
Sign = Callable[[str, str, timedelta], str]  # CSR, SPIFFE id, life → chain, all PEM


@dataclass
class RegistryFake(WorkerRegistryServicer):
    """Addresses are filled in by the test before a worker comes."""

    ca: str
    sign: Sign
    worker_address: str = ""
    temporal_address: str = ""
    public_url: str = ""
    namespace: str = "s-agent"
    queue: str = "s-agent.default"
    life: timedelta = timedelta(hours=1)
    account: str = field(default_factory=lambda: str(uuid.uuid4()))
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))
    keys: list[bytes] = field(default_factory=list)
    registered: int = 0
    rotated: int = 0
    verified: list[dict[str, str]] = field(default_factory=list)
    heartbeats: list[messages.HeartbeatRequest] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    directives: messages.HeartbeatResponse = field(default_factory=messages.HeartbeatResponse)
    unknown: bool = False
    certificates: set[int] = field(default_factory=set)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def worker(self) -> workers_pb2.Worker:
        return workers_pb2.Worker(name=f"accounts/a/namespaces/n/workers/{self.uid}", uid=self.uid)

    async def direct(self, **directives: object) -> None:
        """New directives, at once."""
        async with self.news:
            facts = messages.HeartbeatResponse(**directives)  # type: ignore[arg-type]
            facts.sequence = self.directives.sequence + 1
            self.directives = facts
            self.news.notify_all()

    async def until(self, condition: "Callable[[RegistryFake], bool]") -> None:
        async with self.news:
            await asyncio.wait_for(self.news.wait_for(lambda: condition(self)), 60)

    async def GetTrustBundle(  # noqa: N802
        self, request: messages.GetTrustBundleRequest, context: Context
    ) -> messages.GetTrustBundleResponse:
        return messages.GetTrustBundleResponse(ca_certificates=self.ca, sequence=1, refresh_seconds=3600)

    async def RegisterWorker(  # noqa: N802
        self, request: messages.RegisterWorkerRequest, context: Context
    ) -> messages.RegisterWorkerResponse:
        key = hashlib.sha256(_public_key(request.csr)).digest()
        if request.join_token != JOIN_TOKEN or (self.keys and key not in self.keys):
            await fail(context, grpc.StatusCode.UNAUTHENTICATED, "ERROR_REASON_JOIN_TOKEN_INVALID")
        self.keys.append(key)
        self.unknown = False
        async with self.news:
            self.registered += 1
            self.news.notify_all()
        return messages.RegisterWorkerResponse(
            worker=self.worker,
            certificate_chain=self._chain(request.csr, "pending"),
            ca_certificates=self.ca,
            worker_address=self.worker_address,
            challenge=messages.Challenge(id="c1", nonce="n0nce", engines=list(request.capabilities.engines)),
        )

    async def VerifyCapabilities(  # noqa: N802
        self, request: messages.VerifyCapabilitiesRequest, context: Context
    ) -> messages.VerifyCapabilitiesResponse:
        wanted = {name: hashlib.sha256(f"n0nce:{name}".encode()).hexdigest() for name in request.capabilities.engines}
        assert dict(request.answers) == wanted
        self.verified.append(dict(request.answers))
        return messages.VerifyCapabilitiesResponse(
            worker=self.worker,
            temporal_address=self.temporal_address,
            temporal_namespace=self.namespace,
            task_queues=[self.queue],
            public_url=self.public_url,
        )

    async def Heartbeat(  # noqa: N802
        self, request: messages.HeartbeatRequest, context: Context
    ) -> messages.HeartbeatResponse:
        if self.unknown:
            await fail(context, grpc.StatusCode.NOT_FOUND, "ERROR_REASON_WORKER_UNKNOWN")
        async with self.news:
            self.heartbeats.append(request)
            self.news.notify_all()
            news = self.news.wait_for(lambda: self.unknown or self.directives.sequence != request.acknowledged)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(news, request.wait_seconds)
        if self.unknown:
            await fail(context, grpc.StatusCode.NOT_FOUND, "ERROR_REASON_WORKER_UNKNOWN")
        answer = messages.HeartbeatResponse()
        answer.CopyFrom(self.directives)
        if not answer.task_queues:
            answer.task_queues.append(self.queue)
        return answer

    async def RotateCertificate(  # noqa: N802
        self, request: messages.RotateCertificateRequest, context: Context
    ) -> messages.RotateCertificateResponse:
        chain = self._chain(request.csr, f"temporal/{self.namespace}" if self.verified else "pending")
        async with self.news:
            self.rotated += 1
            self.news.notify_all()
        expires = Timestamp()
        expires.FromDatetime(datetime.now(UTC) + self.life)
        return messages.RotateCertificateResponse(certificate_chain=chain, ca_certificates=self.ca, expires_at=expires)

    async def DeregisterWorker(  # noqa: N802
        self, request: messages.DeregisterWorkerRequest, context: Context
    ) -> messages.DeregisterWorkerResponse:
        self.left.append(request.reason)
        return messages.DeregisterWorkerResponse()

    def _chain(self, csr: str, home: str) -> str:
        spiffe = f"spiffe://stackly.local/accounts/{self.account}/{home}/workers/{self.uid}"
        return self.sign(csr, spiffe, self.life)


@dataclass
class TaskFake(WorkerTaskServiceServicer):
    """One batch; its end is what the runner reported to `runner`."""

    runner: RunnerFake
    key: bytes = b"p" * 32
    epoch: int = 0
    claims: list[str] = field(default_factory=list)
    reclaims: int = 0
    held: bool = True
    lease_over: bool = False

    async def ClaimBatch(  # noqa: N802
        self, request: task_messages.ClaimBatchRequest, context: Context
    ) -> task_messages.ClaimBatchResponse:
        if self.runner.finished or self.runner.lost:
            await fail(context, grpc.StatusCode.FAILED_PRECONDITION, "ERROR_REASON_LEASE_LOST")
        if self.runner.start_token:
            await fail(context, grpc.StatusCode.FAILED_PRECONDITION, "ERROR_REASON_ALREADY_STARTED")
        self.claims.append(request.nonce)
        return task_messages.ClaimBatchResponse(lease=self._lease())

    async def ReclaimBatch(  # noqa: N802
        self, request: task_messages.ReclaimBatchRequest, context: Context
    ) -> task_messages.ReclaimBatchResponse:
        self.reclaims += 1
        return task_messages.ReclaimBatchResponse(lease=self._lease())

    async def GetBatchStatus(  # noqa: N802
        self, request: task_messages.GetBatchStatusRequest, context: Context
    ) -> task_messages.GetBatchStatusResponse:
        if not self.held:
            await fail(context, grpc.StatusCode.NOT_FOUND, "ERROR_REASON_NOT_FOUND")
        ends = self.runner.finished
        return task_messages.GetBatchStatusResponse(
            done=bool(ends),
            outcome=ends[-1].outcome if ends else tasks_pb2.BATCH_OUTCOME_UNSPECIFIED,
            apply_started=bool(self.runner.start_token),
            lease_over=self.lease_over,
        )

    async def GetPayloadKeys(  # noqa: N802
        self, request: task_messages.GetPayloadKeysRequest, context: Context
    ) -> task_messages.GetPayloadKeysResponse:
        return task_messages.GetPayloadKeysResponse(keys=[task_messages.PayloadKey(version=1, key=self.key)])

    def _lease(self) -> task_messages.BatchLease:
        self.epoch += 1
        return task_messages.BatchLease(run_token=TOKEN, epoch=self.epoch, work_key=self.runner.spec.work_key)


def register(server: grpc.aio.Server, registry: RegistryFake, tasks: TaskFake) -> None:
    """All services; which listener a call came by is not this fake's to judge."""
    add_WorkerRegistryServicer_to_server(registry, server)
    add_WorkerTaskServiceServicer_to_server(tasks, server)
    add_RunnerServiceServicer_to_server(tasks.runner, server)


def _public_key(csr: str) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = x509.load_pem_x509_csr(csr.encode()).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
