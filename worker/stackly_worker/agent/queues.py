"""Temporal task queues: one activity worker for each that the control plane names, no more, no fewer."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.worker import PollerBehaviorSimpleMaximum, Worker

from stackly_worker.runner.clock import Clock

_LONG = timedelta(days=365)  # a queue that is left lets its batches end; the process ends long before
_FIND = timedelta(seconds=10)
_OWN, _ASKED_AT_ONCE = ".w.", 200
_BACK_OFF = (1.0, 2.0, 5.0, 15.0)
_STARTING = 0.05  # seconds between looks at a worker that starts
_log = logging.getLogger(__name__)


@dataclass
class _Queue:
    worker: Worker | None = None
    running: "asyncio.Task[None] | None" = None
    leaving: bool = False


@dataclass
class Queues:
    """`serve` names all queues; the same again changes nothing. `slots` tasks at a time from each.

    The worker's own queue (`….w.<uid>`) only asks after batches that it has anyway: there `slots` does not hold.
    """

    activities: Sequence[Callable[..., Any]]
    slots: int
    clock: Clock
    client: Client | None = None
    _served: dict[str, _Queue] = field(default_factory=dict)
    _leaving: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def names(self) -> set[str]:
        return set(self._served)

    def use(self, client: Client) -> None:
        """A client with a new certificate; what is under way goes on."""
        self.client = client
        for queue in self._served.values():
            if queue.worker is not None:
                queue.worker.client = client

    def serve(self, names: Iterable[str]) -> None:
        """Poll these queues; those left take nothing new and let what they have end."""
        wanted = set(names)
        for name in self.names - wanted:
            self._leave(name)
        for name in wanted - self.names:
            queue = self._served[name] = _Queue()
            queue.running = asyncio.create_task(self._poll(name, queue))

    async def ended(self) -> None:
        """Return when every queue that was left has let its batches end."""
        while self._leaving:
            await asyncio.wait(set(self._leaving))

    def _leave(self, name: str) -> None:
        queue = self._served.pop(name)
        queue.leaving = True
        leaving = asyncio.create_task(_shut(queue, self.clock))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    async def _poll(self, name: str, queue: _Queue) -> None:
        """A worker that Temporal threw out is made anew, until the queue is left."""
        failures = 0
        while not queue.leaving:
            try:
                # asked first, as the SDK holds the place of a worker that fails to start: no second one may follow it
                await self._find_namespace()
                await self._serve(name, queue)
            except Exception:  # noqa: BLE001 - whatever a worker died of, its queue must not stay unserved
                _log.exception("polling of %s failed", name)
            if not queue.leaving:
                await self.clock.sleep(_BACK_OFF[min(failures, len(_BACK_OFF) - 1)])
                failures += 1

    async def _serve(self, name: str, queue: _Queue) -> None:
        if not queue.leaving:  # it may have been left while the namespace was looked for
            queue.worker = self._worker(name)
            await queue.worker.run()

    async def _find_namespace(self) -> None:
        if self.client is not None:
            request = DescribeNamespaceRequest(namespace=self.client.namespace)
            await self.client.workflow_service.describe_namespace(request, timeout=_FIND)

    def _worker(self, name: str) -> Worker:
        if self.client is None:
            raise RuntimeError("no Temporal client yet")
        return Worker(
            self.client,
            task_queue=name,
            activities=self.activities,
            max_concurrent_activities=_ASKED_AT_ONCE if _OWN in name else self.slots,
            activity_task_poller_behavior=PollerBehaviorSimpleMaximum(1),
            max_heartbeat_throttle_interval=timedelta(seconds=5),
            default_heartbeat_throttle_interval=timedelta(seconds=5),
            graceful_shutdown_timeout=_LONG,
        )


async def _shut(queue: _Queue, clock: Clock) -> None:
    """A worker that is only just starting cannot be told to stop: it is told as soon as it can."""
    while queue.running is not None and not queue.running.done():
        if queue.worker is not None and queue.worker.is_running:
            await queue.worker.shutdown()
            await asyncio.gather(queue.running, return_exceptions=True)
        else:
            await clock.sleep(_STARTING)
