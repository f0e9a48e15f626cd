"""Every statement about deliveries and the cache of trees and contents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from stackly_server.clock import uuid7
from stackly_server.database import Connection


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A delivery, as it was taken."""

    id: UUID
    repository_id: UUID
    delivery_id: str
    body_sha256: bytes
    ref: str
    received_at: datetime
    handled: bool


_INBOX = "id, repository_id, delivery_id, body_sha256, ref, received_at, handled_at IS NOT NULL AS handled"


async def account_name(conn: Connection) -> str:
    """The tenant's name."""
    cursor = await conn.execute("SELECT name FROM accounts")
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("the tenant has no account row")
    return str(row[0])


async def insert_delivery(conn: Connection, account_id: UUID, row: dict[str, Any]) -> UUID | None:
    """Keeps a delivery; None when one of that id is there."""
    cursor = await conn.execute(
        """
        INSERT INTO inbox (account_id, id, repository_id, delivery_id, event, body_sha256, ref, before_commit, after_commit)
        VALUES (%(account)s, %(id)s, %(repository)s, %(delivery)s, 'push', %(sha256)s, %(ref)s, %(before)s, %(after)s)
        ON CONFLICT (account_id, delivery_id) DO NOTHING RETURNING id
        """,
        {**row, "account": account_id, "id": uuid7()},
    )
    found = await cursor.fetchone()
    return found[0] if found else None


async def delivery(conn: Connection, delivery_id: str) -> InboxRow | None:
    """The delivery of a code host's id."""
    async with conn.cursor(row_factory=class_row(InboxRow)) as cursor:
        await cursor.execute(f"SELECT {_INBOX} FROM inbox WHERE delivery_id = %s", (delivery_id,))  # noqa: S608
        return await cursor.fetchone()


async def inbox_row(conn: Connection, inbox_id: UUID) -> InboxRow | None:
    """The delivery of our id."""
    async with conn.cursor(row_factory=class_row(InboxRow)) as cursor:
        await cursor.execute(f"SELECT {_INBOX} FROM inbox WHERE id = %s", (inbox_id,))  # noqa: S608
        return await cursor.fetchone()


async def late_deliveries(conn: Connection, seconds: int) -> list[InboxRow]:
    """At most 200 deliveries that nobody has handled for so long, oldest first."""
    async with conn.cursor(row_factory=class_row(InboxRow)) as cursor:
        await cursor.execute(
            f"""
            SELECT {_INBOX} FROM inbox
            WHERE handled_at IS NULL AND received_at < clock_timestamp() - make_interval(secs => %s)
            ORDER BY received_at LIMIT 200
            """,  # noqa: S608  (a constant of this file)
            (seconds,),
        )
        return await cursor.fetchall()


async def newer_waits(conn: Connection, row: InboxRow) -> bool:
    """Whether a later delivery of the same branch is still to be taken up: it will see all that this one would.

    Later is by the clock of Postgres: our ids come from several clocks, and one that is only thought to be later may have
    looked at the branch before this one was sent.
    """
    cursor = await conn.execute(
        """
        SELECT EXISTS (SELECT FROM inbox
            WHERE repository_id = %s AND ref = %s AND (received_at, id) > (%s, %s) AND handled_at IS NULL)
        """,
        (row.repository_id, row.ref, row.received_at, row.id),
    )
    found = await cursor.fetchone()
    return bool(found and found[0])


async def finish_delivery(conn: Connection, inbox_id: UUID, outcome: str) -> bool:
    """Notes what came of it, once."""
    cursor = await conn.execute(
        "UPDATE inbox SET handled_at = now(), outcome = %s WHERE id = %s AND handled_at IS NULL", (outcome, inbox_id)
    )
    return cursor.rowcount == 1


async def find_tree(conn: Connection, repository_id: UUID, commit: str) -> list[list[Any]] | None:
    """The kept listing of a commit: [path, mode, object id, size] each."""
    cursor = await conn.execute(
        "SELECT entries FROM git_cache WHERE repository_id = %s AND commit_hash = %s", (repository_id, commit)
    )
    row = await cursor.fetchone()
    return row[0] if row else None


async def keep_tree(
    conn: Connection, account_id: UUID, repository_id: UUID, commit: str, entries: Sequence[Sequence[Any]]
) -> None:
    """Keeps the listing of a commit; commits never change, so one that is there stays."""
    await conn.execute(
        """
        INSERT INTO git_cache (account_id, repository_id, commit_hash, entries) VALUES (%s, %s, %s, %s)
        ON CONFLICT DO NOTHING
        """,
        (account_id, repository_id, commit, Jsonb(entries)),
    )


async def find_contents(conn: Connection, repository_id: UUID, object_ids: list[str]) -> dict[str, bytes]:
    """The kept bytes of those files that are kept, by object id."""
    cursor = await conn.execute(
        "SELECT object_id, content FROM git_contents WHERE repository_id = %s AND object_id = ANY(%s)",
        (repository_id, object_ids),
        binary=True,
    )
    return {object_id: bytes(content) for object_id, content in await cursor.fetchall()}


async def keep_contents(conn: Connection, account_id: UUID, repository_id: UUID, contents: Mapping[str, bytes]) -> None:
    """Keeps the bytes of files, by object id. In order of id, so that two who keep the same do not wait in a circle."""
    ids = sorted(contents)
    await conn.execute(
        """
        INSERT INTO git_contents (account_id, repository_id, object_id, content)
        SELECT %s, %s, object_id, content FROM unnest(%s::text[], %s::bytea[]) AS new (object_id, content)
        ON CONFLICT DO NOTHING
        """,
        (account_id, repository_id, ids, [contents[each] for each in ids]),
    )
