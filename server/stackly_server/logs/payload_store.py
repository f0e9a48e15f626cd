"""Whose Temporal namespace it is."""

from stackly_server.database import Connection


async def namespace_of(conn: Connection, temporal_namespace: str) -> str | None:
    """The name of the tenant's namespace that Temporal calls so."""
    cursor = await conn.execute("SELECT name FROM namespaces WHERE temporal_namespace = %s", (temporal_namespace,))
    row = await cursor.fetchone()
    return row[0] if row else None
