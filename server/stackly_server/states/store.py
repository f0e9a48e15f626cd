"""SQL on state heads, versions and the quarantine."""

from datetime import timedelta
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow, class_row

from stackly_server.clock import uuid7
from stackly_server.states.model import NewState, Refusal, StateHead, StateVersion

Connection = AsyncConnection[TupleRow]

_HEAD = """stack_state_id, hash_key, serial, lineage, resource_count,
    lock_id, lock_holder, lock_reason, lock_run_id, lock_epoch, locked_at, lock_expires_at"""
_VERSION = """stack_state_id, serial, lineage, received_sha256, sha256, size_bytes, terraform_version, manifest, slices, resource_count,
    run_id, epoch, created_at"""


async def insert_head(conn: Connection, account_id: UUID, stack_state_id: UUID, key: str, hash_key: bytes) -> None:
    """The head of a new stack state."""
    await conn.execute(
        "INSERT INTO state_heads (account_id, stack_state_id, tf_state_key, hash_key) VALUES (%s, %s, %s, %s)",
        (account_id, stack_state_id, key, hash_key),
    )


async def head(conn: Connection, account_id: UUID, stack_state_id: UUID, *, lock: bool = False) -> StateHead | None:
    """The head; with `lock` its row is locked until the transaction ends. An expired lock reads as none."""
    async with conn.cursor(row_factory=class_row(StateHead)) as cursor:
        await cursor.execute(
            f"SELECT {_HEAD} FROM state_heads WHERE account_id = %s AND stack_state_id = %s"  # noqa: S608
            + (" FOR UPDATE" if lock else ""),
            (account_id, stack_state_id),
        )
        return await cursor.fetchone()


async def heads(conn: Connection, account_id: UUID, ids: list[UUID]) -> dict[UUID, StateHead]:
    """The heads of many stack states."""
    async with conn.cursor(row_factory=class_row(StateHead)) as cursor:
        await cursor.execute(
            f"SELECT {_HEAD} FROM state_heads WHERE account_id = %s AND stack_state_id = ANY(%s)",  # noqa: S608
            (account_id, ids),
        )
        return {row.stack_state_id: row for row in await cursor.fetchall()}


async def acquire(
    conn: Connection,
    account_id: UUID,
    stack_state_id: UUID,
    *,
    holder: str,
    reason: str,
    run_id: UUID | None = None,
    ttl: timedelta | None = None,
) -> StateHead | None:
    """Takes the lock under a new epoch; None when another holds it."""
    async with conn.cursor(row_factory=class_row(StateHead)) as cursor:
        await cursor.execute(
            f"""
            UPDATE state_heads
            SET lock_id = %(id)s, lock_holder = %(holder)s, lock_reason = %(reason)s, lock_run_id = %(run)s,
                lock_epoch = lock_epoch + 1, locked_at = now(), lock_expires_at = now() + %(ttl)s
            WHERE account_id = %(account)s AND stack_state_id = %(state)s
                AND (lock_id IS NULL OR lock_expires_at < now())
            RETURNING {_HEAD}
            """,  # noqa: S608
            {
                "id": uuid7(),
                "holder": holder,
                "reason": reason,
                "run": run_id,
                "ttl": ttl,
                "account": account_id,
                "state": stack_state_id,
            },
        )
        return await cursor.fetchone()


async def fence(conn: Connection, account_id: UUID, stack_state_id: UUID, run_id: UUID) -> int | None:
    """Raises the epoch of the lock that a run holds, which shuts its earlier holder out; None when it holds none."""
    cursor = await conn.execute(
        """
        UPDATE state_heads SET lock_epoch = lock_epoch + 1
        WHERE account_id = %s AND stack_state_id = %s AND lock_run_id = %s RETURNING lock_epoch
        """,
        (account_id, stack_state_id, run_id),
    )
    row = await cursor.fetchone()
    return None if row is None else int(row[0])


async def run_locks(conn: Connection, account_id: UUID) -> list[tuple[UUID, UUID]]:
    """All locks of an account that runs hold: stack state and run."""
    cursor = await conn.execute(
        "SELECT stack_state_id, lock_run_id FROM state_heads WHERE account_id = %s AND lock_run_id IS NOT NULL",
        (account_id,),
    )
    return [(row[0], row[1]) for row in await cursor.fetchall()]


async def release(conn: Connection, account_id: UUID, stack_state_id: UUID, lock_id: UUID) -> bool:
    """Gives the lock back; False when it is another's. The epoch rises, so that late writes are refused."""
    cursor = await conn.execute(
        """
        UPDATE state_heads
        SET lock_id = NULL, lock_holder = NULL, lock_reason = NULL, lock_run_id = NULL, locked_at = NULL,
            lock_expires_at = NULL, lock_epoch = lock_epoch + 1
        WHERE account_id = %s AND stack_state_id = %s AND lock_id = %s
        """,
        (account_id, stack_state_id, lock_id),
    )
    return cursor.rowcount == 1


async def move(
    conn: Connection, account_id: UUID, new: NewState, resource_count: int, before: int | None = None
) -> bool:
    """Makes a new serial the current one, if the lock, its epoch, the lineage and the serial still allow it.

    With `before` only when that is the current one.
    """
    cursor = await conn.execute(
        """
        UPDATE state_heads SET serial = %(serial)s, lineage = %(lineage)s, resource_count = %(count)s
        WHERE account_id = %(account)s AND stack_state_id = %(state)s AND lock_run_id = %(run)s
            AND lock_epoch = %(epoch)s AND serial < %(serial)s AND (serial = 0 OR lineage = %(lineage)s)
            AND (%(before)s::bigint IS NULL OR serial = %(before)s)
        """,
        {
            "serial": new.serial,
            "lineage": new.lineage,
            "count": resource_count,
            "before": before,
            "account": account_id,
            "state": new.stack_state_id,
            "run": new.run_id,
            "epoch": new.epoch,
        },
    )
    return cursor.rowcount == 1


