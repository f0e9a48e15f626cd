"""SQL on runs, plans, approvals and selectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow, class_row, kwargs_row
from psycopg.types.json import Jsonb

from stackly_server.clock import uuid7
from stackly_server.runs.model import DONE, Approval, NewRun, Plan, Run, RunType, Status, Trigger, before

Connection = AsyncConnection[TupleRow]

_RUN = """id, stack_state_id, number, type, trigger, status, from_commit, to_commit, message, auto_apply, variables,
    secret_variables, creator, delivery_id, selector_hash, plan_number, plan_digest, expires_at, worker_id, error,
    suspects, status_times, cancel_force, log_size, version, done_at, created_at, updated_at, left_count, left_units"""
_PLAN = """run_id, number, digest, has_changes, summary, output_changes, engine, platform, commit_hash, tree_sha256,
    state_serial, state_lineage, plan_blob, plan_sha256, created_at"""
_WHOLE_PLAN = (
    f"{_PLAN}, units, whole_reasons, record_generations"  # units may be thousands: not where many plans are read
)
_APPROVAL = "member, groups, approved, plan_digest, commit_hash, serial, policies, comment, given_at"


def _run(**row: Any) -> Run:
    row["type"], row["trigger"], row["status"] = RunType(row["type"]), Trigger(row["trigger"]), Status(row["status"])
    return Run(**{**row, "suspects": tuple(row["suspects"])})


def _approval(**row: Any) -> Approval:
    return Approval(**{**row, "groups": tuple(row["groups"]), "policies": tuple(row["policies"])})


@dataclass(frozen=True, slots=True)
class Insert:
    """What a new run's row holds beside what was asked for."""

    id: UUID
    stack_state_id: UUID
    from_commit: str
    to_commit: str
    message: str
    creator: str
    selector_hash: str
    secret_variables: bytes | None


async def insert(conn: Connection, account_id: UUID, new: NewRun, row: Insert) -> Run:
    """A new run, with the next number of its stack state."""
    async with conn.cursor(row_factory=kwargs_row(_run)) as cursor:
        await cursor.execute(
            f"""
            WITH counted AS (
                UPDATE stack_states SET run_counter = run_counter + 1
                WHERE account_id = %(account)s AND id = %(state)s RETURNING run_counter
            )
            INSERT INTO runs (account_id, id, stack_state_id, number, type, trigger, status, from_commit, to_commit,
                message, auto_apply, variables, secret_variables, creator, delivery_id, selector_hash, status_times)
            SELECT %(account)s, %(id)s, %(state)s, run_counter, %(type)s, %(trigger)s, 'QUEUED', %(from)s, %(to)s,
                %(message)s, %(auto)s, %(variables)s, %(secrets)s, %(creator)s, %(delivery)s, %(selector)s,
                jsonb_build_object('queued', clock_timestamp())
            FROM counted
            RETURNING {_RUN}
            """,  # noqa: S608
            {
                "account": account_id,
                "id": row.id,
                "state": row.stack_state_id,
                "type": new.type.value,
                "trigger": new.trigger.value,
                "from": row.from_commit,
                "to": row.to_commit,
                "message": row.message,
                "auto": new.auto_apply,
                "variables": Jsonb(dict(new.variables or {})),
                "secrets": row.secret_variables,
                "creator": row.creator,
                "delivery": new.delivery_id,
                "selector": row.selector_hash,
            },
        )
        return _one(await cursor.fetchone())


