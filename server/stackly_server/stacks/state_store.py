"""Every statement about stack states. Each step of their life is one guarded UPDATE."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from stackly_server.clock import uuid7
from stackly_server.database import Connection
from stackly_server.limits import UNDELETE_DAYS
from stackly_server.stacks.model import StackState

_STATE = """id, name, namespace_id, stack_code_id, state_block, commit_hash, desired_commit, environment, labels,
    variables, secret_variables, auto_deploy, status, last_run_failed, history_mismatch, last_applied_run_id, version,
    deleted_at, purge_at, created_at, updated_at, suspended_build"""
_TOUCHED = "version = version + 1, updated_at = now()"


async def namespace_id(conn: Connection, name: str) -> UUID | None:
    cursor = await conn.execute("SELECT id FROM namespaces WHERE name = %s", (name,))
    row = await cursor.fetchone()
    return row[0] if row else None


async def namespace_names(conn: Connection) -> dict[UUID, str]:
    cursor = await conn.execute("SELECT id, name FROM namespaces")
    return dict(await cursor.fetchall())


async def find(
    conn: Connection, *, name: str | None = None, id_: UUID | None = None, lock: bool = False
) -> StackState | None:
    """One by name or id, deleted or not."""
    return await _one(
        conn,
        f"SELECT {_STATE} FROM stack_states WHERE name = %(name)s OR id = %(id)s"  # noqa: S608
        + (" FOR UPDATE" if lock else ""),
        {"name": name, "id": id_},
    )


async def page(conn: Connection, after: str, limit: int, code_id: UUID | None, *, deleted: bool) -> list[StackState]:
    """By name, after the name `after`."""
    return await _all(
        conn,
        f"""
        SELECT {_STATE} FROM stack_states
        WHERE name > %(after)s AND (%(code)s::uuid IS NULL OR stack_code_id = %(code)s)
            AND (%(deleted)s OR deleted_at IS NULL)
        ORDER BY name LIMIT %(limit)s
        """,  # noqa: S608
        {"after": after, "limit": limit, "code": code_id, "deleted": deleted},
    )


async def of_code(conn: Connection, code_id: UUID) -> list[StackState]:
    """All of a code, deleted ones too, by name; their rows are locked until the transaction ends."""
    return await _all(
        conn,
        f"SELECT {_STATE} FROM stack_states WHERE stack_code_id = %(code)s ORDER BY name FOR UPDATE",  # noqa: S608
        {"code": code_id},
    )


async def insert(conn: Connection, account_id: UUID, state: Mapping[str, Any]) -> StackState | None:
    """A new one, PENDING; None when the name is taken."""
    values = {"labels": {}, "variables": {}, "secrets": None, "auto_deploy": None, **state}
    return await _one(
        conn,
        f"""
        INSERT INTO stack_states (account_id, id, name, namespace_id, stack_code_id, state_block, desired_commit,
            environment, labels, variables, secret_variables, auto_deploy, status)
        VALUES (%(account)s, %(id)s, %(name)s, %(namespace)s, %(code)s, %(block)s, %(commit)s, %(environment)s,
            %(labels)s, %(variables)s, %(secrets)s, %(auto_deploy)s, 'PENDING')
        ON CONFLICT (account_id, name) DO NOTHING
        RETURNING {_STATE}
        """,  # noqa: S608
        {
            "id": uuid7(),
            **values,
            "account": account_id,
            "labels": Jsonb(dict(values["labels"])),
            "variables": Jsonb(dict(values["variables"])),
        },
    )


async def change(conn: Connection, state: StackState) -> StackState | None:
    """Writes labels, variables, auto_deploy and which build is suspended over the version that was read; None when it is another now."""
    return await _one(
        conn,
        f"""
        UPDATE stack_states SET labels = %(labels)s, variables = %(variables)s, secret_variables = %(secrets)s,
            auto_deploy = %(auto)s, suspended_build = %(suspended)s, {_TOUCHED}
        WHERE id = %(id)s AND version = %(version)s AND deleted_at IS NULL
        RETURNING {_STATE}
        """,  # noqa: S608
        {
            "id": state.id,
            "version": state.version,
            "labels": Jsonb(dict(state.labels)),
            "variables": Jsonb(dict(state.variables)),
            "secrets": state.secret_variables,
            "auto": state.auto_deploy,
            "suspended": state.suspended_build,
        },
    )


async def suspend(conn: Connection, id_: UUID, build: str) -> StackState | None:
    """It is not cut into units by a build of the engine; one that a person suspended for good stays so."""
    return await _one(
        conn,
        f"""
        UPDATE stack_states SET suspended_build = %(build)s, {_TOUCHED}
        WHERE id = %(id)s AND suspended_build <> '*' RETURNING {_STATE}
        """,  # noqa: S608
        {"id": id_, "build": build},
    )


async def want(conn: Connection, id_: UUID, commit: str, environment: str) -> StackState | None:
    """The commit that the next run takes. One that was loose is what it was before it was loose."""
    return await _one(
        conn,
        f"""
        UPDATE stack_states SET desired_commit = %(commit)s, environment = %(environment)s, {_TOUCHED},
            status = CASE WHEN status <> 'LOOSE' THEN status WHEN commit_hash = '' THEN 'PENDING' ELSE 'ACTIVE' END,
            status_before = CASE WHEN status_before <> 'LOOSE' THEN status_before
                WHEN commit_hash = '' THEN 'PENDING' ELSE 'ACTIVE' END
        WHERE id = %(id)s AND deleted_at IS NULL
        RETURNING {_STATE}
        """,  # noqa: S608
        {"id": id_, "commit": commit, "environment": environment},
    )


async def loosen(conn: Connection, id_: UUID) -> StackState | None:
    """Its code is gone. One that is being destroyed becomes loose if that fails; a destroyed one stays as it is."""
    return await _one(
        conn,
        f"""
        UPDATE stack_states SET status_before = CASE WHEN status = 'DESTROYING' THEN 'LOOSE' ELSE status_before END,
            status = CASE WHEN status = 'DESTROYING' THEN status ELSE 'LOOSE' END, {_TOUCHED}
        WHERE id = %(id)s AND status IN ('PENDING', 'ACTIVE', 'DESTROYING')
        RETURNING {_STATE}
        """,  # noqa: S608
        {"id": id_},
    )


async def destroying(conn: Connection, id_: UUID) -> StackState | None:
    """PENDING, ACTIVE or LOOSE to DESTROYING."""
    return await _one(
        conn,
        f"""
        UPDATE stack_states SET status = 'DESTROYING', {_TOUCHED},
            status_before = CASE WHEN status = 'DESTROYING' THEN status_before ELSE status END
        WHERE id = %(id)s AND status IN ('PENDING', 'ACTIVE', 'LOOSE', 'DESTROYING')
        RETURNING {_STATE}
        """,  # noqa: S608
        {"id": id_},
    )


async def applied(conn: Connection, id_: UUID, commit: str, run_id: UUID) -> StackState | None:
    """A run applied a commit: PENDING or DESTROYED to ACTIVE; what is loose or being destroyed stays that."""
    return await _one(
        conn,
        f"""
        UPDATE stack_states SET commit_hash = %(commit)s, last_applied_run_id = %(run)s, last_run_failed = false,
            history_mismatch = false, {_TOUCHED},
            status = CASE WHEN status IN ('PENDING', 'DESTROYED') THEN 'ACTIVE' ELSE status END,
            status_before = CASE WHEN status = 'DESTROYING' AND status_before = 'PENDING' THEN 'ACTIVE'
                ELSE status_before END
        WHERE id = %(id)s AND status <> 'DELETED'
        RETURNING {_STATE}
        """,  # noqa: S608
        {"id": id_, "commit": commit, "run": run_id},
    )


async def destroyed(conn: Connection, id_: UUID, run_id: UUID) -> StackState | None:
    """A run destroyed everything."""
    return await _one(
        conn,
        f"""
        UPDATE stack_states SET status = 'DESTROYED', last_applied_run_id = %(run)s, last_run_failed = false,
            history_mismatch = false, {_TOUCHED}
        WHERE id = %(id)s AND status <> 'DELETED'
        RETURNING {_STATE}
        """,  # noqa: S608
        {"id": id_, "run": run_id},
    )


async def run_failed(conn: Connection, id_: UUID, *, destroy: bool) -> StackState | None:
    """A run failed; a destroy that failed leaves the stack state as it was before."""
    return await _one(
        conn,
        f"""
        UPDATE stack_states SET last_run_failed = true, {_TOUCHED},
            status = CASE WHEN %(destroy)s AND status = 'DESTROYING' THEN status_before ELSE status END
        WHERE id = %(id)s AND status <> 'DELETED'
        RETURNING {_STATE}
        """,  # noqa: S608
        {"id": id_, "destroy": destroy},
    )


async def delete(conn: Connection, id_: UUID, version: int) -> StackState | None:
    """Any to DELETED, unless a run is under way or it is another version now."""
    return await _one(
        conn,
        f"""
        UPDATE stack_states AS s SET status_before = status, status = 'DELETED', deleted_at = now(),
            purge_at = now() + make_interval(days => %(days)s), {_TOUCHED}
        WHERE id = %(id)s AND version = %(version)s AND deleted_at IS NULL AND NOT EXISTS (
            SELECT FROM runs AS r WHERE r.account_id = s.account_id AND r.stack_state_id = s.id AND r.done_at IS NULL)
        RETURNING {_STATE}
        """,  # noqa: S608
        {"id": id_, "version": version, "days": UNDELETE_DAYS},
    )


async def undelete(conn: Connection, id_: UUID) -> StackState | None:
    """DELETED to what it was; LOOSE when its code is gone by now."""
    return await _one(
        conn,
        f"""
        UPDATE stack_states AS s SET deleted_at = NULL, purge_at = NULL, {_TOUCHED},
            status = CASE WHEN status_before IN ('PENDING', 'ACTIVE') AND EXISTS (
                SELECT FROM stack_codes AS c
                WHERE c.account_id = s.account_id AND c.id = s.stack_code_id AND c.status = 'DEREGISTERED')
                THEN 'LOOSE' ELSE status_before END
        WHERE id = %(id)s AND status = 'DELETED' AND purge_at > now()
        RETURNING {_STATE}
        """,  # noqa: S608
        {"id": id_},
    )


async def mark_history(conn: Connection, code_ids: list[UUID], strange: list[str]) -> list[str]:
    """Notes whose applied commit is no longer in the branch's history; the names of those for which that changed."""
    rows = await _all(
        conn,
        f"""
        UPDATE stack_states SET history_mismatch = (commit_hash = ANY(%(strange)s)), {_TOUCHED}
        WHERE stack_code_id = ANY(%(codes)s) AND deleted_at IS NULL
            AND history_mismatch <> (commit_hash = ANY(%(strange)s))
        RETURNING {_STATE}
        """,  # noqa: S608
        {"codes": code_ids, "strange": strange},
    )
    return [row.name for row in rows if row.history_mismatch]


