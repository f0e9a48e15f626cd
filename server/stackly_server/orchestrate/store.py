"""What the orchestrator asks of the database itself: whose namespaces there are, and what is old."""

from uuid import UUID

from stackly_server.database import Connection


async def accounts(conn: Connection) -> list[UUID]:
    """All tenants; `conn` is of the scope `routing`."""
    cursor = await conn.execute("SELECT account_id FROM routes WHERE kind = 'account'")
    return [row[0] for row in await cursor.fetchall()]


async def active_namespaces(conn: Connection) -> list[str]:
    """The Temporal namespaces of a tenant that are ready."""
    cursor = await conn.execute("SELECT temporal_namespace FROM namespaces WHERE status = 'ACTIVE'")
    return [row[0] for row in await cursor.fetchall()]


async def active_namespace_ids(conn: Connection) -> dict[UUID, str]:
    """The Temporal namespaces of a tenant that are ready, by our id."""
    cursor = await conn.execute("SELECT id, temporal_namespace FROM namespaces WHERE status = 'ACTIVE'")
    return {row[0]: row[1] for row in await cursor.fetchall()}


async def temporal_namespace(conn: Connection, namespace_id: UUID) -> str | None:
    cursor = await conn.execute("SELECT temporal_namespace FROM namespaces WHERE id = %s", (namespace_id,))
    row = await cursor.fetchone()
    return row[0] if row else None


async def activate(conn: Connection, namespace_id: UUID) -> str | None:
    """PROVISIONING to ACTIVE, giving the resource name; None when it was not PROVISIONING."""
    cursor = await conn.execute(
        """
        UPDATE namespaces SET status = 'ACTIVE' WHERE id = %s AND status = 'PROVISIONING'
        RETURNING (SELECT name FROM accounts WHERE accounts.account_id = namespaces.account_id), name
        """,
        (namespace_id,),
    )
    row = await cursor.fetchone()
    return f"accounts/{row[0]}/namespaces/{row[1]}" if row else None


async def forget_answers(conn: Connection, hours: int) -> int:
    """Deletes kept answers of calls that may no longer be repeated."""
    cursor = await conn.execute(
        "DELETE FROM idempotency WHERE created_at < clock_timestamp() - make_interval(hours => %s)", (hours,)
    )
    return cursor.rowcount
