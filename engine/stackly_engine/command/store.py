"""What the command remembers between runs, in one SQLite file beside the root: records, exports, the journal.

The state itself stays in Terraform's own terraform.tfstate: delete the `.stackly` folder and plain Terraform goes on;
the next run of the engine then plans everything once.
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from stackly_engine import exact
from stackly_engine.command.project import OWN
from stackly_engine.command.workspace import PRIVATE
from stackly_engine.driving.ports import Share

FORM = 1  # of the tables; another form is forgotten, which costs one whole run
# what SQLite calls: no database, a malformed one, one with other tables than ours
_DAMAGED = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR})
_COLUMNS = (
    "name, value from facts", "unit, document from records", "address, attribute, document from exports",
    "folder, aside, share from journal",
)  # fmt: skip
_TABLES = """
create table if not exists facts (name text primary key, value blob not null);
create table if not exists records (unit text primary key, document blob not null);
create table if not exists exports (address text not null, attribute text, document blob not null);
create unique index if not exists exports_key on exports (address, coalesce(attribute, ''), attribute is null);
create table if not exists journal (folder text primary key, aside text not null, share blob not null);
"""


@dataclass(frozen=True)
class Begun:
    """A batch whose apply was begun and whose state was not yet absorbed."""

    folder: Path
    aside: Path
    share: Share


class Store:
    """One connection; every method is one transaction, on disk when it returns.

    A file that is damaged or of another form is forgotten; `forgotten` then says why, and `tell` was told.
    """

    def __init__(self, root: Path, tell: Callable[[str], None] = lambda _: None) -> None:
        self._lock = threading.Lock()
        self._tell = tell
        self.forgotten = ""
        folder = root / OWN
        folder.mkdir(mode=PRIVATE, exist_ok=True)
        self._path = folder / "engine.db"
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode not in _DAMAGED:
                raise
            self.forget(f"it is damaged: {error}")

    def _open(self) -> None:
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        self._db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=full")
        found = self._db.execute("pragma quick_check(1)").fetchone()[0]
        if found != "ok":
            self.forget(f"it is damaged: {found}")
            return
        form = self._db.execute("pragma user_version").fetchone()[0]
        if form not in {0, FORM}:
            self.forget("another version of stackly-engine wrote it")
            return
        if form != FORM:
            self._db.executescript(_TABLES)
        for columns in _COLUMNS:
            self._db.execute(f"select {columns} limit 0")
        if form != FORM:
            self._db.execute(f"pragma user_version={FORM}")

    def forget(self, why: str) -> None:
        """Begin anew with nothing: every unit is planned once."""
        self.forgotten = why
        self._tell(f"what was remembered in {self._path} is forgotten, every unit is planned once: {why}")
        self._db.close()
        for name in (self._path.name, f"{self._path.name}-wal", f"{self._path.name}-shm"):
            (self._path.parent / name).unlink(missing_ok=True)
        self._open()

    def close(self) -> None:
        self._db.close()

    def facts(self) -> dict[str, bytes]:
        return dict(self._db.execute("select name, value from facts"))

    def records(self) -> dict[str, bytes]:
        """Unit → the document of its last successful apply."""
        return dict(self._db.execute("select unit, document from records"))

    def exports(self) -> dict[tuple[str, str | None], bytes]:
        rows = self._db.execute("select address, attribute, document from exports")
        return {(address, attribute): document for address, attribute, document in rows}

    def journal(self) -> list[Begun]:
        rows = self._db.execute("select folder, aside, share from journal order by folder")
        return [Begun(Path(folder), Path(aside), from_bytes(data)) for folder, aside, data in rows]

    def begin(self, begun: Begun, units: Iterable[str]) -> None:
        """Before an apply starts: its records go, so that a death after this line can only cost another plan."""
        with self._transaction():
            row = (str(begun.folder), str(begun.aside), to_bytes(begun.share))
            self._db.execute("insert or replace into journal values (?, ?, ?)", row)
            self._db.executemany("delete from records where unit = ?", [(unit,) for unit in units])

    def observe(self, resources: int, seconds: float) -> None:
        """What a batch cost; the last fifty are kept, from which the next run's prices come."""
        with self._transaction():
            row = self._db.execute("select value from facts where name = 'runs'").fetchone()
            runs = [*exact.loads(row[0] if row else b"[]"), [resources, Decimal(f"{seconds:.3f}")]][-50:]
            self._db.execute("insert or replace into facts values ('runs', ?)", (exact.dumps(runs),))

    def end(self, folder: Path) -> None:
        """After the state of a batch went into terraform.tfstate."""
        with self._transaction():
            self._db.execute("delete from journal where folder = ?", (str(folder),))

    def learn(
        self,
        *,
        facts: Mapping[str, bytes] | None = None,
        records: Mapping[str, bytes | None] | None = None,
        exports: Mapping[tuple[str, str | None], bytes] | None = None,
    ) -> None:
        """Facts and records by name (a record of None goes), exports of every address named replaced as a whole."""
        with self._transaction():
            self._db.executemany("insert or replace into facts values (?, ?)", (facts or {}).items())
            for unit, document in (records or {}).items():
                self._record(unit, document)
            gone = sorted({address for address, _ in exports or {}})
            self._db.executemany("delete from exports where address = ?", [(address,) for address in gone])
            rows = [(address, attribute, data) for (address, attribute), data in (exports or {}).items()]
            self._db.executemany("insert into exports values (?, ?, ?)", rows)

    def _record(self, unit: str, document: bytes | None) -> None:
        if document is None:
            self._db.execute("delete from records where unit = ?", (unit,))
        else:
            self._db.execute("insert or replace into records values (?, ?)", (unit, document))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("begin immediate")
            try:
                yield
            except BaseException:
                self._db.execute("rollback")
                raise
            self._db.execute("commit")


def to_bytes(share: Share) -> bytes:
    return exact.dumps([sorted(share.tops), share.outputs, share.prefix, sorted(share.copied)])


def from_bytes(data: bytes) -> Share:
    """The share that `to_bytes` wrote."""
    tops, outputs, prefix, *copied = exact.loads(data)  # written before there were copies, it has none
    return Share(frozenset(tops), outputs, prefix, frozenset(copied[0] if copied else ()))
