"""Queues are served however late Temporal knows their namespace."""

import asyncio
from datetime import timedelta
from uuid import uuid4

from google.protobuf.duration_pb2 import Duration
from temporalio import activity
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from stackly_server.dev.parts.temporal import Temporal
from stackly_worker.agent.queues import Queues
from waiting import until


@activity.defn
async def nothing() -> None:
    """Never asked for."""


class QuickClock:
    """Waits a hundredth of what is asked."""

    def __init__(self) -> None:
        self.slept = 0

    def monotonic(self) -> float:
        return 0.0

    def wall(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.slept += 1
        await asyncio.sleep(seconds / 100)


async def test_a_queue_that_is_left_while_its_worker_starts_is_left(temporal: Temporal) -> None:
    """A worker that has not begun cannot be shut down: it must be once it has. Ten of them, as one may have begun."""
    client = await Client.connect(temporal.address)
    queues = Queues([nothing], 1, QuickClock(), client)
    for number in range(10):
        queues.serve([f"short-{number}"])
        queue = queues._served[f"short-{number}"]
        while queue.worker is None:  # noqa: ASYNC110  (nothing tells of it)
            await asyncio.sleep(0)  # no longer: the worker is about to start
        queues.serve([])
    async with asyncio.timeout(30):
        await queues.ended()


async def test_a_namespace_that_is_not_there_yet_is_tried_again(temporal: Temporal) -> None:
    namespace, clock = f"late-{uuid4().hex[:8]}", QuickClock()
    client = await Client.connect(temporal.address, namespace=namespace)
    queues = Queues([nothing], 1, clock, client)
    queues.serve([f"{namespace}.q"])
    await until(lambda: clock.slept > 1)
    retention = Duration(seconds=int(timedelta(days=1).total_seconds()))
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(namespace=namespace, workflow_execution_retention_period=retention)
    )
    for _ in range(500):
        if await polled(client, f"{namespace}.q"):
            break
        await clock.sleep(2)
    assert await polled(client, f"{namespace}.q")
    queues.serve([])
    await queues.ended()


async def polled(client: Client, queue: str) -> bool:
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    )
    try:
        return bool((await client.workflow_service.describe_task_queue(request)).pollers)
    except RPCError:
        return False
