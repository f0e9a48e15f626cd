"""SQL on log chunks. The size of a log stands in its run, so that appends are guarded by it."""

from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow, class_row

from stackly_server.errors import Conflict
from stackly_server.logs.model import Chunk

Connection = AsyncConnection[TupleRow]


async def size(conn: Connection, account_id: UUID, run_id: UUID) -> int | None:
    """How long the log is; None when there is no such run."""
    cursor = await conn.execute("SELECT log_size FROM runs WHERE account_id = %s AND id = %s", (account_id, run_id))
    row = await cursor.fetchone()
    return None if row is None else int(row[0])


async def append(conn: Connection, account_id: UUID, run_id: UUID, chunk: Chunk) -> bool:
    """Appends at the end; False when the log has grown meanwhile."""
    cursor = await conn.execute(
        """
        WITH grown AS (
            UPDATE runs SET log_size = log_size + %(size)s
            WHERE account_id = %(account)s AND id = %(run)s AND log_size = %(offset)s
            RETURNING id
        )
        INSERT INTO log_chunks (account_id, run_id, log_offset, size, step, sealed)
        SELECT %(account)s, id, %(offset)s, %(size)s, %(step)s, %(sealed)s FROM grown
        """,
        {
            "account": account_id,
            "run": run_id,
            "offset": chunk.log_offset,
            "size": chunk.size,
            "step": chunk.step,
            "sealed": chunk.sealed,
        },
    )
    return cursor.rowcount == 1


async def chunks(conn: Connection, account_id: UUID, run_id: UUID, offset: int, limit: int) -> list[Chunk]:
    """The chunks from the one that holds `offset` on, in order."""
    async with conn.cursor(row_factory=class_row(Chunk)) as cursor:
        await cursor.execute(
            """
            SELECT log_offset, size, step, sealed, blob, received_at FROM log_chunks
            WHERE account_id = %(account)s AND run_id = %(run)s AND log_offset + size > %(offset)s
            ORDER BY log_offset LIMIT %(limit)s
            """,
            {"account": account_id, "run": run_id, "offset": offset, "limit": limit},
        )
        return await cursor.fetchall()


async def ended(conn: Connection, account_id: UUID, limit: int) -> list[UUID]:
    """Runs that ended a while ago and whose logs still lie in rows."""
    cursor = await conn.execute(
        """
        SELECT DISTINCT r.id FROM runs r JOIN log_chunks c ON c.account_id = r.account_id AND c.run_id = r.id
        WHERE r.account_id = %s AND r.done_at < now() - interval '1 minute' AND c.blob IS NULL LIMIT %s
        """,
        (account_id, limit),
    )
    return [row[0] for row in await cursor.fetchall()]


async def rows(conn: Connection, account_id: UUID, run_id: UUID, limit: int) -> list[Chunk]:
    """The first chunks of a run that still lie in rows, in order."""
    async with conn.cursor(row_factory=class_row(Chunk)) as cursor:
        await cursor.execute(
            """
            SELECT log_offset, size, step, sealed, blob, received_at FROM log_chunks
            WHERE account_id = %s AND run_id = %s AND blob IS NULL ORDER BY log_offset LIMIT %s
            """,
            (account_id, run_id, limit),
        )
        return await cursor.fetchall()


async def replace(conn: Connection, account_id: UUID, run_id: UUID, old: list[int], chunk: Chunk) -> None:
    """Puts one chunk in the place of several, if they are all still there."""
    cursor = await conn.execute(
        "DELETE FROM log_chunks WHERE account_id = %s AND run_id = %s AND blob IS NULL AND log_offset = ANY(%s)",
        (account_id, run_id, old),
    )
    if cursor.rowcount != len(old):
        raise Conflict("CONCURRENT_CHANGE", "Somebody else moves this log.")
    await conn.execute(
        """
        INSERT INTO log_chunks (account_id, run_id, log_offset, size, step, blob, received_at)
        VALUES (%(account)s, %(run)s, %(offset)s, %(size)s, %(step)s, %(blob)s, %(at)s)
        """,
        {
            "account": account_id,
            "run": run_id,
            "offset": chunk.log_offset,
            "size": chunk.size,
            "step": chunk.step,
            "blob": chunk.blob,
            "at": chunk.received_at,
        },
    )
