"""The database as its superuser sees it: what is in it, whose, and back to how it was."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import psycopg
from psycopg import sql

Rows = Mapping[str, tuple[bytes, ...]]
_SETTLED = "SET LOCAL session_replication_role = replica"  # rows go back in any order, without foreign keys


class Tables:
    """All tables but the migrations'."""

    def __init__(self, super_url: str) -> None:
        self._conn = psycopg.connect(super_url, autocommit=True)
        self.names = tuple(row[0] for row in self.rows(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migrations' ORDER BY 1"
        ))  # fmt: skip
        self._marks = sql.SQL(" UNION ALL ").join(_mark(name) for name in self.names)

    def close(self) -> None:
        self._conn.close()

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the superuser reads, or `RETURNING` of what it writes."""
        cursor = self._conn.execute(cast("Any", query), values)
        return cursor.fetchall() if cursor.description else []

    def row(self, query: str, *values: Any) -> tuple[Any, ...]:
        (row,) = self.rows(query, *values)
        return row

    def fingerprint(self, account_id: UUID) -> dict[str, str]:
        """A hash of all rows of an account, by table; empty for none."""
        return dict(self._conn.execute(self._marks, {"account": account_id}).fetchall())

    def written(self) -> int:
        """A number that rises with every transaction that writes."""
        return int(self.row("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")[0])

    def take(self) -> Rows:
        """All rows of all tables."""
        return {name: self._read(name) for name in self.names}

    def put_back(self, rows: Rows) -> list[str]:
        """Makes the tables hold these rows again; gives the names of those that did not."""
        changed = [name for name in self.names if self._read(name) != rows[name]]
        with self._conn.transaction():
            self._conn.execute(_SETTLED)
            for name in changed:
                self._conn.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
                with self._conn.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(name))) as copy:
                    copy.write(b"".join(rows[name]))
        return changed

    def _read(self, name: str) -> tuple[bytes, ...]:
        with self._conn.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(name))) as copy:
            return tuple(sorted(io.BytesIO(b"".join(bytes(part) for part in copy)).readlines()))


def _mark(name: str) -> sql.Composed:
    return sql.SQL(
        "SELECT {}, coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '')"
        " FROM {} AS t WHERE account_id = %(account)s"
    ).format(sql.Literal(name), sql.Identifier(name))


@dataclass(frozen=True)
class Entry:
    """A link of an account's audit chain."""

    sequence: int
    hash: bytes
    body: bytes

    @property
    def told(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


def audit(tables: Tables, account_id: UUID, after: int = 0) -> list[Entry]:
    """The chain after a sequence number, in order."""
    query = "SELECT sequence, hash, body FROM audit_entries WHERE account_id = %s AND sequence > %s ORDER BY sequence"
    return [Entry(number, bytes(link), bytes(body)) for number, link, body in tables.rows(query, account_id, after)]


def head(tables: Tables, account_id: UUID) -> tuple[int, bytes]:
    """Where the account says that its chain ends."""
    number, link = tables.row("SELECT audit_sequence, audit_hash FROM account_heads WHERE account_id = %s", account_id)
    return number, bytes(link)


def broken_at(entries: Sequence[Entry], end: tuple[int, bytes]) -> int | None:
    """The first sequence number at which a chain does not hold; None when it does, to its very end."""
    before = b"\x00"
    for expected, entry in enumerate(entries, start=1):
        before = hashlib.sha256(before + expected.to_bytes(8, "big") + entry.body).digest()
        if entry.sequence != expected or entry.hash != before:
            return expected
    return None if end == (len(entries), before) else len(entries) + 1