async def step(conn: Connection, account_id: UUID, run_id: UUID, target: Status, **columns: Any) -> Run | None:
    """The one guarded step of a run's life: to `target`, from where it may come. None: it may not, or is no more.

    `columns`: plan_digest, expires_at (seconds from now), error, suspects, worker_id, cancel_reason, cancel_force,
    plan_number, left_count, left_units. Those not given stay as they are.
    """
    async with conn.cursor(row_factory=kwargs_row(_run)) as cursor:
        await cursor.execute(
            f"""
            UPDATE runs SET
                status = %(target)s,
                status_times = status_times || jsonb_build_object(lower(%(target)s), clock_timestamp()),
                done_at = CASE WHEN %(done)s THEN clock_timestamp() END,
                plan_number = coalesce(%(plan_number)s, plan_number),
                plan_digest = coalesce(%(plan_digest)s, plan_digest),
                expires_at = coalesce(clock_timestamp() + make_interval(secs => %(expires_at)s), expires_at),
                error = coalesce(%(error)s, error),
                suspects = coalesce(%(suspects)s, suspects),
                worker_id = coalesce(%(worker_id)s, worker_id),
                cancel_reason = coalesce(%(cancel_reason)s, cancel_reason),
                cancel_force = coalesce(%(cancel_force)s, cancel_force),
                left_count = coalesce(%(left_count)s, left_count),
                left_units = coalesce(%(left_units)s, left_units),
                version = version + 1, updated_at = clock_timestamp()
            WHERE account_id = %(account)s AND id = %(run)s AND status = ANY(%(from)s)
            RETURNING {_RUN}
            """,  # noqa: S608
            _columns(columns)
            | {
                "account": account_id,
                "run": run_id,
                "target": target.value,
                "from": before(target),
                "done": target in DONE,
            },
        )
        return await cursor.fetchone()


async def set_selector(conn: Connection, account_id: UUID, run_id: UUID, selector_hash: str) -> None:
    """What the run's next batch asks of its worker."""
    await conn.execute(
        "UPDATE runs SET selector_hash = %s WHERE account_id = %s AND id = %s", (selector_hash, account_id, run_id)
    )


def _columns(given: Mapping[str, Any]) -> dict[str, Any]:
    known = (
        "plan_number",
        "plan_digest",
        "expires_at",
        "error",
        "suspects",
        "worker_id",
        "cancel_reason",
        "cancel_force",
        "left_count",
        "left_units",
    )
    row: dict[str, Any] = {name: given.get(name) for name in known}
    documents = {name: Jsonb(row[name]) for name in ("error", "left_units") if row[name] is not None}
    return row | documents


async def force(conn: Connection, account_id: UUID, run_id: UUID) -> Run | None:
    """Marks a run that is being canceled: kill it when it does not stop."""
    async with conn.cursor(row_factory=kwargs_row(_run)) as cursor:
        await cursor.execute(
            f"""
            UPDATE runs SET cancel_force = true, version = version + 1, updated_at = clock_timestamp()
            WHERE account_id = %s AND id = %s AND status = 'CANCELING' AND NOT cancel_force RETURNING {_RUN}
            """,  # noqa: S608
            (account_id, run_id),
        )
        return await cursor.fetchone()


async def find(conn: Connection, account_id: UUID, stack_state_id: UUID, number: int) -> Run | None:
    """A run by its number."""
    async with conn.cursor(row_factory=kwargs_row(_run)) as cursor:
        await cursor.execute(
            f"SELECT {_RUN} FROM runs WHERE account_id = %s AND stack_state_id = %s AND number = %s",  # noqa: S608
            (account_id, stack_state_id, number),
        )
        return await cursor.fetchone()


async def get(conn: Connection, account_id: UUID, run_id: UUID, *, lock: bool = False) -> Run | None:
    """A run by its id; with `lock` its row is locked until the transaction ends."""
    async with conn.cursor(row_factory=kwargs_row(_run)) as cursor:
        await cursor.execute(
            f"SELECT {_RUN} FROM runs WHERE account_id = %s AND id = %s" + (" FOR UPDATE" if lock else ""),  # noqa: S608
            (account_id, run_id),
        )
        return await cursor.fetchone()


@dataclass(frozen=True, slots=True)
class Filter:
    """Which runs to list; None and "" ask for nothing. `before`: only runs older than this id."""

    stack_state_id: UUID | None = None
    status: str = ""
    to_commit: str = ""
    delivery_id: str = ""
    before: UUID | None = None


