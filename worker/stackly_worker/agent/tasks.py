"""The activities of a worker, named as the methods of `stackly.worker.v1.Tasks`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from stackly.worker.v1 import tasks_pb2 as messages
from stackly_worker.agent.batches import Batches

STOPPING = "AgentStopping"  # the type of the failure: the runner lives on, AttachBatch finds it
_BEAT = 5.0  # seconds between heartbeats to Temporal, unless its time-out wants them sooner


@dataclass
class Tasks:
    """Each waits for its batch's end while Temporal hears that it lives; `stopping` ends the waiting, not the batch."""

    batches: Batches
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def activities(self) -> Sequence[Callable[..., Any]]:
        return [self.plan_batch, self.apply_batch, self.attach_batch]

    @activity.defn(name="stackly.worker.v1.Tasks.PlanBatch")
    async def plan_batch(self, request: messages.PlanBatchRequest) -> messages.PlanBatchResponse:
        waiting = self.batches.carry_out(request.batch, request.nonce, request.run)
        return messages.PlanBatchResponse(outcome=await self._ended(waiting))

    @activity.defn(name="stackly.worker.v1.Tasks.ApplyBatch")
    async def apply_batch(self, request: messages.ApplyBatchRequest) -> messages.ApplyBatchResponse:
        waiting = self.batches.carry_out(request.batch, request.nonce, request.run)
        return messages.ApplyBatchResponse(outcome=await self._ended(waiting))

    @activity.defn(name="stackly.worker.v1.Tasks.AttachBatch")
    async def attach_batch(self, request: messages.AttachBatchRequest) -> messages.AttachBatchResponse:
        waiting = self.batches.attach(request.batch, request.run)
        return messages.AttachBatchResponse(outcome=await self._ended(waiting))

    async def _ended(self, waiting: Awaitable[messages.BatchOutcome]) -> messages.BatchOutcome:
        ending, stopping = asyncio.ensure_future(waiting), asyncio.create_task(self.stopping.wait())
        try:
            async with _beating():
                await asyncio.wait({ending, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                raise ApplicationError("the agent stops; the batch's runner works on", type=STOPPING)
            return await ending
        finally:
            ending.cancel()
            stopping.cancel()


@asynccontextmanager
async def _beating() -> AsyncIterator[None]:
    limit = activity.info().heartbeat_timeout
    every = min(_BEAT, limit.total_seconds() / 3) if limit else _BEAT
    beating = asyncio.create_task(_beat(every))
    try:
        yield
    finally:
        beating.cancel()


async def _beat(every: float) -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(every)
