"""The steps of a push as activities: one call of the service each. A beat tells Temporal that one is alive."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from temporalio import activity
from temporalio.exceptions import ApplicationError

from stackly_server.errors import Conflict, StacklyError, Unavailable
from stackly_server.git.push import ChangeAt, Handled, PushRef, RunFor, Scan, Taken

if TYPE_CHECKING:
    from stackly_server.git.service import GitService

BEAT_SECONDS = 5.0
T = TypeVar("T")


class PushActivities:
    """Given the service; `all` is what a Temporal worker registers."""

    def __init__(self, service: "GitService") -> None:
        self._service = service
        self.all: list[Callable[..., Any]] = [self.scan, self.take, self.start_run, self.finish]

    @activity.defn(name="push.scan")
    async def scan(self, push: PushRef) -> Scan:
        """Fetches the branch and says what it asks for."""
        return await _told(self._service.scan(push))

    @activity.defn(name="push.take")
    async def take(self, at: ChangeAt) -> Taken:
        """Takes up one change."""
        return await _told(self._service.take(at))

    @activity.defn(name="push.start_run")
    async def start_run(self, wanted: RunFor) -> str:
        """Makes one run."""
        return await _told(self._service.start_run(wanted))

    @activity.defn(name="push.finish")
    async def finish(self, end: Handled) -> None:
        """Notes the end."""
        await _told(self._service.finish(end))


async def _told(call: Awaitable[T]) -> T:
    """Our errors for Temporal: what passes by itself is tried again, a refusal is not."""
    try:
        async with _beating():
            return await call
    except (Unavailable, Conflict) as error:
        raise ApplicationError(error.message, type=error.reason) from error
    except StacklyError as error:
        raise ApplicationError(error.message, type=error.reason, non_retryable=True) from error


@asynccontextmanager
async def _beating() -> AsyncIterator[None]:
    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(BEAT_SECONDS)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
