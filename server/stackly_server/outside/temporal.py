"""Temporal: clients by namespace whose payloads are sealed, and the few calls the control plane makes."""

import asyncio
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import TaskQueueType, WorkflowExecutionStatus
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeTaskQueueRequest,
    DescribeWorkerDeploymentRequest,
    RegisterNamespaceRequest,
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import ConnectConfig, GrpcCompression, RPCError, RPCStatusCode, ServiceClient
from temporalio.worker import Worker

from stackly_server.errors import Unavailable
from stackly_server.outside.codec import Context, Keys, SealingCodec
from stackly_server.outside.probe import ProbeWorkflow

CONTROL_QUEUE = "stackly-control"
_PROBE_QUEUE = "stackly-probe"
_PROBE_SECONDS = 12
_RETENTION_DAYS = 30
_CONNECT_SECONDS = 5
_CALL_TIMEOUT = timedelta(seconds=10)
_POLL_SECONDS = 120  # a worker that lives polls anew at least each minute


@dataclass(frozen=True, slots=True)
class Standing:
    """How a workflow stands. `build` is the one it is pinned to: empty before its first step, or when it does not run."""

    running: bool
    build: str = ""


class Temporal:
    """One connection; a client for each namespace."""

    def __init__(self, target: str, keys: Keys) -> None:
        self._target = target
        self._keys = keys
        self._service: ServiceClient | None = None
        self._connecting = asyncio.Lock()
        self._clients: dict[tuple[str, UUID], Client] = {}

    async def client(self, namespace: str, account_id: UUID) -> Client:
        """The client of a namespace. Unavailable, when Temporal does not answer."""
        found = self._clients.get((namespace, account_id))
        if found is None:
            codec = SealingCodec(self._keys, account_id, Context(str(account_id), namespace))
            converter = replace(
                DataConverter.default,
                payload_codec=codec,
                failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
            )
            found = Client(await self._connection(), namespace=namespace, data_converter=converter)
            self._clients[namespace, account_id] = found
        return found

    async def require_namespace(self, namespace: str, account_id: UUID) -> None:
        """Unavailable, when Temporal does not know the namespace (yet)."""
        client = await self.client(namespace, account_id)
        with _told("find a namespace"):
            request = DescribeNamespaceRequest(namespace=namespace)
            await client.workflow_service.describe_namespace(request, timeout=_CALL_TIMEOUT)

    async def has_namespace(self, namespace: str, account_id: UUID) -> bool:
        """Whether Temporal knows a namespace."""
        client = await self.client(namespace, account_id)
        with _told("find a namespace"):
            try:
                request = DescribeNamespaceRequest(namespace=namespace)
                await client.workflow_service.describe_namespace(request, timeout=_CALL_TIMEOUT)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                return False
        return True

    async def start(
        self, account_id: UUID, namespace: str, name: str, argument: Any, workflow_id: str, *, anew: bool = False
    ) -> None:
        """Starts a workflow of the control plane; one of that id that runs is left as it is.

        So is one that has ended well, unless it is to start `anew` because it left its work undone.
        """
        client = await self.client(namespace, account_id)
        again = WorkflowIDReusePolicy.ALLOW_DUPLICATE if anew else WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
        with _told("start a workflow"):
            try:
                await client.start_workflow(
                    name,
                    argument,
                    id=workflow_id,
                    task_queue=CONTROL_QUEUE,
                    id_reuse_policy=again,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    request_eager_start=True,  # where this process polls the queue, it gets the first task at once
                    rpc_timeout=_CALL_TIMEOUT,
                )
            except WorkflowAlreadyStartedError:
                return

    async def poke(self, account_id: UUID, namespace: str, workflow_id: str) -> None:
        """Tells a workflow to look at the database again; one that is not there needs no telling."""
        client = await self.client(namespace, account_id)
        with _told("signal a workflow"), _unless_gone():
            await client.get_workflow_handle(workflow_id).signal("poke", rpc_timeout=_CALL_TIMEOUT)

    async def stop(self, account_id: UUID, namespace: str, workflow_id: str) -> None:
        """Cancels a workflow; it ends as it sees fit. One that is not there is stopped already."""
        client = await self.client(namespace, account_id)
        with _told("cancel a workflow"), _unless_gone():
            await client.get_workflow_handle(workflow_id).cancel(rpc_timeout=_CALL_TIMEOUT)

    async def standing(self, account_id: UUID, namespace: str, workflow_id: str) -> Standing:
        """How a workflow stands; one that Temporal does not know does not run."""
        client = await self.client(namespace, account_id)
        with _told("describe a workflow"):
            try:
                found = await client.get_workflow_handle(workflow_id).describe(rpc_timeout=_CALL_TIMEOUT)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                return Standing(running=False)
        info = found.raw_description.workflow_execution_info
        if info.status != WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING:
            return Standing(running=False)
        return Standing(running=True, build=info.versioning_info.deployment_version.build_id)

    async def end(self, account_id: UUID, namespace: str, workflow_id: str, reason: str) -> None:
        """Ends a workflow here and now, without its doing. One that is not there has ended."""
        client = await self.client(namespace, account_id)
        with _told("end a workflow"), _unless_gone():
            await client.get_workflow_handle(workflow_id).terminate(reason=reason, rpc_timeout=_CALL_TIMEOUT)

    async def open_workflows(self, account_id: UUID, namespace: str, prefix: str, seconds: int) -> list[str]:
        """Ids of workflows that began longer ago than that and have not ended, with a prefix; a thousand at most."""
        client = await self.client(namespace, account_id)
        before = datetime.now(UTC) - timedelta(seconds=seconds)
        query = (
            f"ExecutionStatus = 'Running' AND WorkflowId STARTS_WITH '{prefix}' AND StartTime < '{before.isoformat()}'"
        )
        with _told("list workflows"):
            found = client.list_workflows(query, limit=1000, rpc_timeout=_CALL_TIMEOUT)
            return [workflow.id async for workflow in found]

    async def serving_builds(self, account_id: UUID, namespace: str) -> frozenset[str]:
        """The builds whose workers take up workflows of a namespace now, or did a moment ago."""
        client = await self.client(namespace, account_id)
        kind = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
        queue = TaskQueue(name=CONTROL_QUEUE)
        request = DescribeTaskQueueRequest(namespace=namespace, task_queue=queue, task_queue_type=kind)
        with _told("say who polls"):
            answer = await client.workflow_service.describe_task_queue(request, timeout=_CALL_TIMEOUT)
        since = datetime.now(UTC).timestamp() - _POLL_SECONDS
        live = (poller for poller in answer.pollers if poller.last_access_time.ToSeconds() > since)
        return frozenset(poller.deployment_options.build_id for poller in live)

    async def stop_line(self, account_id: UUID, payload: Mapping[str, Any]) -> None:
        """Handles a line `stop_workflow` of the outbox."""
        await self.stop(account_id, payload["namespace"], payload["workflow_id"])

    async def provision(self, account_id: UUID, namespace: str) -> None:
        """Makes a namespace, if it is not there, and runs a workflow in it. Unavailable, when that does not work yet."""
        service = await self._connection()
        request = RegisterNamespaceRequest(
            namespace=namespace, workflow_execution_retention_period=Duration(seconds=_RETENTION_DAYS * 24 * 3600)
        )
        with _told("make a namespace"):
            try:
                await service.workflow_service.register_namespace(request, timeout=_CALL_TIMEOUT)
            except RPCError as error:
                if error.status is not RPCStatusCode.ALREADY_EXISTS:
                    raise
        await self.require_namespace(namespace, account_id)
        await self._probe(await self.client(namespace, account_id))

    async def set_current(self, namespace: str, account_id: UUID, deployment: str, build_id: str) -> None:
        """Sends new workflows of a namespace to a build. Unavailable, while none of its workers is seen to poll."""
        client = await self.client(namespace, account_id)
        request = SetWorkerDeploymentCurrentVersionRequest(
            namespace=namespace, deployment_name=deployment, build_id=build_id, identity=client.identity
        )
        with _told("choose the build of new workflows"):
            await client.workflow_service.set_worker_deployment_current_version(request, timeout=_CALL_TIMEOUT)

    async def has_current(self, namespace: str, account_id: UUID, deployment: str) -> bool:
        """Whether new workflows of a namespace go to some build of ours."""
        client = await self.client(namespace, account_id)
        request = DescribeWorkerDeploymentRequest(namespace=namespace, deployment_name=deployment)
        with _told("say which build is current"):
            try:
                found = await client.workflow_service.describe_worker_deployment(request, timeout=_CALL_TIMEOUT)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                return False
        return bool(found.worker_deployment_info.routing_config.current_deployment_version.build_id)

    async def _probe(self, client: Client) -> None:
        worker = Worker(client, task_queue=_PROBE_QUEUE, workflows=[ProbeWorkflow])
        patience = timedelta(seconds=_PROBE_SECONDS)
        with _told("run a workflow in a new namespace"):
            async with asyncio.timeout(_PROBE_SECONDS), worker:
                await client.execute_workflow(
                    ProbeWorkflow.run,
                    id=f"probe/{uuid.uuid4()}",
                    task_queue=_PROBE_QUEUE,
                    execution_timeout=patience,
                )

    async def _connection(self) -> ServiceClient:
        async with self._connecting:
            if self._service is None:
                config = ConnectConfig(
                    target_host=self._target,
                    grpc_compression=GrpcCompression.NONE,  # loopback, and a front may have to read the messages
                    connect_timeout=timedelta(seconds=_CONNECT_SECONDS),
                )
                with _told("connect"):
                    self._service = await ServiceClient.connect(config)
            return self._service


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turns what Temporal's SDK raises into our error; the SDK's text stays here."""
    try:
        yield
    except (RPCError, RuntimeError, TimeoutError, WorkflowFailureError) as error:
        message = f"The workflow engine did not {what}; try again."
        raise Unavailable("TEMPORAL_UNAVAILABLE", message, retry_after=1.0) from error


@contextmanager
def _unless_gone() -> Iterator[None]:
    try:
        yield
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