async def insert_version(conn: Connection, account_id: UUID, version: StateVersion) -> bool:
    """Stores a version; False when its serial is taken."""
    cursor = await conn.execute(
        """
        INSERT INTO state_versions (account_id, stack_state_id, serial, lineage, received_sha256, sha256, size_bytes, terraform_version,
            manifest, slices, resource_count, run_id, epoch)
        VALUES (%(account)s, %(stack_state_id)s, %(serial)s, %(lineage)s, %(received)s, %(sha256)s, %(size_bytes)s,
            %(terraform_version)s, %(manifest)s, %(slices)s, %(resource_count)s, %(run_id)s, %(epoch)s)
        ON CONFLICT (account_id, stack_state_id, serial) DO NOTHING
        """,
        {
            "account": account_id,
            "stack_state_id": version.stack_state_id,
            "serial": version.serial,
            "lineage": version.lineage,
            "received": version.received_sha256,
            "sha256": version.sha256,
            "size_bytes": version.size_bytes,
            "terraform_version": version.terraform_version,
            "manifest": version.manifest,
            "slices": list(version.slices),
            "resource_count": version.resource_count,
            "run_id": version.run_id,
            "epoch": version.epoch,
        },
    )
    return cursor.rowcount == 1


async def version(conn: Connection, account_id: UUID, stack_state_id: UUID, serial: int) -> StateVersion | None:
    """One stored serial."""
    async with conn.cursor(row_factory=class_row(StateVersion)) as cursor:
        await cursor.execute(
            f"SELECT {_VERSION} FROM state_versions WHERE account_id = %s AND stack_state_id = %s AND serial = %s",  # noqa: S608
            (account_id, stack_state_id, serial),
        )
        return await cursor.fetchone()


async def held(conn: Connection, account_id: UUID, new: NewState, *, lock: bool = False) -> bool:
    """Whether the batch of a write's fence is held under its epoch; a plain read of a higher room's table.

    With `lock` it stays so until the transaction ends.
    """
    fence = new.fence
    if fence is None:
        return False
    cursor = await conn.execute(
        f"""
        SELECT 1 FROM run_batches WHERE account_id = %s AND run_id = %s AND plan_number = %s AND phase = %s
            AND batch = %s AND epoch = %s AND status = 'RUNNING' {"FOR SHARE" if lock else ""}
        """,  # noqa: S608
        (account_id, new.run_id, fence.plan_number, fence.phase, fence.batch, fence.epoch),
    )
    return await cursor.fetchone() is not None


async def taken(conn: Connection, account_id: UUID, new: NewState) -> int | None:
    """The serial that slices got when they were taken before, by the run that sends them again."""
    cursor = await conn.execute(
        """
        SELECT serial FROM state_versions WHERE account_id = %s AND stack_state_id = %s AND serial > %s
            AND run_id = %s AND received_sha256 = %s ORDER BY serial LIMIT 1
        """,
        (account_id, new.stack_state_id, new.serial, new.run_id, new.sha256),
    )
    row = await cursor.fetchone()
    return None if row is None else int(row[0])


async def versions(
    conn: Connection, account_id: UUID, stack_state_id: UUID, before: int | None, limit: int
) -> list[StateVersion]:
    """Stored serials below `before`, newest first."""
    async with conn.cursor(row_factory=class_row(StateVersion)) as cursor:
        await cursor.execute(
            f"""
            SELECT {_VERSION} FROM state_versions
            WHERE account_id = %(account)s AND stack_state_id = %(state)s
                AND (%(before)s::bigint IS NULL OR serial < %(before)s)
            ORDER BY serial DESC LIMIT %(limit)s
            """,  # noqa: S608
            {"account": account_id, "state": stack_state_id, "before": before, "limit": limit},
        )
        return await cursor.fetchall()


async def quarantine(
    conn: Connection, account_id: UUID, new: NewState, size_bytes: int, blob: str, reason: Refusal
) -> None:
    """Keeps a refused state on record; the same bytes under the same epoch once."""
    await conn.execute(
        """
        INSERT INTO state_quarantine
            (account_id, id, stack_state_id, run_id, epoch, serial, lineage, sha256, size_bytes, blob, reason)
        VALUES (%(account)s, %(id)s, %(state)s, %(run)s, %(epoch)s, %(serial)s, %(lineage)s, %(sha256)s, %(size)s,
            %(blob)s, %(reason)s)
        ON CONFLICT (account_id, stack_state_id, sha256, epoch) DO NOTHING
        """,
        {
            "account": account_id,
            "id": uuid7(),
            "state": new.stack_state_id,
            "run": new.run_id,
            "epoch": new.epoch,
            "serial": new.serial,
            "lineage": new.lineage,
            "sha256": new.sha256,
            "size": size_bytes,
            "blob": blob,
            "reason": reason.name,
        },
    )


async def run_numbers(conn: Connection, ids: list[UUID]) -> dict[UUID, int]:
    """The numbers of runs, for their resource names; a plain read of a higher room's table."""
    cursor = await conn.execute("SELECT id, number FROM runs WHERE id = ANY(%s)", (ids,))
    return dict(await cursor.fetchall())
