"""SQL on batches: who works on what, under which epoch, until when."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow, kwargs_row

from stackly_server.access import Batch
from stackly_server.database import Database
from stackly_server.runs.model import BatchRow, BatchStatus, Outcome, Phase, Run

Connection = AsyncConnection[TupleRow]

_BATCH = """run_id, plan_number, phase, batch, slices, status, task_queue, nonce, worker_id, epoch,
    coalesce(lease_expires_at > clock_timestamp(), false) AS lease_live, start_token, apply_started_at, outcome,
    started_at, finished_at, uncovered"""
_KEY = "account_id = %(account)s AND run_id = %(run)s AND plan_number = %(number)s AND phase = %(phase)s AND batch = %(batch)s"

_STATUSES = {
    Outcome.SUCCEEDED: "SUCCEEDED", Outcome.PARTIAL: "SUCCEEDED", Outcome.GONE: "CANCELED", Outcome.STALE: "CANCELED",
}  # fmt: skip


def _batch(**row: Any) -> BatchRow:
    row["phase"], row["status"] = Phase(row["phase"]), BatchStatus(row["status"])
    return BatchRow(**{**row, "slices": tuple(row["slices"]), "uncovered": tuple(row["uncovered"])})


def _key(account_id: UUID, batch: BatchRow, **more: Any) -> dict[str, Any]:
    return {
        "account": account_id,
        "run": batch.run_id,
        "number": batch.plan_number,
        "phase": batch.phase.value,
        "batch": batch.batch,
    } | more


async def insert(conn: Connection, account_id: UUID, batch: BatchRow) -> None:
    """A new batch, waiting for a worker."""
    await conn.execute(
        """
        INSERT INTO run_batches (account_id, run_id, plan_number, phase, batch, slices, status, task_queue, nonce)
        VALUES (%(account)s, %(run)s, %(number)s, %(phase)s, %(batch)s, %(slices)s, 'QUEUED', %(queue)s, %(nonce)s)
        """,
        _key(account_id, batch, slices=list(batch.slices), queue=batch.task_queue, nonce=batch.nonce),
    )


async def find(
    conn: Connection, account_id: UUID, run_id: UUID, number: int, phase: Phase, batch: str, *, lock: bool = False
) -> BatchRow | None:
    """One batch; with `lock` its row is locked until the transaction ends."""
    async with conn.cursor(row_factory=kwargs_row(_batch)) as cursor:
        await cursor.execute(
            f"SELECT {_BATCH} FROM run_batches WHERE {_KEY}" + (" FOR UPDATE" if lock else ""),  # noqa: S608
            {"account": account_id, "run": run_id, "number": number, "phase": phase.value, "batch": batch},
        )
        return await cursor.fetchone()


async def of_run(conn: Connection, account_id: UUID, run_id: UUID) -> list[BatchRow]:
    """All batches of a run, in order."""
    async with conn.cursor(row_factory=kwargs_row(_batch)) as cursor:
        await cursor.execute(
            f"""
            SELECT {_BATCH} FROM run_batches WHERE account_id = %s AND run_id = %s
            ORDER BY plan_number, phase DESC, batch
            """,  # noqa: S608
            (account_id, run_id),
        )
        return await cursor.fetchall()


async def insert_token(conn: Connection, account_id: UUID, batch: BatchRow, token_hash: bytes) -> None:
    """Makes a token good for a batch under its present epoch and worker."""
    await conn.execute(
        """
        INSERT INTO run_tokens (account_id, token_hash, run_id, plan_number, phase, batch, epoch, worker_id)
        VALUES (%(account)s, %(token)s, %(run)s, %(number)s, %(phase)s, %(batch)s, %(epoch)s, %(worker)s)
        """,
        _key(account_id, batch, token=token_hash, epoch=batch.epoch, worker=batch.worker_id),
    )


async def by_token(conn: Connection, account_id: UUID, token_hash: bytes) -> tuple[Batch, UUID] | None:
    """The batch that a run token stands for, under the epoch that it was given for; and its worker then."""
    cursor = await conn.execute(
        """
        SELECT run_id, plan_number, phase, batch, epoch, worker_id FROM run_tokens
        WHERE account_id = %s AND token_hash = %s
        """,
        (account_id, token_hash),
    )
    row = await cursor.fetchone()
    return None if row is None else (Batch(*row[:5]), row[5])


async def stack_state_of(db: Database, account_id: UUID, run_id: UUID) -> UUID | None:
    """The stack state of a run, in one trip."""
    statement = "SELECT stack_state_id FROM runs WHERE account_id = %(account)s AND id = %(run)s"
    rows = await db.glance(account_id, statement, {"account": account_id, "run": run_id})
    return rows[0][0] if rows else None


async def claim(
    conn: Connection, account_id: UUID, batch: BatchRow, *, worker_id: UUID, epoch: int, lease: int
) -> BatchRow | None:
    """Gives a batch to a worker under a new epoch, if it is as it was read. None: somebody was faster."""
    async with conn.cursor(row_factory=kwargs_row(_batch)) as cursor:
        await cursor.execute(
            f"""
            UPDATE run_batches SET status = 'RUNNING', worker_id = %(worker)s, epoch = %(epoch)s,
                lease_expires_at = clock_timestamp() + make_interval(secs => %(lease)s),
                started_at = coalesce(started_at, clock_timestamp())
            WHERE {_KEY} AND status IN ('QUEUED', 'RUNNING') AND epoch = %(before)s
            RETURNING {_BATCH}
            """,  # noqa: S608
            _key(account_id, batch, worker=worker_id, epoch=epoch, lease=lease, before=batch.epoch),
        )
        return await cursor.fetchone()


async def requeue(conn: Connection, account_id: UUID, batch: BatchRow, nonce: str) -> bool:
    """Takes a batch from a silent worker: a new nonce, a new epoch; never one whose apply began."""
    cursor = await conn.execute(
        f"""
        UPDATE run_batches SET status = 'QUEUED', worker_id = NULL, lease_expires_at = NULL,
            epoch = epoch + 1, nonce = %(nonce)s
        WHERE {_KEY} AND status IN ('QUEUED', 'RUNNING') AND epoch = %(before)s AND apply_started_at IS NULL
        """,  # noqa: S608
        _key(account_id, batch, nonce=nonce, before=batch.epoch),
    )
    return cursor.rowcount == 1


async def renew(conn: Connection, account_id: UUID, batch: BatchRow, lease: int) -> Any:
    """Renews the lease under the batch's epoch and gives its new end; None when it was lost."""
    cursor = await conn.execute(
        f"""
        UPDATE run_batches SET lease_expires_at = clock_timestamp() + make_interval(secs => %(lease)s)
        WHERE {_KEY} AND status = 'RUNNING' AND epoch = %(epoch)s RETURNING lease_expires_at
        """,  # noqa: S608
        _key(account_id, batch, lease=lease, epoch=batch.epoch),
    )
    row = await cursor.fetchone()
    return row[0] if row else None


