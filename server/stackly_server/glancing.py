"""One SELECT in one message and one answer: begun, told its tenant, read and ended, by a plan that Postgres keeps."""

import hashlib
import re
from collections.abc import Callable, Generator, Mapping
from functools import lru_cache
from typing import Any, LiteralString
from uuid import UUID
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection, DataError
from psycopg.adapt import Transformer
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.generators import execute
from psycopg.pq import Escaping, ExecStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.rows import TupleRow

Connection = AsyncConnection[TupleRow]
Value = UUID | str | int
"""What a glance may be asked with."""

_Quoted = Callable[[bytes], bytes | bytearray | memoryview]
_GOOD = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)
_NAMED = re.compile(r"%\((\w+)\)s")


class Glances:
    """Knows which connection has which statement prepared.

    psycopg's own pipeline makes a cursor for each statement and waits for the socket at each, and then again at the end:
    of all that a read costs this process, that was a third.
    """

    def __init__(self) -> None:
        self._prepared: WeakKeyDictionary[Connection, set[str]] = WeakKeyDictionary()

    async def look(
        self, conn: Connection, account_id: UUID, statement: LiteralString, values: Mapping[str, Value]
    ) -> list[TupleRow]:
        """The rows. Whatever is raised may leave the connection inside a transaction."""
        prepared = self._prepared.setdefault(conn, set())
        if statement in prepared:
            try:
                return await _ask(conn, account_id, statement, values, prepare=False)
            except InvalidSqlStatementName:
                # psycopg forgets all that is prepared, ours too, when it rolls back. The others may be there for all
                # that: prepared after that roll back for the first time.
                prepared.discard(statement)
                await conn.rollback()
        rows = await _ask(conn, account_id, statement, values, prepare=True)
        prepared.add(statement)
        return rows


async def _ask(
    conn: Connection, account_id: UUID, statement: LiteralString, values: Mapping[str, Value], *, prepare: bool
) -> list[TupleRow]:
    name, text, order = _numbered(statement)
    quoted: _Quoted = Escaping(conn.pgconn).escape_literal  # libpq's, which knows what the connection is set to
    words = [_literal(quoted, values[each]) for each in order]
    steps = [
        b"BEGIN READ ONLY",
        b"SET LOCAL stackly.account = " + _literal(quoted, account_id),
        b"EXECUTE " + name + (b"(" + b", ".join(words) + b")" if words else b""),
        b"COMMIT",
    ]
    if prepare:
        steps.insert(1, b"PREPARE " + name + b" AS " + text)
    async with conn.lock:
        results = await conn.wait(_sent(conn.pgconn, b"; ".join(steps)))
    for result in results:
        if result.status not in _GOOD:
            raise error_from_result(result, conn.info.encoding)
    rows = Transformer(conn)
    rows.set_pgresult(results[-2])
    return rows.load_rows(0, results[-2].ntuples, tuple)


def _sent(pgconn: PGconn, message: bytes) -> Generator[Any, Any, list[PGresult]]:
    pgconn.send_query(message)
    results: list[PGresult] = yield from execute(pgconn)
    return results


@lru_cache(maxsize=64)
def _numbered(statement: LiteralString) -> tuple[bytes, bytes, tuple[str, ...]]:
    """A statement's name, its text with `$1` for `%(name)s`, and the names in that order."""
    order = tuple(dict.fromkeys(_NAMED.findall(statement)))
    text = _NAMED.sub(lambda match: f"${order.index(match[1]) + 1}", statement).encode()
    return b"glance_" + hashlib.sha256(text).hexdigest()[:16].encode(), text, order


def _literal(quoted: _Quoted, value: Value) -> bytes:
    """A value as SQL text; it takes the type of the parameter that it is given for."""
    text = str(value)
    if "\0" in text:  # libpq would end the value there
        raise DataError("Postgres' text cannot hold NUL (0x00) bytes")
    return bytes(quoted(text.encode()))
