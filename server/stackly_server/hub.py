"""Waking those who wait: one connection that listens to Postgres, and any number of waiters by topic."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import AsyncConnection, OperationalError

from stackly_server.ledger import CHANNEL

_RETRY_SECONDS = 0.5


class Waiter:
    """Waits for wake-ups of one topic. A wake-up between two waits is not lost."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def wake(self) -> None:
        """Lets the waiter go on."""
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        """Waits for a wake-up; False when none came in time."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True

    def take(self) -> bool:
        """Whether a wake-up came since the last wait or take; does not wait."""
        woken = self._event.is_set()
        self._event.clear()
        return woken


class Hub:
    """Spreads the notifications of Postgres. After a lost connection everybody is woken: something may have been missed."""

    def __init__(self, url: str, name: str = "stackly") -> None:
        """`name` is what Postgres calls the connection: others tell by it which programs are up."""
        self._url = url
        self._name = name
        self._waiters: dict[str, set[Waiter]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begins to listen."""
        conn = await self._listen()
        self._task = asyncio.create_task(self._run(conn))

    async def close(self) -> None:
        """Stops listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @contextmanager
    def waiter(self, *topics: str) -> Iterator[Waiter]:
        """A waiter for topics. Make it before reading what it waits for, so that no change falls between."""
        waiter = Waiter()
        for topic in topics:
            self._waiters[topic].add(waiter)
        try:
            yield waiter
        finally:
            for topic in topics:
                self._waiters[topic].discard(waiter)
                if not self._waiters[topic]:
                    del self._waiters[topic]

    async def _listen(self) -> AsyncConnection[tuple[object, ...]]:
        conn = await AsyncConnection.connect(self._url, autocommit=True, application_name=self._name)
        await conn.execute(f"LISTEN {CHANNEL}")
        return conn

    async def _run(self, conn: AsyncConnection[tuple[object, ...]]) -> None:
        while True:
            try:
                async with conn:
                    async for notice in conn.notifies():
                        self._wake(notice.payload)
            except OperationalError:
                pass  # the server went away: listen anew below, then wake all
            conn = await self._again()

    async def _again(self) -> AsyncConnection[tuple[object, ...]]:
        while True:
            try:
                conn = await self._listen()
            except OperationalError:
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                for topic in list(self._waiters):
                    self._wake(topic)
                return conn

    def _wake(self, topic: str) -> None:
        for waiter in list(self._waiters.get(topic, ())):
            waiter.wake()
