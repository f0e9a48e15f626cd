"""The answers kept for repeated calls."""

from dataclasses import dataclass
from uuid import UUID

from psycopg import errors

from stackly_server.database import Connection


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered to which request."""

    request_hash: bytes
    response: bytes
    sealed: bool


async def find_answer(conn: Connection, actor: str, method: str, request_id: UUID) -> Answer | None:
    cursor = await conn.execute(
        """
        SELECT request_hash, response, sealed FROM idempotency
        WHERE actor = %s AND method = %s AND request_id = %s
        """,
        (actor, method, request_id),
    )
    row = await cursor.fetchone()
    return Answer(*row) if row else None


def clashes(error: Exception) -> bool:
    """Whether something of the same key was committed meanwhile: perhaps our own first attempt."""
    return isinstance(error, errors.UniqueViolation)
