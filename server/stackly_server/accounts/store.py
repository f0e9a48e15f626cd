"""Every statement about accounts, routes, namespaces and members."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import errors
from psycopg.rows import kwargs_row

from stackly_server.accounts.model import Account, Member, Namespace
from stackly_server.database import Connection
from stackly_server.errors import AlreadyExists

_MEMBER_COLUMNS = "id, login, roles, groups, version, created_at, updated_at"
_NAMESPACE_COLUMNS = "id, name, temporal_namespace, status, created_at"


def _member(*, roles: list[str], groups: list[str], **rest: Any) -> Member:
    return Member(roles=tuple(roles), groups=tuple(groups), **rest)


# --- accounts and routes


async def insert_account(conn: Connection, account_id: UUID, name: str, display_name: str) -> None:
    try:
        await conn.execute(
            "INSERT INTO accounts (account_id, name, display_name) VALUES (%s, %s, %s)",
            (account_id, name, display_name),
        )
    except errors.UniqueViolation as error:
        raise AlreadyExists("ALREADY_EXISTS", f"There is an account {name!r} already.", resource=name) from error
    await conn.execute("INSERT INTO account_heads (account_id) VALUES (%s)", (account_id,))


async def account(conn: Connection) -> Account:
    async with conn.cursor(row_factory=kwargs_row(Account)) as cursor:
        await cursor.execute("SELECT account_id, name, display_name, created_at FROM accounts")
        row = await cursor.fetchone()
    if row is None:
        raise LookupError("the tenant has no account row")
    return row


async def insert_route(conn: Connection, kind: str, key: str, account_id: UUID) -> None:
    """Makes a thing findable before the tenant is known; AlreadyExists when another thing answers to the key."""
    try:
        await conn.execute("INSERT INTO routes (kind, key, account_id) VALUES (%s, %s, %s)", (kind, key, account_id))
    except errors.UniqueViolation as error:
        message = f"Another {kind.replace('_', ' ')} of that name is known already."
        raise AlreadyExists("ALREADY_EXISTS", message, resource=key) from error


async def delete_route(conn: Connection, kind: str, key: str) -> None:
    await conn.execute("DELETE FROM routes WHERE kind = %s AND key = %s", (kind, key))


async def find_route(conn: Connection, kind: str, key: str) -> UUID | None:
    """The account of a key; `conn` is of the scope `routing`."""
    cursor = await conn.execute("SELECT account_id FROM routes WHERE kind = %s AND key = %s", (kind, key))
    row = await cursor.fetchone()
    return row[0] if row else None


# --- namespaces


async def insert_namespace(conn: Connection, account_id: UUID, id_: UUID, name: str, temporal: str) -> None:
    await conn.execute(
        """
        INSERT INTO namespaces (account_id, id, name, temporal_namespace, status)
        VALUES (%s, %s, %s, %s, 'PROVISIONING')
        """,
        (account_id, id_, name, temporal),
    )


async def namespaces(conn: Connection, after: str, limit: int) -> list[Namespace]:
    """By name, after the name `after`."""
    async with conn.cursor(row_factory=kwargs_row(Namespace)) as cursor:
        await cursor.execute(
            f"SELECT {_NAMESPACE_COLUMNS} FROM namespaces WHERE name > %s ORDER BY name LIMIT %s",  # noqa: S608
            (after, limit),
        )
        return await cursor.fetchall()


async def find_namespace(conn: Connection, name: str) -> Namespace | None:
    async with conn.cursor(row_factory=kwargs_row(Namespace)) as cursor:
        await cursor.execute(f"SELECT {_NAMESPACE_COLUMNS} FROM namespaces WHERE name = %s", (name,))  # noqa: S608
        return await cursor.fetchone()


async def find_namespace_by_id(conn: Connection, id_: UUID) -> Namespace | None:
    async with conn.cursor(row_factory=kwargs_row(Namespace)) as cursor:
        await cursor.execute(f"SELECT {_NAMESPACE_COLUMNS} FROM namespaces WHERE id = %s", (id_,))  # noqa: S608
        return await cursor.fetchone()


# --- members


async def insert_member(
    conn: Connection, account_id: UUID, id_: UUID, login: str, roles: Sequence[str], groups: Sequence[str]
) -> Member:
    async with conn.cursor(row_factory=kwargs_row(_member)) as cursor:
        await cursor.execute(
            f"""
            INSERT INTO members (account_id, id, login, roles, groups) VALUES (%s, %s, %s, %s, %s)
            RETURNING {_MEMBER_COLUMNS}
            """,  # noqa: S608
            (account_id, id_, login, list(roles), list(groups)),
        )
        row = await cursor.fetchone()
    assert row is not None  # noqa: S101  (INSERT … RETURNING gives its row)
    return row


async def members(conn: Connection, after: str, limit: int) -> list[Member]:
    """By login, after the login `after`."""
    async with conn.cursor(row_factory=kwargs_row(_member)) as cursor:
        await cursor.execute(
            f"SELECT {_MEMBER_COLUMNS} FROM members WHERE login > %s ORDER BY login LIMIT %s",  # noqa: S608
            (after, limit),
        )
        return await cursor.fetchall()


async def find_member(conn: Connection, login: str) -> Member | None:
    async with conn.cursor(row_factory=kwargs_row(_member)) as cursor:
        await cursor.execute(f"SELECT {_MEMBER_COLUMNS} FROM members WHERE login = %s", (login,))  # noqa: S608
        return await cursor.fetchone()


async def lock_owners(conn: Connection) -> list[str]:
    """The logins of all owners, locked until the end of the transaction, so that no two of them leave at once."""
    cursor = await conn.execute("SELECT login FROM members WHERE 'owner' = ANY(roles) ORDER BY login FOR UPDATE")
    return [login for (login,) in await cursor.fetchall()]


async def update_member(
    conn: Connection, login: str, version: int, roles: Sequence[str], groups: Sequence[str]
) -> Member | None:
    """The changed member; None when its version is another one by now."""
    async with conn.cursor(row_factory=kwargs_row(_member)) as cursor:
        await cursor.execute(
            f"""
            UPDATE members SET roles = %s, groups = %s, version = version + 1, updated_at = now()
            WHERE login = %s AND version = %s
            RETURNING {_MEMBER_COLUMNS}
            """,  # noqa: S608
            (list(roles), list(groups), login, version),
        )
        return await cursor.fetchone()


async def delete_member(conn: Connection, login: str, version: int) -> bool:
    cursor = await conn.execute("DELETE FROM members WHERE login = %s AND version = %s", (login, version))
    return cursor.rowcount == 1
