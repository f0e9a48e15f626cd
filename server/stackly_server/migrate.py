"""Brings the database's schema to this release: `stackly-server migrate`, as the owner of the schema."""

import hashlib
from importlib import resources

import psycopg

_LOCK = 0x5374_6163_6B6C_79


class MigrationError(Exception):
    """The database cannot be reached, or holds a migration that this release does not know, or another text of one."""


def migrate(owner_url: str) -> list[str]:
    """Applies what is missing, one transaction a file, and gives the names applied. Safe to run side by side."""
    with _connect(owner_url) as conn:
        conn.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        conn.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, sha256 text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
        conn.execute("GRANT SELECT ON schema_migrations TO stackly_app")
        done = dict(conn.execute("SELECT name, sha256 FROM schema_migrations").fetchall())
        files = {file.name: file.read_bytes() for file in _files()}
        for name in done.keys() - files.keys():
            raise MigrationError(f"The database is newer than this release: it holds {name}.")
        return [name for name, text in files.items() if _apply(conn, name, text, done.get(name))]


def _connect(owner_url: str) -> psycopg.Connection[tuple[str, str]]:
    try:
        return psycopg.connect(owner_url, autocommit=True)
    except psycopg.OperationalError as error:
        raise MigrationError(f"The database does not let us in: {error}") from error


def _files() -> list[resources.abc.Traversable]:
    folder = resources.files("stackly_server.migrations")
    return sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)


def _apply(conn: psycopg.Connection[tuple[str, str]], name: str, text: bytes, applied: str | None) -> bool:
    digest = hashlib.sha256(text).hexdigest()
    if applied == digest:
        return False
    if applied is not None:
        raise MigrationError(f"The migration {name} was changed after it was applied; write a new one.")
    with conn.transaction():
        conn.execute(text)
        conn.execute("INSERT INTO schema_migrations (name, sha256) VALUES (%s, %s)", (name, digest))
    return True
