"""The outbox: lines that must be told to others after the commit. Claimed by lease, so that relays may compete.

Within a key, lines leave in their order: one that was due and is not yet told holds back those after it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from stackly_server.database import Connection, Transaction

_ERROR_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Claim:
    """A line that is ours until the lease ends. `attempts` counts this one too, and tells this claim from later ones."""

    account_id: UUID
    id: UUID
    kind: str
    key: str
    payload: Mapping[str, Any]
    attempts: int


async def claim(conn: Connection, kinds: Sequence[str], limit: int, lease_seconds: float) -> list[Claim]:
    """Takes lines that are due, oldest first; those of unknown kinds stay for a relay that knows them."""
    cursor = conn.cursor(row_factory=class_row(Claim))
    await cursor.execute(
        """
        WITH due AS (
            SELECT account_id, id FROM outbox AS line
            WHERE done_at IS NULL AND dead_at IS NULL AND due_at <= clock_timestamp()
              AND (claimed_until IS NULL OR claimed_until < clock_timestamp()) AND kind = ANY(%(kinds)s)
              AND NOT EXISTS (
                SELECT FROM outbox AS earlier
                WHERE earlier.account_id = line.account_id AND earlier.key = line.key AND earlier.id < line.id
                  AND earlier.done_at IS NULL AND earlier.dead_at IS NULL
                  AND (earlier.attempts > 0 OR earlier.due_at <= clock_timestamp()))
            ORDER BY due_at LIMIT %(limit)s
            FOR UPDATE SKIP LOCKED
        )
        UPDATE outbox SET claimed_until = clock_timestamp() + make_interval(secs => %(lease)s), attempts = attempts + 1
        FROM due WHERE outbox.account_id = due.account_id AND outbox.id = due.id
        RETURNING outbox.account_id, outbox.id, kind, key, payload, attempts
        """,
        {"kinds": list(kinds), "limit": limit, "lease": lease_seconds},
    )
    return await cursor.fetchall()


async def done(conn: Connection, line: Claim) -> None:
    """Marks a line as told. A second relay that took it meanwhile loses nothing: it is told at least once."""
    await conn.execute(
        "UPDATE outbox SET done_at = clock_timestamp(), last_error = NULL WHERE account_id = %s AND id = %s",
        (line.account_id, line.id),
    )


async def again(conn: Connection, line: Claim, error: str, delay: float) -> None:
    """Gives a line back, due in `delay` seconds; nothing happens when another relay has it by now."""
    await conn.execute(
        """
        UPDATE outbox
        SET claimed_until = NULL, last_error = %(error)s, due_at = clock_timestamp() + make_interval(secs => %(delay)s)
        WHERE account_id = %(account)s AND id = %(id)s AND attempts = %(attempts)s AND done_at IS NULL
        """,
        _facts(line, error) | {"delay": delay},
    )


async def bury(tx: Transaction, line: Claim, error: str) -> None:
    """Gives a line up, and says so in an event `outbox.abandoned`; it no longer holds back those after it."""
    cursor = await tx.conn.execute(
        """
        UPDATE outbox SET dead_at = clock_timestamp(), claimed_until = NULL, last_error = %(error)s
        WHERE account_id = %(account)s AND id = %(id)s AND attempts = %(attempts)s AND done_at IS NULL
        RETURNING (SELECT name FROM accounts WHERE account_id = %(account)s)
        """,
        _facts(line, error),
    )
    row = await cursor.fetchone()
    if row is not None:
        tx.tell("outbox.abandoned", f"accounts/{row[0]}", line=line.kind, key=line.key, attempts=str(line.attempts))
        tx.wake("outbox")


async def waits(conn: Connection, kind: str, key: str) -> bool:
    """Whether a line of the tenant is still to be told: another one would say the same."""
    cursor = await conn.execute(
        "SELECT FROM outbox WHERE kind = %s AND key = %s AND done_at IS NULL AND dead_at IS NULL LIMIT 1", (kind, key)
    )
    return await cursor.fetchone() is not None


async def late(conn: Connection, seconds: float) -> int:
    """How many lines are due for that long and not yet told: zero unless something is wrong."""
    cursor = await conn.execute(
        """
        SELECT count(*) FROM outbox
        WHERE done_at IS NULL AND dead_at IS NULL AND due_at < clock_timestamp() - make_interval(secs => %s)
        """,
        (seconds,),
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def forget(conn: Connection, seconds: float) -> int:
    """Deletes lines that were told that long ago; those given up stay."""
    cursor = await conn.execute(
        "DELETE FROM outbox WHERE done_at < clock_timestamp() - make_interval(secs => %s)", (seconds,)
    )
    return cursor.rowcount


def _facts(line: Claim, error: str) -> dict[str, Any]:
    return {
        "account": line.account_id,
        "id": line.id,
        "attempts": line.attempts,
        "error": error[:_ERROR_CHARACTERS],
    }
