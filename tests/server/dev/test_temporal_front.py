"""The Temporal front: what a worker's certificate opens, and everything it does not."""

from __future__ import annotations

import asyncio
import ssl
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.protobuf.duration_pb2 import Duration
from temporalio import activity, workflow
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice import v1
from temporalio.api.workflowservice.v1 import service_pb2
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.service import GrpcCompression, TLSConfig
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from stackly_server.dev.envoy.front import NAMESPACE_METHODS, OPEN_METHODS, POLL_METHOD, WORKFLOW_SERVICE
from stackly_server.dev.parts.envoy import Envoy
from stackly_server.dev.parts.openbao import OpenBao
from stackly_server.dev.parts.temporal import Temporal

Call = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
OURS, OTHERS = "s-ours", "s-others"


@dataclass(frozen=True)
class WorkerCertificate:
    worker: str
    chain: bytes
    key: bytes
    serial: str


def worker_certificate(openbao: OpenBao, namespace: str | None, *, domain: str = "stackly.local") -> WorkerCertificate:
    """Of a worker that joined; without a namespace that of one which has proved nothing yet."""
    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    account, worker = uuid.uuid4(), str(uuid.uuid4())
    home = "pending" if namespace is None else f"temporal/{namespace}"
    answer = openbao.client("api").post(
        "pki/sign/worker",
        csr=csr.public_bytes(serialization.Encoding.PEM).decode(),
        uri_sans=f"spiffe://{domain}/accounts/{account}/{home}/workers/{worker}",
    )["data"]
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return WorkerCertificate(worker, answer["certificate"].encode() + b"\n", pem, answer["serial_number"])


@pytest.fixture(scope="module")
async def namespaces(temporal: Temporal) -> None:
    client = await Client.connect(temporal.address)
    for name in (OURS, OTHERS):
        await client.workflow_service.register_namespace(
            v1.RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=Duration(seconds=86_400))
        )


@pytest.fixture(scope="module")
def certificate(openbao: OpenBao) -> WorkerCertificate:
    return worker_certificate(openbao, OURS)


async def through_front(envoy: Envoy, certificate: WorkerCertificate, namespace: str) -> Client:
    tls = TLSConfig(
        server_root_ca_cert=envoy.ca.read_bytes(),
        client_cert=certificate.chain,
        client_private_key=certificate.key,
    )
    return await Client.connect(
        envoy.front_address, namespace=namespace, tls=tls, grpc_compression=GrpcCompression.NONE
    )


@pytest.fixture(scope="module")
async def client(envoy: Envoy, namespaces: None, certificate: WorkerCertificate) -> Client:
    return await through_front(envoy, certificate, OURS)


@activity.defn
async def greet(name: str) -> str:
    activity.heartbeat("half")
    if name == "fail":
        raise ValueError(name)
    return f"hello {name}"


