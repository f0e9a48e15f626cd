"""Postgres: a pool, and transactions that know their tenant and tell what they did as their last act."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, LiteralString
from uuid import UUID

from psycopg import AsyncConnection, OperationalError
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Composed, Identifier, Literal
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from stackly_server import ledger
from stackly_server.access import Subject
from stackly_server.crash import crash_point
from stackly_server.errors import Unavailable
from stackly_server.glancing import Glances, Value
from stackly_server.ledger import Event, Line

Connection = AsyncConnection[TupleRow]


@dataclass(slots=True)
class Transaction:
    """One transaction of one tenant. What is told, sent or waked here is written just before the commit.

    Each event also leaves an audit entry under the caller's name. `result` is what a repeated call is answered with.
    """

    conn: Connection
    subject: Subject
    events: list[Event] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    wakes: set[str] = field(default_factory=set)
    result: Any = None

    @property
    def account_id(self) -> UUID:
        """The tenant."""
        return self.subject.tenant

    def tell(self, kind: str, subject: str, **facts: str) -> None:
        """Records an event (and audit entry) about the thing named `subject`. Facts hold no secrets."""
        self.events.append(Event(kind, subject, facts))

    def send(self, kind: str, key: str, payload: Mapping[str, Any], delay: float = 0.0) -> None:
        """Leaves a line in the outbox: told to others after the commit, in order within `key`, at least once."""
        self.lines.append(Line(kind, key, payload, delay))

    def wake(self, topic: str) -> None:
        """Wakes those who wait for a topic, such as `run/<id>`, once the transaction is committed."""
        self.wakes.add(topic)


class Database:
    """The app role's door to Postgres."""

    def __init__(self, url: str, max_size: int = 16) -> None:
        self._pool = AsyncConnectionPool(
            url, min_size=2, max_size=max_size, open=False, timeout=10, kwargs={"autocommit": True}
        )
        self._glances = Glances()

    async def open(self) -> None:
        """Opens the pool; Unavailable when Postgres does not answer within 10 seconds."""
        try:
            await self._pool.open(wait=True, timeout=10)
        except PoolTimeout as error:
            await self._pool.close()
            raise Unavailable("DATABASE_UNAVAILABLE", "The database does not answer.", retry_after=1.0) from error

    async def close(self) -> None:
        """Closes the pool."""
        await self._pool.close()

    @asynccontextmanager
    async def transaction(self, subject: Subject) -> AsyncIterator[Transaction]:
        """A read-write transaction in the caller's account. Commits at the end, rolls back on any error."""
        async with self._begun("BEGIN", "account", str(subject.tenant)) as conn:
            tx = Transaction(conn, subject)
            yield tx
            await ledger.flush(conn, subject, tx.events, tx.lines, tx.wakes, tx.result)
            crash_point("transaction.before_commit")
        crash_point("transaction.after_commit")

    @asynccontextmanager
    async def read(self, account_id: UUID) -> AsyncIterator[Connection]:
        """A read-only transaction in one account."""
        async with self._begun("BEGIN READ ONLY", "account", str(account_id)) as conn:
            yield conn

    async def glance(self, account_id: UUID, statement: LiteralString, values: Mapping[str, Value]) -> list[TupleRow]:
        """The rows of one SELECT, in a read-only transaction of one account: begun, read and ended in one trip."""
        try:
            return await self._glanced(account_id, statement, values)
        except (OperationalError, PoolTimeout) as error:
            raise Unavailable("DATABASE_UNAVAILABLE", "The database does not answer.", retry_after=1.0) from error

    async def _glanced(self, account_id: UUID, statement: LiteralString, values: Mapping[str, Value]) -> list[TupleRow]:
        for _ in range(self._pool.max_size):
            conn = await self._pool.getconn()
            try:
                return await self._glances.look(conn, account_id, statement, values)
            except OperationalError:  # of a Postgres that was restarted: the pool makes a new one
                await conn.close()
            except BaseException:  # canceled half-way too: nobody may get a connection inside a transaction
                await conn.close()
                raise
            finally:
                await self._pool.putconn(conn)
        raise OperationalError("no connection of the pool works")

    @asynccontextmanager
    async def scope(self, name: str, *, durable: bool = True) -> AsyncIterator[Connection]:
        """A transaction that sees no tenant's content, only the routing tables: `routing` or `relay`.

        One that is not `durable` is not waited for to reach the disk: a crash of Postgres may undo its last second.
        """
        begin = "BEGIN" if durable else "BEGIN; SET LOCAL synchronous_commit = off"
        async with self._begun(begin, "scope", name) as conn:
            yield conn

    @asynccontextmanager
    async def _begun(self, begin: str, setting: str, value: str) -> AsyncIterator[Connection]:
        """A connection in a transaction, begun and set in one trip; the pool's context commits it or rolls it back."""
        words = SQL("{}; SET LOCAL {} = {}").format(SQL(begin), Identifier("stackly", setting), Literal(value))
        try:
            async with AsyncExitStack() as stack:
                conn = await self._alive(stack, words)
                yield conn
        except (OperationalError, PoolTimeout) as error:
            raise Unavailable("DATABASE_UNAVAILABLE", "The database does not answer.", retry_after=1.0) from error

    async def _alive(self, stack: AsyncExitStack, words: Composed) -> Connection:
        """The first connection that still works: those of a Postgres that was restarted fail at their first word."""
        for _ in range(self._pool.max_size):
            conn = await stack.enter_async_context(self._pool.connection())
            try:
                await conn.execute(words)
            except OperationalError:
                await conn.close()
            else:
                return conn
        raise OperationalError("no connection of the pool works")
