"""Every statement about connected repositories."""

from uuid import UUID

from psycopg import errors
from psycopg.rows import kwargs_row

from stackly_server.accounts.model import Repository
from stackly_server.database import Connection
from stackly_server.errors import AlreadyExists

_COLUMNS = "id, slug, clone_url, full_name, external_id, default_ref, created_at"


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
            SELECT {_COLUMNS} FROM repositories
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
            SELECT {_COLUMNS} FROM repositories
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
