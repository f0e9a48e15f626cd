"""Everything a platform keeps or shows, as bytes to be searched: its files, its databases, its processes."""

import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from flows.canary import Canary, hits
from flows.platform import Platform
from stackly_server.dev.home import open_home
from stackly_server.dev.parts.postgres import DATABASE, OPENBAO, SUPERUSER, Postgres

_LOOK_SECONDS = 0.003
_TABLES = """
SELECT table_schema, table_name FROM information_schema.tables
WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
"""


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every regular file below a folder; one that goes meanwhile is left out."""
    for top, _, names in os.walk(folder):
        for name in names:
            path = Path(top, name)
            if path.is_symlink() or not path.is_file():
                continue
            try:
                yield str(path), path.read_bytes()
            except FileNotFoundError:
                continue


def connected(platform: Platform, database: str = DATABASE) -> "psycopg.Connection[TupleRow]":
    """As the superuser, whom no row security stops."""
    url = Postgres(open_home(platform.home)).address.url(SUPERUSER, database)
    return psycopg.connect(url, autocommit=True)


def rows(platform: Platform, database: str) -> Iterator[tuple[str, bytes]]:
    """Every row of every table, each value decoded: `bytea` as it is, everything else as text."""
    with connected(platform, database) as conn:
        for schema, table in conn.execute(_TABLES).fetchall():
            asked = sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, table))
            for row in conn.execute(asked):
                yield f"{database}.{table}", b"\0".join(_bytes(value) for value in row)


def everywhere(platform: Platform) -> Iterator[tuple[str, bytes]]:
    """All files of the installation (logs, blobs, Temporal's database, worker, write-ahead log …) and all rows."""
    yield from files(platform.home)
    for database in (DATABASE, OPENBAO):
        yield from rows(platform, database)


def found_in(stacks: Iterable[tuple[str, bytes]], canaries: Iterable[Canary]) -> set[tuple[str, str]]:
    """(where, `canary as what`) of every hit."""
    wanted = list(canaries)
    return {(where, hit) for where, data in stacks for hit in hits(data, wanted)}


class Watcher:
    """Looks at the command line and environment of every process, again and again, for as long as the block runs.

    Not of `own`, and not below Terraform: what a stack's own provisioner gives its commands is the stack's affair.
    """

    def __init__(self, canaries: Iterable[Canary], own: Iterable[int]) -> None:
        self._canaries = list(canaries)
        self._own = set(own)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._seen: set[tuple[int, bytes]] = set()
        self._below: set[int] = set()  # remembered, as a child of Terraform may outlive it for a moment
        self.found: set[tuple[str, str]] = set()
        self.programs: set[str] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            for process in Path("/proc").iterdir():
                if process.name.isdigit() and int(process.name) not in self._own:
                    self._look(int(process.name))

    def _look(self, pid: int) -> None:
        shown = _read(pid, "cmdline") + b"\0\0" + _read(pid, "environ")
        if (pid, shown) in self._seen:
            return
        self._seen.add((pid, shown))
        program = _read(pid, "comm").decode(errors="replace").strip()
        self.programs.add(program)
        if pid in self._below or _below_terraform(pid):
            self._below.add(pid)
        elif said := hits(shown, self._canaries):
            self.found |= {(program, hit) for hit in said}


def _below_terraform(pid: int) -> bool:
    while pid := _parent(pid):
        if _read(pid, "comm").startswith((b"terraform", b"tofu")):
            return True
    return False


def _parent(pid: int) -> int:
    """0 for the first process and for one that is gone."""
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _bytes(value: Any) -> bytes:
    return bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
