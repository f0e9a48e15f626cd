"""SQL on the records of units. A cleared row stays: its generation tells it from what was there before."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow, class_row

from stackly_server.states.model import RecordRow

Connection = AsyncConnection[TupleRow]

_ROW = "unit, generation, record, exports"


async def rows(
    conn: Connection, account_id: UUID, stack_state_id: UUID, units: Sequence[str] | None = None
) -> list[RecordRow]:
    """The rows of some units, or of all, by unit."""
    async with conn.cursor(row_factory=class_row(RecordRow)) as cursor:
        await cursor.execute(
            f"""
            SELECT {_ROW} FROM unit_records
            WHERE account_id = %(account)s AND stack_state_id = %(state)s
                AND (%(units)s::text[] IS NULL OR unit = ANY(%(units)s))
            ORDER BY unit
            """,  # noqa: S608
            {"account": account_id, "state": stack_state_id, "units": None if units is None else list(units)},
        )
        return await cursor.fetchall()


async def clear(conn: Connection, account_id: UUID, stack_state_id: UUID, units: Collection[str]) -> None:
    """Clears units; one that has no row gets an empty one, which may then be written."""
    await conn.execute(
        """
        INSERT INTO unit_records AS known (account_id, stack_state_id, unit, generation)
        SELECT %(account)s, %(state)s, unit, 1 FROM unnest(%(units)s::text[]) AS named (unit) ORDER BY unit
        ON CONFLICT (account_id, stack_state_id, unit) DO UPDATE
        SET generation = known.generation + 1, record = NULL, updated_at = clock_timestamp()
        """,
        {"account": account_id, "state": stack_state_id, "units": sorted(set(units))},
    )


async def clear_all(conn: Connection, account_id: UUID, stack_state_id: UUID) -> None:
    """Clears every unit of a stack state."""
    await conn.execute(
        """
        UPDATE unit_records SET generation = generation + 1, record = NULL, updated_at = clock_timestamp()
        WHERE account_id = %s AND stack_state_id = %s
        """,
        (account_id, stack_state_id),
    )


async def write(conn: Connection, account_id: UUID, stack_state_id: UUID, new: Sequence[RecordRow]) -> int:
    """Writes into cleared rows whose generation is one less; gives how many took it."""
    cursor = await conn.execute(
        """
        UPDATE unit_records AS known
        SET generation = new.generation, record = new.record, exports = new.exports, updated_at = clock_timestamp()
        FROM unnest(%(units)s::text[], %(generations)s::bigint[], %(records)s::bytea[], %(exports)s::bytea[])
            AS new (unit, generation, record, exports)
        WHERE known.account_id = %(account)s AND known.stack_state_id = %(state)s AND known.unit = new.unit
            AND known.generation = new.generation - 1 AND known.record IS NULL
        """,
        _columns(account_id, stack_state_id, new),
    )
    return cursor.rowcount


async def replace(conn: Connection, account_id: UUID, stack_state_id: UUID, new: Sequence[RecordRow]) -> int:
    """Clears and writes in one: over rows whose generation is two less (none: 0); gives how many took it."""
    cursor = await conn.execute(
        """
        INSERT INTO unit_records AS known (account_id, stack_state_id, unit, generation, record, exports)
        SELECT %(account)s, %(state)s, new.unit, new.generation, new.record, new.exports
        FROM unnest(%(units)s::text[], %(generations)s::bigint[], %(records)s::bytea[], %(exports)s::bytea[])
            AS new (unit, generation, record, exports)
        LEFT JOIN unit_records AS old
            ON old.account_id = %(account)s AND old.stack_state_id = %(state)s AND old.unit = new.unit
        WHERE coalesce(old.generation, 0) = new.generation - 2
        ORDER BY new.unit
        ON CONFLICT (account_id, stack_state_id, unit) DO UPDATE
        SET generation = excluded.generation, record = excluded.record, exports = excluded.exports,
            updated_at = clock_timestamp()
        WHERE known.generation = excluded.generation - 2
        """,
        _columns(account_id, stack_state_id, new),
    )
    return cursor.rowcount


async def generations(conn: Connection, account_id: UUID, stack_state_id: UUID) -> int:
    """The sum of all generations: another one after each clearing and each writing."""
    cursor = await conn.execute(
        "SELECT coalesce(sum(generation), 0) FROM unit_records WHERE account_id = %s AND stack_state_id = %s",
        (account_id, stack_state_id),
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def size(conn: Connection, account_id: UUID, stack_state_id: UUID) -> int:
    """Bytes that all records and exports of a stack state take, sealed."""
    cursor = await conn.execute(
        """
        SELECT coalesce(sum(coalesce(octet_length(record), 0) + coalesce(octet_length(exports), 0)), 0)
        FROM unit_records WHERE account_id = %s AND stack_state_id = %s
        """,
        (account_id, stack_state_id),
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


def _columns(account_id: UUID, stack_state_id: UUID, new: Sequence[RecordRow]) -> dict[str, Any]:
    return {
        "account": account_id,
        "state": stack_state_id,
        "units": [row.unit for row in new],
        "generations": [row.generation for row in new],
        "records": [row.record for row in new],
        "exports": [row.exports for row in new],
    }
