"""Every statement about accounts, namespaces, members, API keys, sign-ins, repositories and data keys."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import errors
from psycopg.rows import TupleRow, kwargs_row

from stackly_server.accounts.model import (
    Account,
    ApiKey,
    Family,
    Member,
    Namespace,
    Principal,
    Repository,
    permissions_of,
)
from stackly_server.database import Connection
from stackly_server.errors import AlreadyExists

_KEY_COLUMNS = "id, member, display_name, permissions, expires_at, created_at, used_at, revoked_at"
_MEMBER_COLUMNS = "id, login, roles, groups, version, created_at, updated_at"
_NAMESPACE_COLUMNS = "id, name, temporal_namespace, status, created_at"
_REPOSITORY_COLUMNS = "id, slug, clone_url, full_name, external_id, default_ref, created_at"


def _member(*, roles: list[str], groups: list[str], **rest: Any) -> Member:
    return Member(roles=tuple(roles), groups=tuple(groups), **rest)


def _api_key(*, permissions: list[str], **rest: Any) -> ApiKey:
    return ApiKey(permissions=tuple(permissions), **rest)


def _principal(*, roles: list[str], permissions: list[str], groups: list[str], **rest: Any) -> Principal:
    allowed = permissions_of(roles) & frozenset(permissions)
    return Principal(permissions=allowed, groups=tuple(sorted(groups)), **rest)


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


# --- API keys and sign-ins


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
            SELECT {_KEY_COLUMNS} FROM api_keys
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


# --- repositories


async def insert_repository(conn: Connection, account_id: UUID, repository: Repository, webhook_secret: bytes) -> None:
    try:
        await conn.execute(
            """
            INSERT INTO repositories (account_id, id, slug, clone_url, full_name, external_id, default_ref,
                webhook_secret, created_at)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
            """,
            (
                account_id,
                repository.id,
                repository.slug,
                repository.clone_url,
                repository.full_name,
                repository.external_id,
                repository.default_ref,
                webhook_secret,
                repository.created_at,
            ),
        )
    except errors.UniqueViolation as error:
        message = f"The repository {repository.full_name} is connected already."
        raise AlreadyExists("ALREADY_EXISTS", message, resource=repository.slug) from error


async def repositories(conn: Connection, after: str, limit: int) -> list[Repository]:
    """The connected ones by slug, after the slug `after`."""
    async with conn.cursor(row_factory=kwargs_row(Repository)) as cursor:
        await cursor.execute(
            f"""
            SELECT {_REPOSITORY_COLUMNS} FROM repositories
            WHERE slug > %s AND disconnected_at IS NULL ORDER BY slug LIMIT %s
            """,  # noqa: S608
            (after, limit),
        )
        return await cursor.fetchall()


async def find_repository(
    conn: Connection, *, slug: str | None = None, external_id: str | None = None, id_: UUID | None = None
) -> Repository | None:
    """A connected repository by one of its keys."""
    async with conn.cursor(row_factory=kwargs_row(Repository)) as cursor:
        await cursor.execute(
            f"""
            SELECT {_REPOSITORY_COLUMNS} FROM repositories
            WHERE disconnected_at IS NULL
                AND (slug = %(slug)s OR external_id = %(external)s OR id = %(id)s)
            """,  # noqa: S608
            {"slug": slug, "external": external_id, "id": id_},
        )
        return await cursor.fetchone()


async def webhook_secret(conn: Connection, repository_id: UUID) -> bytes:
    cursor = await conn.execute("SELECT webhook_secret FROM repositories WHERE id = %s", (repository_id,))
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("the repository is gone")
    return bytes(row[0])


async def disconnect_repository(conn: Connection, repository_id: UUID) -> str | None:
    """Disconnects it if nothing of it is in use; else says what is: `run` or `stack_code`.

    It reads two tables of higher rooms, as the guard must stand in the same statement as the change.
    """
    cursor = await conn.execute(
        """
        WITH use AS (
            SELECT EXISTS (SELECT FROM stack_codes
                WHERE repository_id = %(id)s AND status <> 'DEREGISTERED') AS stack_code,
            EXISTS (SELECT FROM runs AS r JOIN stack_states AS s ON s.account_id = r.account_id AND s.id = r.stack_state_id
                JOIN stack_codes AS c ON c.account_id = s.account_id AND c.id = s.stack_code_id
                WHERE c.repository_id = %(id)s AND r.done_at IS NULL) AS run
        ), gone AS (
            UPDATE repositories SET disconnected_at = now()
            FROM use WHERE id = %(id)s AND disconnected_at IS NULL AND NOT use.run AND NOT use.stack_code
        )
        SELECT CASE WHEN run THEN 'run' WHEN stack_code THEN 'stack_code' END FROM use
        """,
        {"id": repository_id},
    )
    row = await cursor.fetchone()
    return row[0] if row else None


# --- data keys


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