async def start(conn: Connection, account_id: UUID, batch: BatchRow, start_token: UUID) -> bool:
    """Commits that an apply begins, once; True again for the same start token and epoch."""
    cursor = await conn.execute(
        f"""
        UPDATE run_batches
        SET start_token = %(token)s, apply_started_at = coalesce(apply_started_at, clock_timestamp())
        WHERE {_KEY} AND phase = 'APPLY' AND status = 'RUNNING' AND epoch = %(epoch)s
            AND (start_token IS NULL OR start_token = %(token)s)
        """,  # noqa: S608
        _key(account_id, batch, token=start_token, epoch=batch.epoch),
    )
    return cursor.rowcount == 1


async def bar(conn: Connection, account_id: UUID, batch: BatchRow, units: Sequence[str]) -> bool:
    """Notes units that the approved plan does not cover; False when they all were noted before."""
    cursor = await conn.execute(
        f"""
        UPDATE run_batches SET uncovered = uncovered || %(units)s::text[]
        WHERE {_KEY} AND status = 'RUNNING' AND epoch = %(epoch)s AND NOT uncovered @> %(units)s::text[]
        """,  # noqa: S608
        _key(account_id, batch, units=list(units), epoch=batch.epoch),
    )
    return cursor.rowcount == 1


async def finish(conn: Connection, account_id: UUID, batch: BatchRow, outcome: Outcome, exit_code: int) -> bool:
    """Ends a batch under its epoch; False when it has ended, or is another's."""
    status = _STATUSES.get(outcome, "FAILED")
    cursor = await conn.execute(
        f"""
        UPDATE run_batches SET status = %(status)s, outcome = %(outcome)s, exit_code = %(code)s,
            finished_at = clock_timestamp()
        WHERE {_KEY} AND status IN ('QUEUED', 'RUNNING') AND epoch = %(epoch)s
        """,  # noqa: S608
        _key(account_id, batch, status=status, outcome=outcome.value, code=exit_code, epoch=batch.epoch),
    )
    return cursor.rowcount == 1


