"""Every statement about stack codes and their versions, and row to object for the room."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from psycopg.rows import kwargs_row
from psycopg.types.json import Jsonb

from stackly_server.clock import uuid7
from stackly_server.database import Connection
from stackly_server.stacks.config import StackConfig, config_from_json, config_to_json
from stackly_server.stacks.model import (
    CodeFinding,
    CodeStatus,
    Reading,
    StackCode,
    StackCodeVersion,
    finding_from_json,
    finding_to_json,
)

_CODE = """c.id, c.slug, c.repository_id, r.slug AS repository, c.repo_path, c.ref, c.current_commit, c.good_commit,
    c.config, c.findings, c.status, c.version, c.created_at, c.updated_at,
    (SELECT count(*) FROM stack_states AS s
        WHERE s.account_id = c.account_id AND s.stack_code_id = c.id AND s.deleted_at IS NULL) AS stack_state_count"""
_CODES = "stack_codes AS c JOIN repositories AS r ON r.account_id = c.account_id AND r.id = c.repository_id"
_VERSION = """stack_code_id, commit_hash, digest, author, message, committed_at, config, findings, created_at"""


async def account(conn: Connection) -> tuple[UUID, str]:
    """The tenant and its name."""
    cursor = await conn.execute("SELECT account_id, name FROM accounts")
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("the tenant has no account row")
    return row[0], row[1]


async def codes_page(conn: Connection, after: str, limit: int) -> list[StackCode]:
    """By slug, after the slug `after`."""
    async with conn.cursor(row_factory=kwargs_row(_code)) as cursor:
        await cursor.execute(
            f"SELECT {_CODE} FROM {_CODES} WHERE c.slug > %s ORDER BY c.slug LIMIT %s",  # noqa: S608
            (after, limit),
        )
        return await cursor.fetchall()


async def find_code(
    conn: Connection, *, slug: str | None = None, id_: UUID | None = None, lock: bool = False
) -> StackCode | None:
    """One by slug or id; with `lock` its row is locked until the transaction ends."""
    async with conn.cursor(row_factory=kwargs_row(_code)) as cursor:
        await cursor.execute(
            f"SELECT {_CODE} FROM {_CODES} WHERE c.slug = %s OR c.id = %s"  # noqa: S608
            + (" FOR UPDATE OF c" if lock else ""),
            (slug, id_),
        )
        return await cursor.fetchone()


async def codes_by_id(conn: Connection, ids: list[UUID]) -> dict[UUID, StackCode]:
    """Codes of these ids."""
    async with conn.cursor(row_factory=kwargs_row(_code)) as cursor:
        await cursor.execute(f"SELECT {_CODE} FROM {_CODES} WHERE c.id = ANY(%s)", (ids,))  # noqa: S608
        return {code.id: code for code in await cursor.fetchall()}


async def find_code_at(
    conn: Connection, repository_id: UUID, repo_path: str, *, lock: bool = False
) -> StackCode | None:
    """The one at a path of a repository."""
    async with conn.cursor(row_factory=kwargs_row(_code)) as cursor:
        await cursor.execute(
            f"SELECT {_CODE} FROM {_CODES} WHERE c.repository_id = %s AND c.repo_path = %s"  # noqa: S608
            + (" FOR UPDATE OF c" if lock else ""),
            (repository_id, repo_path),
        )
        return await cursor.fetchone()


async def codes_of_repository(conn: Connection, repository_id: UUID) -> list[tuple[StackCode, str]]:
    """All of a repository with the digest of their current commit, by path."""
    async with conn.cursor(row_factory=kwargs_row(_code_with_digest)) as cursor:
        await cursor.execute(
            f"""
            SELECT {_CODE}, v.digest FROM {_CODES}
            LEFT JOIN stack_code_versions AS v
                ON v.account_id = c.account_id AND v.stack_code_id = c.id AND v.commit_hash = c.current_commit
            WHERE c.repository_id = %s ORDER BY c.repo_path
            """,  # noqa: S608
            (repository_id,),
        )
        return await cursor.fetchall()


async def insert_code(
    conn: Connection, account_id: UUID, slug: str, place: tuple[UUID, str, str], reading: Reading
) -> UUID | None:
    """A new code at (repository id, path, ref); None when somebody was faster."""
    repository_id, repo_path, ref = place
    cursor = await conn.execute(
        """
        INSERT INTO stack_codes (account_id, id, slug, repository_id, repo_path, ref, current_commit, good_commit,
            config, findings, status)
        VALUES (%(account)s, %(id)s, %(slug)s, %(repository)s, %(path)s, %(ref)s, %(commit)s, %(good)s,
            %(config)s, %(findings)s, %(status)s)
        ON CONFLICT DO NOTHING RETURNING id
        """,
        {
            **_read(reading),
            "account": account_id,
            "id": uuid7(),
            "slug": slug,
            "repository": repository_id,
            "path": repo_path,
            "ref": ref,
            "good": reading.commit if reading.status is CodeStatus.ACTIVE else "",
        },
    )
    row = await cursor.fetchone()
    return row[0] if row else None


async def update_code(conn: Connection, id_: UUID, ref: str, reading: Reading) -> None:
    """Takes the code to a newer commit. An INVALID one keeps what it last said, where it says nothing now."""
    await conn.execute(
        """
        UPDATE stack_codes SET ref = %(ref)s, current_commit = %(commit)s, config = coalesce(%(config)s, config),
            findings = %(findings)s, status = %(status)s, version = version + 1, updated_at = now(),
            good_commit = CASE WHEN %(status)s = 'ACTIVE' THEN %(commit)s ELSE good_commit END
        WHERE id = %(id)s
        """,
        {**_read(reading), "id": id_, "ref": ref},
    )


async def deregister_code(conn: Connection, id_: UUID, version: int) -> bool:
    """ACTIVE or INVALID to DEREGISTERED; False when it is another version now."""
    cursor = await conn.execute(
        """
        UPDATE stack_codes SET status = 'DEREGISTERED', version = version + 1, updated_at = now()
        WHERE id = %s AND version = %s AND status <> 'DEREGISTERED'
        """,
        (id_, version),
    )
    return cursor.rowcount == 1


async def insert_version(conn: Connection, account_id: UUID, code_id: UUID, reading: Reading) -> None:
    """Keeps what was read; a commit that was read before stays as it was."""
    await conn.execute(
        """
        INSERT INTO stack_code_versions
            (account_id, stack_code_id, commit_hash, digest, author, message, committed_at, config, findings)
        VALUES (%(account)s, %(code)s, %(commit)s, %(digest)s, %(author)s, %(message)s, %(committed)s, %(config)s,
            %(findings)s)
        ON CONFLICT DO NOTHING
        """,
        {
            **_read(reading),
            "account": account_id,
            "code": code_id,
            "digest": reading.digest,
            "author": reading.author,
            "message": reading.message,
            "committed": reading.committed_at,
        },
    )


async def find_version(conn: Connection, code_id: UUID, commit: str) -> StackCodeVersion | None:
    async with conn.cursor(row_factory=kwargs_row(_version)) as cursor:
        await cursor.execute(
            f"SELECT {_VERSION} FROM stack_code_versions WHERE stack_code_id = %s AND commit_hash = %s",  # noqa: S608
            (code_id, commit),
        )
        return await cursor.fetchone()


async def versions_page(
    conn: Connection, code_id: UUID, before: tuple[str, str] | None, limit: int
) -> list[StackCodeVersion]:
    """Newest seen first; `before` is (time of creation, commit) of the last one of the page before."""
    created, commit = before or ("infinity", "")
    async with conn.cursor(row_factory=kwargs_row(_version)) as cursor:
        await cursor.execute(
            f"""
            SELECT {_VERSION} FROM stack_code_versions
            WHERE stack_code_id = %s AND (created_at, commit_hash) < (%s::timestamptz, %s)
            ORDER BY created_at DESC, commit_hash DESC LIMIT %s
            """,  # noqa: S608
            (code_id, created, commit, limit),
        )
        return await cursor.fetchall()


def _read(reading: Reading) -> dict[str, Any]:
    return {
        "commit": reading.commit,
        "config": None if reading.config is None else Jsonb(config_to_json(reading.config)),
        "findings": Jsonb([finding_to_json(finding) for finding in reading.findings]),
        "status": reading.status.value,
    }


def _code(
    *, config: Mapping[str, Any] | None, findings: Sequence[Mapping[str, Any]], status: str, **rest: Any
) -> StackCode:
    return StackCode(config=_config(config), findings=_findings(findings), status=CodeStatus(status), **rest)


def _code_with_digest(*, digest: str | None, **rest: Any) -> tuple[StackCode, str]:
    return _code(**rest), digest or ""


def _version(
    *, config: Mapping[str, Any] | None, findings: Sequence[Mapping[str, Any]], **rest: Any
) -> StackCodeVersion:
    return StackCodeVersion(config=_config(config), findings=_findings(findings), **rest)


def _config(data: Mapping[str, Any] | None) -> StackConfig | None:
    return None if data is None else config_from_json(data)


def _findings(data: Sequence[Mapping[str, Any]]) -> tuple[CodeFinding, ...]:
    return tuple(finding_from_json(each) for each in data)
