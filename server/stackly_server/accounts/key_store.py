"""Every statement about API keys, sign-ins and data keys."""

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import TupleRow, kwargs_row

from stackly_server.accounts.model import ApiKey, Family, Principal, permissions_of
from stackly_server.database import Connection

_COLUMNS = "id, member, display_name, permissions, expires_at, created_at, used_at, revoked_at"


def _api_key(*, permissions: list[str], **rest: Any) -> ApiKey:
    return ApiKey(permissions=tuple(permissions), **rest)


def _principal(*, roles: list[str], permissions: list[str], groups: list[str], **rest: Any) -> Principal:
    allowed = permissions_of(roles) & frozenset(permissions)
    return Principal(permissions=allowed, groups=tuple(sorted(groups)), **rest)


async def insert_api_key(conn: Connection, account_id: UUID, key: ApiKey, secret_hash: bytes) -> None:
    await conn.execute(
        """
        INSERT INTO api_keys (account_id, id, member, display_name, secret_hash, permissions, expires_at, created_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (
            account_id,
            key.id,
            key.member,
            key.display_name,
            secret_hash,
            list(key.permissions),
            key.expires_at,
            key.created_at,
        ),
    )


async def api_keys(conn: Connection, before: tuple[datetime, UUID] | None, limit: int) -> list[ApiKey]:
    """Newest first, those before `before`."""
    created_at, id_ = before or (None, None)
    async with conn.cursor(row_factory=kwargs_row(_api_key)) as cursor:
        await cursor.execute(
            f"""
            SELECT {_COLUMNS} FROM api_keys
            WHERE %(at)s::timestamptz IS NULL OR (created_at, id) < (%(at)s, %(id)s::uuid)
            ORDER BY created_at DESC, id DESC LIMIT %(limit)s
            """,  # noqa: S608
            {"at": created_at, "id": id_, "limit": limit},
        )
        return await cursor.fetchall()


async def revoke_api_keys(conn: Connection, *, id_: UUID | None = None, member: str | None = None) -> list[UUID]:
    """Revokes one key or all of a member, with the sign-ins made from them; gives the ids that were still good."""
    cursor = await conn.execute(
        """
        WITH keys AS (
            UPDATE api_keys SET revoked_at = now()
            WHERE (id = %(id)s OR member = %(member)s) AND revoked_at IS NULL RETURNING id
        ), families AS (
            UPDATE token_families SET revoked_at = now()
            WHERE api_key_id IN (SELECT id FROM keys) AND revoked_at IS NULL
        )
        SELECT id FROM keys
        """,
        {"id": id_, "member": member},
    )
    return [row[0] for row in await cursor.fetchall()]


async def api_key_exists(conn: Connection, id_: UUID) -> bool:
    cursor = await conn.execute("SELECT 1 FROM api_keys WHERE id = %s", (id_,))
    return await cursor.fetchone() is not None


async def use_api_key(conn: Connection, id_: UUID, secret_hash: bytes) -> tuple[str, datetime] | None:
    """Notes the use of a good key; gives its member and its end. None when it is not good, or its member is gone."""
    cursor = await conn.execute(
        """
        UPDATE api_keys AS k SET used_at = now()
        FROM members AS m
        WHERE k.id = %s AND k.secret_hash = %s AND k.revoked_at IS NULL AND k.expires_at > now() AND m.login = k.member
        RETURNING k.member, k.expires_at
        """,
        (id_, secret_hash),
    )
    row = await cursor.fetchone()
    return (row[0], row[1]) if row else None


async def insert_family(conn: Connection, family: Family, member: str, api_key_id: UUID) -> None:
    await conn.execute(
        """
        INSERT INTO token_families (account_id, id, member, api_key_id, counter, expires_at)
        VALUES (%s, %s, %s, %s, %s, %s)
        """,
        (family.account_id, family.id, member, api_key_id, family.counter, family.expires_at),
    )


async def rotate_family(conn: Connection, family_id: UUID, counter: int, reuse_seconds: int) -> Family | None:
    """The next pair of a family. The counter before answers with its successor for `reuse_seconds`; None otherwise."""
    async with conn.cursor(row_factory=kwargs_row(Family)) as cursor:
        await cursor.execute(
            """
            UPDATE token_families SET
                rotated_at = CASE WHEN counter = %(counter)s THEN now() ELSE rotated_at END,
                counter = %(counter)s + 1
            WHERE id = %(id)s AND revoked_at IS NULL AND expires_at > now() AND (counter = %(counter)s
                OR (counter = %(counter)s + 1 AND rotated_at > now() - make_interval(secs => %(reuse)s)))
            RETURNING account_id, id, counter, expires_at
            """,
            {"id": family_id, "counter": counter, "reuse": reuse_seconds},
        )
        return await cursor.fetchone()


async def revoke_family(conn: Connection, family_id: UUID, member: str | None = None) -> bool:
    """Revokes a sign-in, if it is that of the member; False when there is none to revoke."""
    cursor = await conn.execute(
        """
        UPDATE token_families SET revoked_at = now()
        WHERE id = %(id)s AND revoked_at IS NULL AND (%(member)s::text IS NULL OR member = %(member)s)
        """,
        {"id": family_id, "member": member},
    )
    return cursor.rowcount == 1


async def find_principal(conn: Connection, family_id: UUID) -> Principal | None:
    """Who stands behind a sign-in; None when it, its key or its member is revoked, ended or gone."""
    async with conn.cursor(row_factory=kwargs_row(_principal)) as cursor:
        await cursor.execute(
            """
            SELECT f.account_id, a.name AS account, m.login AS member, m.roles, m.groups, k.permissions,
                   k.id AS api_key_id, f.id AS family_id
            FROM token_families AS f
            JOIN accounts AS a ON a.account_id = f.account_id
            JOIN api_keys AS k ON k.account_id = f.account_id AND k.id = f.api_key_id
            JOIN members AS m ON m.account_id = f.account_id AND m.login = f.member
            WHERE f.id = %s AND f.revoked_at IS NULL AND f.expires_at > now()
                AND k.revoked_at IS NULL AND k.expires_at > now()
            """,
            (family_id,),
        )
        return await cursor.fetchone()


async def insert_wrapped_key(conn: Connection, account_id: UUID, purpose: str, version: int, wrapped: str) -> bool:
    """False when that version is there already."""
    cursor = await conn.execute(
        """
        INSERT INTO account_keys (account_id, purpose, version, wrapped) VALUES (%s, %s, %s, %s)
        ON CONFLICT DO NOTHING
        """,
        (account_id, purpose, version, wrapped),
    )
    return cursor.rowcount == 1


async def wrapped_keys(conn: Connection, purpose: str) -> list[TupleRow]:
    """(version, wrapped) of one purpose, newest first."""
    cursor = await conn.execute(
        "SELECT version, wrapped FROM account_keys WHERE purpose = %s ORDER BY version DESC", (purpose,)
    )
    return await cursor.fetchall()
