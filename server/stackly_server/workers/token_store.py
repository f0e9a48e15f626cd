"""Every statement about join tokens and the routes that find them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from stackly_server.database import Connection
from stackly_server.workers.model import JoinToken, NewToken

_COLUMNS = "id, display_name, labels, allowed_features, expires_at, used_at, created_at"


@dataclass(frozen=True, slots=True)
class SpentToken:
    """A token that was shown by its key. `worker_id` is None when this was the first time."""

    namespace_id: UUID
    name: str
    labels: Mapping[str, str]
    allowed_features: tuple[str, ...]
    worker_id: UUID | None


async def namespace_id(conn: Connection, name: str) -> UUID | None:
    cursor = await conn.execute("SELECT id FROM namespaces WHERE name = %s", (name,))
    row = await cursor.fetchone()
    return row[0] if row else None


async def route(conn: Connection, token_id: UUID) -> UUID | None:
    """The account of a token; `conn` is of the scope `routing`."""
    cursor = await conn.execute("SELECT account_id FROM routes WHERE kind = 'join_token' AND key = %s", (token_id.hex,))
    row = await cursor.fetchone()
    return row[0] if row else None


async def insert(
    conn: Connection, account_id: UUID, namespace: UUID, token_id: UUID, secret_hash: bytes, new: NewToken
) -> JoinToken:
    """A token, good from now by the clock of Postgres."""
    await conn.execute(
        "INSERT INTO routes (kind, key, account_id) VALUES ('join_token', %s, %s)", (token_id.hex, account_id)
    )
    cursor = await conn.execute(
        f"""
        INSERT INTO join_tokens (account_id, id, namespace_id, display_name, secret_hash, labels, allowed_features, expires_at)
        VALUES (%(account)s, %(id)s, %(namespace)s, %(display)s, %(hash)s, %(labels)s::jsonb, %(features)s,
            now() + make_interval(secs => %(seconds)s))
        RETURNING {_COLUMNS}
        """,  # noqa: S608  (a constant of this file)
        {
            "account": account_id,
            "id": token_id,
            "namespace": namespace,
            "display": new.display_name,
            "hash": secret_hash,
            "labels": json.dumps(dict(new.labels)),
            "features": list(new.allowed_features),
            "seconds": new.seconds,
        },
    )
    (row,) = await cursor.fetchall()
    return _token(row)


async def page(conn: Connection, namespace: UUID, before: UUID | None, limit: int) -> list[JoinToken]:
    """Newest first, after the token `before`."""
    cursor = await conn.execute(
        f"""
        SELECT {_COLUMNS} FROM join_tokens
        WHERE namespace_id = %(namespace)s AND (%(before)s::uuid IS NULL OR id < %(before)s)
        ORDER BY id DESC LIMIT %(limit)s
        """,  # noqa: S608  (a constant of this file)
        {"namespace": namespace, "before": before, "limit": limit},
    )
    return [_token(row) for row in await cursor.fetchall()]


async def revoke(conn: Connection, namespace: UUID, token_id: UUID) -> bool | None:
    """True: revoked now; False: it was before; None: there is none."""
    cursor = await conn.execute(
        """
        WITH old AS (SELECT id, revoked_at FROM join_tokens WHERE namespace_id = %s AND id = %s FOR UPDATE)
        UPDATE join_tokens SET revoked_at = coalesce(join_tokens.revoked_at, clock_timestamp())
        FROM old WHERE join_tokens.id = old.id RETURNING old.revoked_at IS NULL
        """,
        (namespace, token_id),
    )
    row = await cursor.fetchone()
    return bool(row[0]) if row else None


async def spend(conn: Connection, token_id: UUID, secret_hash: bytes, key: bytes) -> SpentToken | None:
    """Binds a token to the first key that shows it, in its time; one that is bound answers that key alone, at any time.

    One statement: of any number of machines that race for a token, one gets it.
    """
    cursor = await conn.execute(
        """
        UPDATE join_tokens SET used_at = coalesce(used_at, clock_timestamp()), key_sha256 = %(key)s
        WHERE id = %(id)s AND secret_hash = %(hash)s
          AND (key_sha256 = %(key)s OR (key_sha256 IS NULL AND revoked_at IS NULL AND expires_at > clock_timestamp()))
        RETURNING namespace_id, labels, allowed_features, worker_id,
            (SELECT format('accounts/%%s/namespaces/%%s/joinTokens/%%s', a.name, n.name, join_tokens.id)
             FROM accounts AS a JOIN namespaces AS n ON n.account_id = a.account_id
             WHERE a.account_id = join_tokens.account_id AND n.id = join_tokens.namespace_id)
        """,
        {"id": token_id, "hash": secret_hash, "key": key},
    )
    row = await cursor.fetchone()
    return SpentToken(row[0], row[4], row[1], tuple(row[2]), row[3]) if row else None


async def is_bound(conn: Connection, token_id: UUID, secret_hash: bytes) -> bool:
    """Whether whoever shows the secret came after another key; never true for one who does not know the secret."""
    cursor = await conn.execute(
        "SELECT FROM join_tokens WHERE id = %s AND secret_hash = %s AND key_sha256 IS NOT NULL", (token_id, secret_hash)
    )
    return await cursor.fetchone() is not None


async def bind(conn: Connection, token_id: UUID, worker_id: UUID) -> None:
    """Notes which worker a token made."""
    await conn.execute("UPDATE join_tokens SET worker_id = %s WHERE id = %s", (worker_id, token_id))


async def rebind(conn: Connection, worker_id: UUID, key: bytes) -> None:
    """Lets the token of a worker answer the worker's new key instead.

    It comes before the worker's row is changed: tokens are locked before workers everywhere, or two calls would wait for
    each other.
    """
    await conn.execute(
        "UPDATE join_tokens SET key_sha256 = %(key)s WHERE worker_id = %(worker)s AND key_sha256 <> %(key)s",
        {"key": key, "worker": worker_id},
    )


async def forget(conn: Connection, seconds: int) -> int:
    """Deletes tokens, and their routes, that ended that long ago and by which no worker is known that could come again."""
    cursor = await conn.execute(
        """
        WITH gone AS (
            DELETE FROM join_tokens
            WHERE expires_at < clock_timestamp() - make_interval(secs => %s)
              AND NOT EXISTS (SELECT FROM workers WHERE workers.id = join_tokens.worker_id)
            RETURNING id
        )
        DELETE FROM routes WHERE kind = 'join_token' AND key IN (SELECT replace(id::text, '-', '') FROM gone)
        """,
        (seconds,),
    )
    return cursor.rowcount


def _token(row: Sequence[object]) -> JoinToken:
    id_, display_name, labels, features, expires_at, used_at, created_at = row
    return JoinToken(id_, display_name, labels, tuple(features), expires_at, used_at, created_at)  # type: ignore[arg-type]
