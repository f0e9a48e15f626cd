"""Every statement that reads events; they are written by the ledger."""

from psycopg.rows import class_row

from stackly_server.database import Connection
from stackly_server.events.model import Event, EventFilter

_COLUMNS = "sequence, type, subject, actor, facts, occurred_at"
_MATCHES = """
    (%(type)s = '' OR type = %(type)s OR starts_with(type, %(type)s || '.'))
    AND (%(subject)s = '' OR subject = %(subject)s)
"""


async def before(conn: Connection, sequence: int | None, matching: EventFilter, limit: int) -> list[Event]:
    """Newest first, older than `sequence`."""
    async with conn.cursor(row_factory=class_row(Event)) as cursor:
        await cursor.execute(
            f"""
            SELECT {_COLUMNS} FROM events
            WHERE (%(before)s::bigint IS NULL OR sequence < %(before)s) AND {_MATCHES}
            ORDER BY sequence DESC LIMIT %(limit)s
            """,  # noqa: S608
            {"before": sequence, "type": matching.type, "subject": matching.subject, "limit": limit},
        )
        return await cursor.fetchall()


async def after(conn: Connection, sequence: int, limit: int) -> list[Event]:
    """Oldest first, newer than `sequence`."""
    async with conn.cursor(row_factory=class_row(Event)) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} FROM events WHERE sequence > %s ORDER BY sequence LIMIT %s",  # noqa: S608
            (sequence, limit),
        )
        return await cursor.fetchall()


async def bounds(conn: Connection) -> tuple[int, int]:
    """The sequence of the oldest event kept (1 more than the newest when none is), and that of the newest."""
    cursor = await conn.execute(
        """
        SELECT coalesce((SELECT min(sequence) FROM events), h.event_sequence + 1), h.event_sequence
        FROM account_heads AS h
        """
    )
    row = await cursor.fetchone()
    return (row[0], row[1]) if row else (1, 0)