@workflow.defn
class Greeting:
    @workflow.run
    async def run(self, queue: str, name: str) -> str:
        return str(
            await workflow.execute_activity(
                greet,
                name,
                task_queue=queue,
                start_to_close_timeout=timedelta(seconds=20),
                heartbeat_timeout=timedelta(seconds=5),
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
        )


async def test_a_real_activity_worker_lives_behind_the_front(
    client: Client, temporal: Temporal, certificate: WorkerCertificate, envoy: Envoy
) -> None:
    refused_before = envoy.log.read_text().count('"denied"')
    direct = await Client.connect(temporal.address, namespace=OURS)
    queues = [f"{OURS}.abc123", f"{OURS}.w.{certificate.worker}"]
    control = Worker(direct, task_queue="control", workflows=[Greeting], workflow_runner=UnsandboxedWorkflowRunner())
    workers = [Worker(client, task_queue=queue, activities=[greet]) for queue in queues]
    async with control, workers[0], workers[1]:
        for queue in queues:
            answer = await direct.execute_workflow(
                Greeting.run, args=[queue, "you"], id=f"greet-{queue}", task_queue="control"
            )
            assert answer == "hello you"
    assert envoy.log.read_text().count('"denied"') == refused_before, envoy.log.read_text()[-2000:]


async def test_a_failing_activity_and_a_cancelled_one_are_told_too(client: Client, temporal: Temporal) -> None:
    direct = await Client.connect(temporal.address, namespace=OURS)
    control = Worker(direct, task_queue="control", workflows=[Greeting], workflow_runner=UnsandboxedWorkflowRunner())
    async with control, Worker(client, task_queue=f"{OURS}.fails", activities=[greet]):
        with pytest.raises(WorkflowFailureError) as caught:
            await direct.execute_workflow(
                Greeting.run, args=[f"{OURS}.fails", "fail"], id="fails", task_queue="control"
            )
    assert isinstance(caught.value.cause, ActivityError)
    assert "fail" in str(caught.value.cause.cause)


@dataclass(frozen=True)
class Raw:
    """Sends bytes as a gRPC message, to be able to say what no client would."""

    channel: grpc.aio.Channel

    async def code(self, method: str, message: bytes, **metadata: str) -> grpc.StatusCode:
        call: Call = self.channel.unary_unary(f"/{WORKFLOW_SERVICE}/{method}", request_serializer=bytes)
        try:
            await call(message, timeout=3, metadata=tuple(metadata.items()))
        except grpc.aio.AioRpcError as error:
            return error.code()
        return grpc.StatusCode.OK


@pytest.fixture(scope="module")
async def raw(envoy: Envoy, certificate: WorkerCertificate, namespaces: None) -> AsyncIterator[Raw]:
    async with channel(envoy, certificate) as opened:
        yield Raw(opened)


def channel(envoy: Envoy, certificate: WorkerCertificate | None) -> grpc.aio.Channel:
    given = {} if certificate is None else {"private_key": certificate.key, "certificate_chain": certificate.chain}
    credentials = grpc.ssl_channel_credentials(root_certificates=envoy.ca.read_bytes(), **given)
    return grpc.aio.secure_channel(envoy.front_address, credentials)


def poll(namespace: str, queue: str) -> bytes:
    return v1.PollActivityTaskQueueRequest(namespace=namespace, task_queue=TaskQueue(name=queue)).SerializeToString()


DENIED = grpc.StatusCode.PERMISSION_DENIED


async def test_only_the_namespace_of_the_certificate(raw: Raw) -> None:
    def describe(namespace: str) -> bytes:
        return v1.DescribeNamespaceRequest(namespace=namespace).SerializeToString()

    assert await raw.code("DescribeNamespace", describe(OURS)) is grpc.StatusCode.OK
    for other in (OTHERS, "", "default", f"{OURS}/workers/x", "s-our", f"{OURS}x", OURS.upper()):
        assert await raw.code("DescribeNamespace", describe(other)) is DENIED, other


async def test_nothing_opens_before_the_proof(envoy: Envoy, openbao: OpenBao, raw: Raw) -> None:
    calls = {
        "GetSystemInfo": v1.GetSystemInfoRequest().SerializeToString(),
        "DescribeNamespace": v1.DescribeNamespaceRequest(namespace=OURS).SerializeToString(),
        POLL_METHOD: poll(OURS, f"{OURS}.abc"),
        "RecordWorkerHeartbeat": v1.RecordWorkerHeartbeatRequest(namespace=OURS).SerializeToString(),
    }
    async with channel(envoy, worker_certificate(openbao, None)) as opened:
        for method, message in calls.items():
            assert await raw.code(method, message) is not DENIED, method
            assert await Raw(opened).code(method, message) is DENIED, method


async def test_a_namespace_sent_twice_means_the_last_one_to_both_sides(raw: Raw) -> None:
    """If Envoy judged by the first and Temporal acted on the last, a worker could enter any namespace."""
    ours = v1.DescribeNamespaceRequest(namespace=OURS).SerializeToString()
    others = v1.DescribeNamespaceRequest(namespace=OTHERS).SerializeToString()
    assert await raw.code("DescribeNamespace", ours + others) is DENIED
    describe: Call = raw.channel.unary_unary(f"/{WORKFLOW_SERVICE}/DescribeNamespace", request_serializer=bytes)
    answer = v1.DescribeNamespaceResponse.FromString(await describe(others + ours, timeout=3))
    assert answer.namespace_info.name == OURS


async def test_only_own_task_queues(raw: Raw, certificate: WorkerCertificate) -> None:
    allowed = (f"{OURS}.abc", f"{OURS}.w.{certificate.worker}")
    nothing_to_do = (grpc.StatusCode.OK, grpc.StatusCode.DEADLINE_EXCEEDED)
    for queue in allowed:
        assert await raw.code(POLL_METHOD, poll(OURS, queue)) in nothing_to_do, queue
    for queue in ("control", f"{OTHERS}.abc", OURS, f"{OURS}.w.{uuid.uuid4()}", f"{OURS}.w.", ""):
        assert await raw.code(POLL_METHOD, poll(OURS, queue)) is DENIED, queue
    twice = poll(OURS, f"{OURS}.abc") + poll(OURS, "control")
    assert await raw.code(POLL_METHOD, twice) is DENIED


async def test_every_other_method_is_denied(raw: Raw) -> None:
    allowed = {*OPEN_METHODS, POLL_METHOD, *NAMESPACE_METHODS}
    methods = service_pb2.DESCRIPTOR.services_by_name["WorkflowService"].methods
    assert allowed <= {method.name for method in methods}
    refused = [method for method in methods if method.name not in allowed]
    assert len(refused) > 80
    named = b"\x0a" + bytes([len(OURS)]) + OURS.encode()  # field 1, which is the namespace nearly everywhere
    for method in refused:
        assert await raw.code(method.name, named) is DENIED, method.name


async def test_compressed_messages_are_refused(envoy: Envoy, certificate: WorkerCertificate, namespaces: None) -> None:
    message = v1.DescribeNamespaceRequest(namespace=OURS).SerializeToString()
    async with channel(envoy, certificate) as opened:
        call: Call = opened.unary_unary(f"/{WORKFLOW_SERVICE}/DescribeNamespace", request_serializer=bytes)
        await call(message, timeout=3)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(message, timeout=3, compression=grpc.Compression.Gzip)
    assert caught.value.code() is DENIED


async def test_no_certificate_or_one_of_another_ca_ends_in_the_handshake(envoy: Envoy, namespaces: None) -> None:
    message = v1.GetSystemInfoRequest().SerializeToString()
    for stranger in (None, self_made(OURS)):
        async with channel(envoy, stranger) as opened:
            assert await Raw(opened).code("GetSystemInfo", message) is grpc.StatusCode.UNAVAILABLE


async def test_a_banned_worker_is_shut_out_within_the_next_look(
    envoy: Envoy, openbao: OpenBao, namespaces: None
) -> None:
    banned, message = worker_certificate(openbao, OURS), v1.GetSystemInfoRequest().SerializeToString()
    async with channel(envoy, banned) as opened:
        assert await Raw(opened).code("GetSystemInfo", message) is grpc.StatusCode.OK
    openbao.client("api").post("pki/revoke", serial_number=banned.serial)
    envoy.tend()
    async with asyncio.timeout(5):
        code = grpc.StatusCode.OK
        while code is not grpc.StatusCode.UNAVAILABLE:
            async with channel(envoy, banned) as opened:
                code = await Raw(opened).code("GetSystemInfo", message)


async def test_the_servers_certificate_is_renewed_without_a_restart(envoy: Envoy, openbao: OpenBao, raw: Raw) -> None:
    def serial() -> int:
        pem = ssl.get_server_certificate(("127.0.0.1", int(envoy.public_url.rpartition(":")[2])))
        return x509.load_pem_x509_certificate(pem.encode()).serial_number

    before = await asyncio.to_thread(serial)
    envoy.renew()
    async with asyncio.timeout(5):
        while await asyncio.to_thread(serial) == before:
            pass


def self_made(namespace: str) -> WorkerCertificate:
    """What looks like a worker's certificate, signed by nobody but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    uri = x509.UniformResourceIdentifier(f"spiffe://stackly.local/accounts/a/temporal/{namespace}/workers/w")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Stackly CA of stackly.local")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(1).not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    )
    signed = builder.add_extension(x509.SubjectAlternativeName([uri]), critical=True).sign(key, hashes.SHA256())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return WorkerCertificate("w", signed.public_bytes(serialization.Encoding.PEM), pem, "1")


async def test_another_namespace_cannot_be_named_by_its_id(raw: Raw, temporal: Temporal) -> None:
    direct = await Client.connect(temporal.address)
    others = await direct.workflow_service.describe_namespace(v1.DescribeNamespaceRequest(namespace=OTHERS))
    describe: Call = raw.channel.unary_unary(f"/{WORKFLOW_SERVICE}/DescribeNamespace", request_serializer=bytes)
    request = v1.DescribeNamespaceRequest(namespace=OURS, id=others.namespace_info.id)
    with pytest.raises(grpc.aio.AioRpcError):
        await describe(request.SerializeToString(), timeout=3)
    assert await raw.code("DescribeNamespace", v1.DescribeNamespaceRequest(id=request.id).SerializeToString()) is DENIED


async def test_a_task_of_another_namespace_cannot_be_answered(raw: Raw, temporal: Temporal) -> None:
    direct = await Client.connect(temporal.address, namespace=OTHERS)
    queue = f"{OTHERS}.stolen"
    control = Worker(direct, task_queue="control", workflows=[Greeting], workflow_runner=UnsandboxedWorkflowRunner())
    async with control:
        run = await direct.start_workflow(Greeting.run, args=[queue, "x"], id="stolen", task_queue="control")
        task = await direct.workflow_service.poll_activity_task_queue(
            v1.PollActivityTaskQueueRequest(namespace=OTHERS, task_queue=TaskQueue(name=queue), identity="victim")
        )
        assert task.task_token
        token = task.task_token
        for method, request in (
            ("RespondActivityTaskCompleted", v1.RespondActivityTaskCompletedRequest(namespace=OURS, task_token=token)),
            ("RespondActivityTaskFailed", v1.RespondActivityTaskFailedRequest(namespace=OURS, task_token=token)),
            ("RespondActivityTaskCanceled", v1.RespondActivityTaskCanceledRequest(namespace=OURS, task_token=token)),
            ("RecordActivityTaskHeartbeat", v1.RecordActivityTaskHeartbeatRequest(namespace=OURS, task_token=token)),
        ):
            assert await raw.code(method, request.SerializeToString()) is not grpc.StatusCode.OK, method
        answered = await direct.workflow_service.respond_activity_task_completed(
            v1.RespondActivityTaskCompletedRequest(namespace=OTHERS, task_token=token)
        )
        assert answered is not None  # the token was good all along: under its own namespace
        await run.result()