async def page(conn: Connection, account_id: UUID, wanted: Filter, limit: int) -> list[Run]:
    """Runs, newest first: ids are UUIDv7, so they sort by age."""
    async with conn.cursor(row_factory=kwargs_row(_run)) as cursor:
        await cursor.execute(
            f"""
            SELECT {_RUN} FROM runs
            WHERE account_id = %(account)s
                AND (%(state)s::uuid IS NULL OR stack_state_id = %(state)s)
                AND (%(status)s = '' OR status = %(status)s)
                AND (%(commit)s = '' OR to_commit = %(commit)s)
                AND (%(delivery)s = '' OR delivery_id = %(delivery)s)
                AND (%(before)s::uuid IS NULL OR id < %(before)s)
            ORDER BY id DESC LIMIT %(limit)s
            """,  # noqa: S608
            {
                "account": account_id,
                "state": wanted.stack_state_id,
                "status": wanted.status,
                "commit": wanted.to_commit,
                "delivery": wanted.delivery_id,
                "before": wanted.before,
                "limit": limit,
            },
        )
        return await cursor.fetchall()


async def changed_since(conn: Connection, account_id: UUID, wanted: Filter, since: Any, limit: int) -> list[Run]:
    """Runs that changed after a moment, oldest change first."""
    async with conn.cursor(row_factory=kwargs_row(_run)) as cursor:
        await cursor.execute(
            f"""
            SELECT {_RUN} FROM runs
            WHERE account_id = %(account)s AND updated_at > %(since)s
                AND (%(state)s::uuid IS NULL OR stack_state_id = %(state)s)
            ORDER BY updated_at, id LIMIT %(limit)s
            """,  # noqa: S608
            {"account": account_id, "state": wanted.stack_state_id, "since": since, "limit": limit},
        )
        return await cursor.fetchall()


