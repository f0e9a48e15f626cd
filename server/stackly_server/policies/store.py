"""Every statement about policies and their revisions."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg.rows import kwargs_row
from psycopg.types.json import Jsonb

from stackly_server.clock import uuid7
from stackly_server.database import Connection
from stackly_server.policies.kept import KeptPolicy, policy_from_json, policy_to_json
from stackly_server.policies.model import Policy

_POLICY = "id, name, hcl, spec, revision, version, created_at, updated_at"


async def page(conn: Connection, after: str, limit: int) -> list[KeptPolicy]:
    """By name, after the name `after`."""
    async with conn.cursor(row_factory=kwargs_row(_policy)) as cursor:
        await cursor.execute(
            f"SELECT {_POLICY} FROM policies WHERE deleted_at IS NULL AND name > %s ORDER BY name LIMIT %s",  # noqa: S608
            (after, limit),
        )
        return await cursor.fetchall()


async def every(conn: Connection) -> list[KeptPolicy]:
    """All of the account, by name."""
    async with conn.cursor(row_factory=kwargs_row(_policy)) as cursor:
        await cursor.execute(f"SELECT {_POLICY} FROM policies WHERE deleted_at IS NULL ORDER BY name")  # noqa: S608
        return await cursor.fetchall()


async def find(conn: Connection, name: str, *, lock: bool = False) -> KeptPolicy | None:
    async with conn.cursor(row_factory=kwargs_row(_policy)) as cursor:
        await cursor.execute(
            f"SELECT {_POLICY} FROM policies WHERE deleted_at IS NULL AND name = %s"  # noqa: S608
            + (" FOR UPDATE" if lock else ""),
            (name,),
        )
        return await cursor.fetchone()


async def insert(conn: Connection, account_id: UUID, actor: str, policy: Policy, hcl: str) -> KeptPolicy | None:
    """A new policy, revision 1; None when the name is taken."""
    async with conn.cursor(row_factory=kwargs_row(_policy)) as cursor:
        await cursor.execute(
            f"""
            INSERT INTO policies (account_id, id, name, hcl, spec) VALUES (%s, %s, %s, %s, %s)
            ON CONFLICT DO NOTHING RETURNING {_POLICY}
            """,  # noqa: S608
            (account_id, uuid7(), policy.name, hcl, Jsonb(policy_to_json(policy))),
        )
        made = await cursor.fetchone()
    if made is not None:
        await _keep_revision(conn, account_id, actor, made)
    return made


async def change(
    conn: Connection, account_id: UUID, actor: str, before: KeptPolicy, after: tuple[Policy, str]
) -> KeptPolicy | None:
    """A new text and so a new revision; None when it is another version by now."""
    policy, hcl = after
    async with conn.cursor(row_factory=kwargs_row(_policy)) as cursor:
        await cursor.execute(
            f"""
            UPDATE policies SET hcl = %s, spec = %s, revision = revision + 1, version = version + 1, updated_at = now()
            WHERE id = %s AND version = %s AND deleted_at IS NULL RETURNING {_POLICY}
            """,  # noqa: S608
            (hcl, Jsonb(policy_to_json(policy)), before.id, before.version),
        )
        changed = await cursor.fetchone()
    if changed is not None:
        await _keep_revision(conn, account_id, actor, changed)
    return changed


async def delete(conn: Connection, id_: UUID) -> None:
    """Its name is free again; its revisions are kept."""
    await conn.execute("UPDATE policies SET deleted_at = now(), version = version + 1 WHERE id = %s", (id_,))


async def stack_codes_naming(conn: Connection, name: str) -> list[str]:
    """Stack codes whose file names a policy, at most 20.

    It reads a table of a higher room, as the guard must stand in the transaction of the change.
    """
    cursor = await conn.execute(
        """
        SELECT slug FROM stack_codes
        WHERE status <> 'DEREGISTERED' AND jsonb_exists(config->'policies', %s) ORDER BY slug LIMIT 20
        """,
        (name,),
    )
    return [row[0] for row in await cursor.fetchall()]


async def groups(conn: Connection) -> dict[str, int]:
    """Every group of the account, and how many members are in it."""
    cursor = await conn.execute(
        "SELECT name, count(DISTINCT members.id) FROM members, unnest(groups) AS name GROUP BY name"
    )
    return dict(await cursor.fetchall())


async def _keep_revision(conn: Connection, account_id: UUID, actor: str, policy: KeptPolicy) -> None:
    await conn.execute(
        "INSERT INTO policy_revisions (account_id, policy_id, revision, hcl, actor) VALUES (%s, %s, %s, %s, %s)",
        (account_id, policy.id, policy.revision, policy.hcl, actor),
    )


def _policy(*, spec: Mapping[str, Any], **rest: Any) -> KeptPolicy:
    return KeptPolicy(policy=policy_from_json(spec), **rest)
