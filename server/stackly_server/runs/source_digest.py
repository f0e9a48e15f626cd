"""What the code of a run is, as one digest: its commit's tree, and what was resolved beyond it."""

import hashlib
from uuid import UUID

from stackly_server.database import Connection


def source_digest(tree_sha256: str, artifact_sha256: str) -> str:
    """What plan digests cover of the code: of a run that resolved nothing beyond its tree, the tree's."""
    if not artifact_sha256:
        return tree_sha256
    return hashlib.sha256(f"{tree_sha256}\n{artifact_sha256}".encode()).hexdigest()


async def artifact_of(conn: Connection, account_id: UUID, run_id: UUID) -> str:
    """SHA-256 of the artifact that the run is bound to; empty without one.

    A run that destroys or audits what was applied from the same commit is bound to what that run resolved.
    """
    cursor = await conn.execute(
        """
        SELECT coalesce(nullif(r.artifact_sha256, ''), applied.artifact_sha256, '')
        FROM runs AS r
        LEFT JOIN stack_states AS s ON s.account_id = r.account_id AND s.id = r.stack_state_id
            AND r.type IN ('DESTROY', 'AUDIT')
        LEFT JOIN runs AS applied ON applied.account_id = s.account_id AND applied.id = s.last_applied_run_id
            AND applied.to_commit = r.to_commit
        WHERE r.account_id = %s AND r.id = %s
        """,
        (account_id, run_id),
    )
    row = await cursor.fetchone()
    return str(row[0]) if row else ""
