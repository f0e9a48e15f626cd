"""The relay: carries lines of the outbox to those they are for. Any number of relays may compete.

A line is claimed, the claim committed, the call made, and only then is the line marked. So a relay that dies tells a line
twice, never not at all: whoever is called must find its own effect again. For the same reason neither claim nor mark
waits for the disk: a Postgres that forgets them has the line told again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Any, TypeAlias
from uuid import UUID

from stackly_server import outbox
from stackly_server.access import system
from stackly_server.crash import crash_point
from stackly_server.database import Database
from stackly_server.errors import StacklyError, Unavailable
from stackly_server.hub import Hub, Waiter
from stackly_server.limits import OUTBOX_ATTEMPTS_MAX
from stackly_server.outbox import Claim

Handler: TypeAlias = Callable[[UUID, Mapping[str, Any]], Awaitable[None]]

TOPIC = "outbox"
LEASE_SECONDS = 30.0
CALL_SECONDS = 20.0  # shorter than the lease, so that a call is over before another relay takes the line
POLL_SECONDS = 1.0
PARALLEL = 32
FIRST_DELAY_SECONDS = 0.1
LAST_DELAY_SECONDS = 120.0

_log = logging.getLogger(__name__)


class Relay:
    """Runs until it is canceled; then calls under way are finished first, for at most `grace` seconds."""

    def __init__(self, database: Database, hub: Hub, handlers: Mapping[str, Handler], random: Random) -> None:
        self._database = database
        self._hub = hub
        self._handlers = dict(handlers)
        self._random = random
        self._calls: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Claims and tells, woken by the topic `outbox` and each second."""
        with self._hub.waiter(TOPIC) as waiter:
            while True:
                free = PARALLEL - len(self._calls)
                claimed = await self._claim(free)
                for line in claimed:
                    self._begin(line, waiter)
                if not claimed or len(claimed) < free:  # else there may be more
                    await waiter.wait(POLL_SECONDS)

    async def finish(self, grace: float) -> None:
        """Waits for calls under way; what takes longer is told again by the next relay."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=grace)

    async def _claim(self, free: int) -> list[Claim]:
        if free <= 0:
            return []
        try:
            async with self._database.scope("relay", durable=False) as conn:
                claimed = await outbox.claim(conn, list(self._handlers), free, LEASE_SECONDS)
        except Unavailable as error:
            _log.warning("The outbox cannot be read: %s", error.message)
            return []
        crash_point("relay.after_claim")
        return claimed

    def _begin(self, line: Claim, waiter: Waiter) -> None:
        call = asyncio.create_task(self._carry(line))
        self._calls.add(call)

        def end(task: asyncio.Task[None]) -> None:
            self._calls.discard(task)
            waiter.wake()  # the next line of the key may go now
            if not task.cancelled() and (error := task.exception()) is not None:
                _log.error("Line %s of kind %s was told but not marked.", line.id, line.kind, exc_info=error)

        call.add_done_callback(end)

    async def _carry(self, line: Claim) -> None:
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self._handlers[line.kind](line.account_id, line.payload)
        except Exception as error:  # noqa: BLE001  (whatever failed, the line must be tried again, or given up aloud)
            await self._failed(line, error)
            return
        crash_point("relay.after_call")
        async with self._database.scope("relay", durable=False) as conn:
            await outbox.done(conn, line)

    async def _failed(self, line: Claim, error: Exception) -> None:
        text = f"{error.reason}: {error.message}" if isinstance(error, StacklyError) else type(error).__name__
        known = None if isinstance(error, StacklyError | TimeoutError) else error
        if line.attempts >= OUTBOX_ATTEMPTS_MAX:
            _log.error("Line %s of kind %s is given up: %s", line.id, line.kind, text, exc_info=known)
            async with self._database.transaction(system(line.account_id, method="relay")) as tx:
                await outbox.bury(tx, line, text)
            return
        _log.warning("Line %s of kind %s, attempt %d: %s", line.id, line.kind, line.attempts, text, exc_info=known)
        async with self._database.scope("relay") as conn:
            await outbox.again(conn, line, text, backoff(line.attempts, self._random))


def backoff(attempts: int, random: Random) -> float:
    """Seconds until the next attempt: doubled each time up to two minutes, spread by a half each way."""
    delay: float = min(LAST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2 ** (attempts - 1))
    return delay * random.uniform(0.5, 1.5)