async def applied_commits(conn: Connection, code_ids: list[UUID]) -> list[str]:
    """The commits that stack states of these codes were last applied at."""
    cursor = await conn.execute(
        """
        SELECT DISTINCT commit_hash FROM stack_states
        WHERE stack_code_id = ANY(%s) AND commit_hash <> '' AND deleted_at IS NULL
        """,
        (code_ids,),
    )
    return [row[0] for row in await cursor.fetchall()]


async def run_numbers(conn: Connection, ids: list[UUID]) -> dict[UUID, tuple[int | None, int | None]]:
    """By stack state: the number of its newest run that is not done, and of the one that applied last."""
    cursor = await conn.execute(
        """
        SELECT s.id,
            (SELECT max(r.number) FROM runs AS r
                WHERE r.account_id = s.account_id AND r.stack_state_id = s.id AND r.done_at IS NULL),
            (SELECT r.number FROM runs AS r WHERE r.account_id = s.account_id AND r.id = s.last_applied_run_id)
        FROM stack_states AS s WHERE s.id = ANY(%s)
        """,
        (ids,),
    )
    return {row[0]: (row[1], row[2]) for row in await cursor.fetchall()}


async def _one(conn: Connection, statement: str, values: Mapping[str, Any]) -> StackState | None:
    async with conn.cursor(row_factory=class_row(StackState)) as cursor:
        await cursor.execute(statement, values)
        return await cursor.fetchone()


async def _all(conn: Connection, statement: str, values: Mapping[str, Any]) -> list[StackState]:
    async with conn.cursor(row_factory=class_row(StackState)) as cursor:
        await cursor.execute(statement, values)
        return await cursor.fetchall()