async def queued_count(conn: Connection, account_id: UUID, stack_state_id: UUID) -> int:
    """How many runs of a stack state are not done."""
    cursor = await conn.execute(
        "SELECT count(*) FROM runs WHERE account_id = %s AND stack_state_id = %s AND done_at IS NULL",
        (account_id, stack_state_id),
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def open_runs(conn: Connection, account_id: UUID, stack_state_id: UUID, statuses: Sequence[Status]) -> list[Run]:
    """Runs of a stack state in these statuses, oldest first."""
    async with conn.cursor(row_factory=kwargs_row(_run)) as cursor:
        await cursor.execute(
            f"""
            SELECT {_RUN} FROM runs WHERE account_id = %s AND stack_state_id = %s AND done_at IS NULL
                AND status = ANY(%s) ORDER BY number
            """,  # noqa: S608
            (account_id, stack_state_id, [status.value for status in statuses]),
        )
        return await cursor.fetchall()


async def insert_plan(conn: Connection, account_id: UUID, plan: Plan) -> bool:
    """Records a plan; False when that number is recorded already."""
    cursor = await conn.execute(
        """
        INSERT INTO plans (account_id, run_id, number, digest, has_changes, summary, output_changes, engine, platform,
            commit_hash, tree_sha256, state_serial, state_lineage, plan_blob, plan_sha256, units, whole_reasons,
            record_generations)
        VALUES (%(account)s, %(run)s, %(number)s, %(digest)s, %(changes)s, %(summary)s, %(outputs)s, %(engine)s,
            %(platform)s, %(commit)s, %(tree)s, %(serial)s, %(lineage)s, %(blob)s, %(sha)s, %(units)s, %(whole)s,
            %(generations)s)
        ON CONFLICT (account_id, run_id, number) DO NOTHING
        """,
        {
            "account": account_id,
            "run": plan.run_id,
            "number": plan.number,
            "digest": plan.digest,
            "changes": plan.has_changes,
            "summary": Jsonb(dict(plan.summary)),
            "outputs": Jsonb([dict(item) for item in plan.output_changes]),
            "engine": plan.engine,
            "platform": plan.platform,
            "commit": plan.commit_hash,
            "tree": plan.tree_sha256,
            "serial": plan.state_serial,
            "lineage": plan.state_lineage,
            "blob": plan.plan_blob,
            "sha": plan.plan_sha256,
            "units": Jsonb([dict(item) for item in plan.units]),
            "whole": list(plan.whole_reasons),
            "generations": plan.record_generations,
        },
    )
    return cursor.rowcount == 1


async def insert_changes(
    conn: Connection, account_id: UUID, run_id: UUID, number: int, changes: Sequence[Mapping[str, Any]]
) -> None:
    """The masked changes of a plan, in order of address."""
    rows = [
        (account_id, run_id, number, position, change["address"], list(change["actions"]), Jsonb(dict(change)))
        for position, change in enumerate(changes)
    ]
    async with conn.cursor() as cursor:
        await cursor.executemany(
            """
            INSERT INTO resource_changes (account_id, run_id, plan_number, position, address, actions, change)
            VALUES (%s, %s, %s, %s, %s, %s, %s)
            """,
            rows,
        )


async def changes(
    conn: Connection, account_id: UUID, run_id: UUID, number: int, action: str, after: int, limit: int
) -> list[tuple[int, Mapping[str, Any]]]:
    """Position and masked change, from the one after `after` on."""
    cursor = await conn.execute(
        """
        SELECT position, change FROM resource_changes
        WHERE account_id = %(account)s AND run_id = %(run)s AND plan_number = %(number)s AND position > %(after)s
            AND (%(action)s = '' AND actions <> ARRAY['read'] AND actions <> ARRAY['no-op'] OR %(action)s = ANY(actions))
        ORDER BY position LIMIT %(limit)s
        """,
        {"account": account_id, "run": run_id, "number": number, "after": after, "action": action, "limit": limit},
    )
    return [(int(row[0]), row[1]) for row in await cursor.fetchall()]


async def plan(conn: Connection, account_id: UUID, run_id: UUID, number: int) -> Plan | None:
    """A recorded plan."""
    async with conn.cursor(row_factory=class_row(Plan)) as cursor:
        await cursor.execute(
            f"SELECT {_WHOLE_PLAN} FROM plans WHERE account_id = %s AND run_id = %s AND number = %s",  # noqa: S608
            (account_id, run_id, number),
        )
        return await cursor.fetchone()


async def planned_units(conn: Connection, account_id: UUID, run_id: UUID, number: int) -> list[str]:
    """The units that a plan does not skip; none of a plan of the whole root."""
    cursor = await conn.execute(
        """
        SELECT one ->> 'unit' FROM plans, jsonb_array_elements(units) AS one
        WHERE account_id = %s AND run_id = %s AND number = %s AND (one ->> 'run')::boolean
        """,
        (account_id, run_id, number),
    )
    return [row[0] for row in await cursor.fetchall()]


async def plans(conn: Connection, account_id: UUID, run_ids: Sequence[UUID]) -> dict[UUID, Plan]:
    """The newest recorded plan of each run, without its units."""
    async with conn.cursor(row_factory=class_row(Plan)) as cursor:
        await cursor.execute(
            f"""
            SELECT DISTINCT ON (run_id) {_PLAN} FROM plans WHERE account_id = %s AND run_id = ANY(%s)
            ORDER BY run_id, number DESC
            """,  # noqa: S608
            (account_id, list(run_ids)),
        )
        return {row.run_id: row for row in await cursor.fetchall()}


async def insert_approval(conn: Connection, account_id: UUID, run_id: UUID, approval: Approval) -> bool:
    """Records a word; False when the same member gave it on the same plan and policies before."""
    cursor = await conn.execute(
        """
        INSERT INTO approvals (account_id, id, run_id, member, groups, approved, plan_digest, commit_hash, serial,
            policies, comment)
        VALUES (%(account)s, %(id)s, %(run)s, %(member)s, %(groups)s, %(approved)s, %(digest)s, %(commit)s, %(serial)s,
            %(policies)s, %(comment)s)
        ON CONFLICT (account_id, run_id, member, plan_digest, policies) DO NOTHING
        """,
        {
            "account": account_id,
            "id": uuid7(),
            "run": run_id,
            "member": approval.member,
            "groups": list(approval.groups),
            "approved": approval.approved,
            "digest": approval.plan_digest,
            "commit": approval.commit_hash,
            "serial": approval.serial,
            "policies": list(approval.policies),
            "comment": approval.comment,
        },
    )
    return cursor.rowcount == 1


async def approvals(conn: Connection, account_id: UUID, run_ids: Sequence[UUID]) -> dict[UUID, list[Approval]]:
    """All words on runs, oldest first, by run."""
    cursor = await conn.execute(
        f"""
        SELECT run_id, {_APPROVAL} FROM approvals WHERE account_id = %s AND run_id = ANY(%s) ORDER BY given_at, id
        """,  # noqa: S608
        (account_id, list(run_ids)),
    )
    found: dict[UUID, list[Approval]] = {run_id: [] for run_id in run_ids}
    names = [column.strip() for column in _APPROVAL.split(",")]
    for row in await cursor.fetchall():
        found[row[0]].append(_approval(**dict(zip(names, row[1:], strict=True))))
    return found


async def due(conn: Connection, account_id: UUID) -> list[UUID]:
    """Runs whose request for approval has ended."""
    cursor = await conn.execute(
        "SELECT id FROM runs WHERE account_id = %s AND status = 'AWAITING_APPROVAL' AND expires_at < now()",
        (account_id,),
    )
    return [row[0] for row in await cursor.fetchall()]


async def asking(conn: Connection, account_id: UUID) -> list[UUID]:
    """Runs that wait for people."""
    cursor = await conn.execute(
        "SELECT id FROM runs WHERE account_id = %s AND status = 'AWAITING_APPROVAL' ORDER BY id", (account_id,)
    )
    return [row[0] for row in await cursor.fetchall()]


async def done_before(conn: Connection, account_id: UUID, run_ids: Sequence[UUID], seconds: int) -> set[UUID]:
    """Those of some runs that ended longer ago than that."""
    cursor = await conn.execute(
        """
        SELECT id FROM runs WHERE account_id = %s AND id = ANY(%s)
            AND done_at < clock_timestamp() - make_interval(secs => %s)
        """,
        (account_id, list(run_ids), seconds),
    )
    return {row[0] for row in await cursor.fetchall()}


async def waiting_states(conn: Connection, account_id: UUID) -> list[UUID]:
    """Stack states with a run that waits to apply."""
    cursor = await conn.execute(
        "SELECT DISTINCT stack_state_id FROM runs WHERE account_id = %s AND status = 'APPLY_QUEUED'", (account_id,)
    )
    return [row[0] for row in await cursor.fetchall()]


async def selector(conn: Connection, account_id: UUID, namespace_id: UUID, selector_hash: str) -> Mapping[str, Any]:
    """What a selector asks of a worker."""
    cursor = await conn.execute(
        "SELECT selector FROM selectors WHERE account_id = %s AND namespace_id = %s AND hash = %s",
        (account_id, namespace_id, selector_hash),
    )
    row = await cursor.fetchone()
    return row[0] if row else {}


def _one(row: Run | None) -> Run:
    if row is None:
        raise LookupError("the stack state of the new run is gone")
    return row


async def set_error(conn: Connection, account_id: UUID, run_id: UUID, error: Any) -> None:
    """Keeps why an apply failed, until all of its batches have ended."""
    await conn.execute(
        "UPDATE runs SET error = %s, version = version + 1, updated_at = clock_timestamp() WHERE account_id = %s AND id = %s",
        (Jsonb(error), account_id, run_id),
    )


async def add_suspects(conn: Connection, account_id: UUID, run_id: UUID, suspects: Sequence[str]) -> None:
    """Names resources whose change was begun and not confirmed, beside those named by other batches."""
    await conn.execute(
        "UPDATE runs SET suspects = ARRAY(SELECT DISTINCT unnest(suspects || %s::text[]) ORDER BY 1), version = version + 1, updated_at = clock_timestamp() WHERE account_id = %s AND id = %s",
        (list(suspects), account_id, run_id),
    )


async def set_worker(conn: Connection, account_id: UUID, run_id: UUID, worker_id: UUID) -> None:
    """Names the worker that has the run now."""
    await conn.execute(
        "UPDATE runs SET worker_id = %s, version = version + 1, updated_at = clock_timestamp() WHERE account_id = %s AND id = %s",
        (worker_id, account_id, run_id),
    )