async def stale_in_a_row(conn: Connection, account_id: UUID, run_id: UUID) -> int:
    """How many applies of a run were stale since the last one that began."""
    cursor = await conn.execute(
        """
        SELECT count(*) FROM run_batches AS b
        WHERE account_id = %(account)s AND run_id = %(run)s AND outcome = 'STALE' AND NOT EXISTS (
            SELECT FROM run_batches AS begun WHERE begun.account_id = b.account_id AND begun.run_id = b.run_id
                AND begun.apply_started_at IS NOT NULL AND begun.plan_number > b.plan_number
        )
        """,
        {"account": account_id, "run": run_id},
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def others_began(conn: Connection, account_id: UUID, run: Run) -> bool:
    """Whether applies of other runs of the stack state began since the one by which this run was applied in part."""
    cursor = await conn.execute(
        """
        SELECT EXISTS (
            SELECT FROM runs AS r JOIN run_batches AS b ON b.account_id = r.account_id AND b.run_id = r.id
            WHERE r.account_id = %(account)s AND r.stack_state_id = %(state)s AND r.id <> %(run)s
                AND b.apply_started_at > (
                    SELECT max(finished_at) FROM run_batches
                    WHERE account_id = %(account)s AND run_id = %(run)s AND outcome = 'PARTIAL' AND plan_number < %(number)s
                )
        )
        """,
        {"account": account_id, "state": run.stack_state_id, "run": run.id, "number": run.plan_number},
    )
    row = await cursor.fetchone()
    return bool(row and row[0])


async def late(conn: Connection, account_id: UUID, seconds: int) -> list[BatchRow]:
    """At most 1000 open batches of runs that go on, older than that, oldest first."""
    return await _of_runs(conn, account_id, seconds, "r.done_at IS NULL AND b.created_at < before.moment")


async def left_open(conn: Connection, account_id: UUID, seconds: int) -> list[BatchRow]:
    """At most 1000 open batches that nobody holds, of runs that ended longer ago than that."""
    over = "r.done_at < before.moment AND coalesce(b.lease_expires_at < before.moment, true)"
    return await _of_runs(conn, account_id, seconds, over)


async def lately_open(
    conn: Connection, account_id: UUID, run_ids: Sequence[UUID], seconds: int
) -> set[tuple[UUID, Phase, int]]:
    """Run, phase and plan number of those batches of some runs that have not ended, or not longer ago than that."""
    cursor = await conn.execute(
        """
        SELECT run_id, phase, plan_number FROM run_batches WHERE account_id = %s AND run_id = ANY(%s)
            AND (finished_at IS NULL OR finished_at > clock_timestamp() - make_interval(secs => %s))
        """,
        (account_id, list(run_ids), seconds),
    )
    return {(row[0], Phase(row[1]), row[2]) for row in await cursor.fetchall()}


async def _of_runs(conn: Connection, account_id: UUID, seconds: int, condition: str) -> list[BatchRow]:
    async with conn.cursor(row_factory=kwargs_row(_batch)) as cursor:
        await cursor.execute(
            f"""
            WITH before AS (SELECT clock_timestamp() - make_interval(secs => %(seconds)s) AS moment),
            found AS (
                SELECT b.* FROM run_batches AS b JOIN runs AS r ON r.account_id = b.account_id AND r.id = b.run_id, before
                WHERE b.account_id = %(account)s AND b.finished_at IS NULL AND {condition}
                ORDER BY b.created_at LIMIT 1000
            )
            SELECT {_BATCH} FROM found ORDER BY created_at
            """,  # noqa: S608
            {"account": account_id, "seconds": seconds},
        )
        return await cursor.fetchall()


async def load(conn: Connection, account_id: UUID) -> dict[UUID, int]:
    """How many batches each worker of an account has at the moment; those that have none are left out."""
    cursor = await conn.execute(
        """
        SELECT worker_id, count(*) FROM run_batches
        WHERE account_id = %s AND status = 'RUNNING' AND worker_id IS NOT NULL GROUP BY worker_id
        """,
        (account_id,),
    )
    return {row[0]: int(row[1]) for row in await cursor.fetchall()}


async def drop_open(conn: Connection, account_id: UUID, run_id: UUID) -> None:
    """Ends all batches of a run that no worker has begun: their tasks find nothing to claim."""
    await conn.execute(
        """
        UPDATE run_batches SET status = 'CANCELED', finished_at = clock_timestamp()
        WHERE account_id = %s AND run_id = %s AND status = 'QUEUED'
        """,
        (account_id, run_id),
    )


async def serving_since(conn: Connection, program: str) -> datetime | None:
    """Since when a program listens to Postgres; None while none does. It sees connections of its own role."""
    cursor = await conn.execute(
        """
        SELECT min(backend_start) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = current_user AND application_name = %s
        """,
        (program,),
    )
    row = await cursor.fetchone()
    return row[0] if row else None
