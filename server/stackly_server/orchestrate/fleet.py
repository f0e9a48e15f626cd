"""One Temporal worker for each namespace, pinned to this build: a workflow ends on the code that it began with."""

import asyncio
import hashlib
import importlib.metadata
import inspect
import logging
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import Worker, WorkerDeploymentConfig
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from stackly_server.errors import Unavailable
from stackly_server.hub import Hub
from stackly_server.orchestrate.namespaces import TOPIC, Home

DEPLOYMENT = "stackly"
CONTROL_QUEUE = "stackly-control"
GRACE_SECONDS = 3.0  # for activities, when the program stops
LOOK_SECONDS = 5.0
_CURRENT_RETRY_SECONDS = 0.1
_CURRENT_ATTEMPTS = 300

# Our own modules are imported once, not anew for each workflow, which would cost a workflow's first task 10 ms and more.
# They hold no state; what calls workflows may make is restricted as before.
_RUNNER = SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules("stackly_server"))

_log = logging.getLogger(__name__)


class Temporal(Protocol):
    """The side of Temporal that the fleet needs."""

    async def client(self, namespace: str, account_id: UUID) -> Client:
        """The client of a namespace, whose payloads are sealed."""
        ...

    async def require_namespace(self, namespace: str, account_id: UUID) -> None:
        """Unavailable, when Temporal does not know the namespace (yet)."""
        ...

    async def set_current(self, namespace: str, account_id: UUID, deployment: str, build_id: str) -> None:
        """Sends new workflows to a build; Unavailable while none of its workers polls."""
        ...

    async def has_current(self, namespace: str, account_id: UUID, deployment: str) -> bool:
        """Whether new workflows go to some build."""
        ...


class Homes(Protocol):
    """Which namespaces there are."""

    async def active(self) -> set[Home]:
        """Those that are ready."""
        ...


def build_id(workflows: Sequence[type]) -> str:
    """Names the code that workflows are replayed with: their sources and the version of the SDK."""
    digest = hashlib.sha256(importlib.metadata.version("temporalio").encode())
    for module in sorted({each.__module__ for each in workflows}):
        digest.update(Path(inspect.getfile(sys.modules[module])).read_bytes())
    return digest.hexdigest()[:16]


class Fleet:
    """The workers. `ready` is set once each namespace that is ACTIVE at the start has one that new workflows go to."""

    def __init__(
        self,
        temporal: Temporal,
        homes: Homes,
        hub: Hub,
        workflows: Sequence[type],
        activities: Sequence[Callable[..., Any]],
        *,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._temporal = temporal
        self._homes = homes
        self._hub = hub
        self._workflows = workflows
        self._activities = activities
        self.build = build_id(workflows)
        self._running: dict[Home, asyncio.Task[None]] = {}
        self._workers: dict[Home, Worker] = {}
        self._served: set[Home] = set()  # where this build took over
        self._look_seconds = look_seconds
        self.ready = asyncio.Event()
        self.failures = 0  # of workers, since the start

    async def run(self) -> None:
        """Starts a worker for each namespace that comes up, and anew for one whose worker failed."""
        with self._hub.waiter(TOPIC) as waiter:
            while True:
                try:
                    await self._look()
                except Unavailable as error:
                    _log.warning("No look at the namespaces: %s", error.message)
                await waiter.wait(self._look_seconds)

    async def stop(self) -> None:
        """Polls no more, and gives activities under way a moment."""
        await asyncio.gather(*(worker.shutdown() for worker in self._workers.values() if worker.is_running))

    async def restore(self) -> None:
        """Takes new workflows where none of our builds does: Temporal's data were lost. Else there is nothing to do.

        A build that is current stays so: with two of them at work during a release, neither takes over again.
        """
        for home in self._served & self._running.keys():
            name, account_id = home.temporal_namespace, home.account_id
            if not await self._temporal.has_current(name, account_id, DEPLOYMENT):
                await self._temporal.set_current(name, account_id, DEPLOYMENT, self.build)
                _log.error("Namespace %s had no build; build %s serves it.", name, self.build)

    async def _look(self) -> None:
        homes = await self._homes.active()
        missing = [home for home in homes if home not in self._running]
        await asyncio.gather(*(self._begin(home) for home in missing))
        if homes <= self._running.keys():
            self.ready.set()

    async def _begin(self, home: Home) -> None:
        try:
            # asked first, as the SDK holds the place of a worker that fails to start: no second one may follow it
            await self._temporal.require_namespace(home.temporal_namespace, home.account_id)
            worker = self._worker(await self._temporal.client(home.temporal_namespace, home.account_id))
        except (Unavailable, RuntimeError) as error:
            self._failed(home, error)
            return
        task = asyncio.create_task(worker.run())
        self._workers[home], self._running[home] = worker, task
        task.add_done_callback(lambda ended: self._ended(home, ended))
        try:
            await self._take_over(home, task)
        except Unavailable as error:
            self._failed(home, error)

    def _worker(self, client: Client) -> Worker:
        version = WorkerDeploymentVersion(DEPLOYMENT, self.build)
        return Worker(
            client,
            task_queue=CONTROL_QUEUE,
            workflows=self._workflows,
            activities=self._activities,
            workflow_runner=_RUNNER,
            graceful_shutdown_timeout=timedelta(seconds=GRACE_SECONDS),
            # the behavior stands here: in a workflow's definition it would break each worker that is not versioned
            deployment_config=WorkerDeploymentConfig(
                version=version, use_worker_versioning=True, default_versioning_behavior=VersioningBehavior.PINNED
            ),
        )

    async def _take_over(self, home: Home, task: asyncio.Task[None]) -> None:
        """Makes this build the current one, as soon as Temporal has seen its worker poll."""
        for attempt in range(_CURRENT_ATTEMPTS):
            try:
                await self._temporal.set_current(home.temporal_namespace, home.account_id, DEPLOYMENT, self.build)
            except Unavailable:
                if task.done() or attempt + 1 == _CURRENT_ATTEMPTS:
                    raise
                await asyncio.sleep(_CURRENT_RETRY_SECONDS)
            else:
                self._served.add(home)
                _log.info("Namespace %s is served by build %s.", home.temporal_namespace, self.build)
                return

    def _ended(self, home: Home, task: asyncio.Task[None]) -> None:
        self._running.pop(home, None)
        self._served.discard(home)
        self._workers.pop(home, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(home, error)

    def _failed(self, home: Home, error: BaseException) -> None:
        self.failures += 1
        known = None if isinstance(error, Unavailable) else error
        _log.error("Namespace %s has no worker now; it gets one soon.", home.temporal_namespace, exc_info=known)
