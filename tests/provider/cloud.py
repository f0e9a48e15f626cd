"""The cloud of the test provider: things in an SQLite file, and a ledger of every operation with time and caller."""

import contextlib
import json
import sqlite3
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TABLES = """
create table if not exists things (id text primary key, name text not null, document text not null);
create table if not exists ledger (n integer primary key, began real not null, ended real not null, operation text not null,
    id text not null, name text not null, good integer not null, caller text not null);
"""


class RefusedError(Exception):
    """The cloud does not do this; the message says why."""


@dataclass(frozen=True)
class Entry:
    """One line of the ledger. Times are seconds of one clock; `good` is False for what was refused or made to fail."""

    began: float
    ended: float
    operation: str
    id: str
    name: str
    good: bool
    caller: str


@dataclass(frozen=True)
class Cloud:
    """All processes that know the path share the cloud."""

    path: Path

    def __post_init__(self) -> None:
        """The tables, once, by whoever knows the path first: providers find the file there."""
        if not self.path.exists():
            with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as database:
                database.execute("pragma journal_mode=wal")
                database.executescript(_TABLES)

    def create(self, wanted: Mapping[str, Any], caller: str) -> str:
        """Make a thing; the answer is its id. What it refers to must be there."""
        fresh = f"t-{uuid.uuid4().hex[:12]}"
        with self._operation("create", fresh, wanted, caller) as database:
            self._check_refs(database, wanted)
            row = (fresh, str(wanted["name"]), _document(wanted))
            database.execute("insert into things values (?, ?, ?)", row)
        if "created" in _failures(wanted):
            raise TaintedError(fresh)
        return fresh

    def read(self, thing: str, caller: str) -> dict[str, Any] | None:
        """What was asked for when it was made or changed last; None when it is not there."""
        with self._operation("read", thing, {}, caller) as database:
            row = database.execute("select document from things where id = ?", (thing,)).fetchone()
        found: dict[str, Any] | None = json.loads(row[0]) if row else None
        return found

    def update(self, thing: str, wanted: Mapping[str, Any], caller: str) -> None:
        with self._operation("update", thing, wanted, caller) as database:
            self._check_refs(database, wanted)
            row = (str(wanted["name"]), _document(wanted), thing)
            database.execute("update things set name = ?, document = ? where id = ?", row)

    def delete(self, thing: str, held: Mapping[str, Any], caller: str) -> None:
        """Take a thing away; refused while another refers to it."""
        with self._operation("delete", thing, held, caller) as database:
            for user, document in database.execute("select id, document from things").fetchall():
                if thing in (json.loads(document)["refs"] or []):
                    raise RefusedError(f"delete of {held['name']}: {user} uses it")
            database.execute("delete from things where id = ?", (thing,))

    def find(self, name: str, caller: str) -> list[str]:
        """The ids of all things of that name, in order of their making."""
        with self._operation("find", "", {"name": name}, caller) as database:
            return [row[0] for row in database.execute("select id from things where name = ? order by rowid", (name,))]

    def configured(self, caller: str) -> None:
        """A provider was given its configuration."""
        with self._operation("configure", "", {}, caller):
            pass

    def change(self, thing: str, **fields: Any) -> None:
        """Something outside of Terraform changes a thing: drift. It is not in the ledger."""
        with self._open() as database:
            row = database.execute("select document from things where id = ?", (thing,)).fetchone()
            changed = json.dumps({**json.loads(row[0]), **fields}, sort_keys=True)
            database.execute("update things set document = ? where id = ?", (changed, thing))

    def lose(self, thing: str) -> None:
        """Something outside of Terraform takes a thing away."""
        with self._open() as database:
            database.execute("delete from things where id = ?", (thing,))

    @property
    def ledger(self) -> list[Entry]:
        """Every operation, in the order in which they ended."""
        query = "select began, ended, operation, id, name, good, caller from ledger order by n"
        with self._open() as database:
            rows = database.execute(query).fetchall()
        return [Entry(row[0], row[1], row[2], row[3], row[4], bool(row[5]), row[6]) for row in rows]

    @property
    def things(self) -> dict[str, dict[str, Any]]:
        with self._open() as database:
            return {row[0]: json.loads(row[1]) for row in database.execute("select id, document from things")}

    @staticmethod
    def _check_refs(database: sqlite3.Connection, wanted: Mapping[str, Any]) -> None:
        for other in wanted.get("refs") or []:
            if database.execute("select 1 from things where id = ?", (other,)).fetchone() is None:
                raise RefusedError(f"{wanted['name']} refers to {other}, which is not there")

    @contextlib.contextmanager
    def _operation(
        self, operation: str, thing: str, wanted: Mapping[str, Any], caller: str
    ) -> Iterator[sqlite3.Connection]:
        """One operation with its line in the ledger, whether it is done, refused, or made to fail."""
        began = time.monotonic()
        time.sleep(float(wanted.get("delay") or 0))
        refusal: RefusedError | None = None
        with self._open() as database:
            database.execute("begin immediate")
            name = str(wanted.get("name") or _name(database, thing))
            try:
                self._check_failures(database, operation, name, wanted)
                yield database
            except RefusedError as error:
                refusal = error
            row = (began, time.monotonic(), operation, thing, name, refusal is None, caller)
            database.execute(
                "insert into ledger (began, ended, operation, id, name, good, caller) values (?, ?, ?, ?, ?, ?, ?)", row
            )
            database.execute("commit")
        if refusal is not None:
            raise refusal

    @staticmethod
    def _check_failures(database: sqlite3.Connection, operation: str, name: str, wanted: Mapping[str, Any]) -> None:
        """`fail = ["create"]` always fails, `fail = ["update@2"]` the second time that a thing of this name is updated."""
        query = "select count(*) from ledger where operation = ? and name = ?"
        times = database.execute(query, (operation, name)).fetchone()[0] + 1
        if {operation, f"{operation}@{times}"} & _failures(wanted):
            raise RefusedError(f"{operation} of {name} was made to fail")

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        database = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        try:
            database.execute("pragma synchronous=off")
            yield database
        finally:
            database.close()


class TaintedError(Exception):
    """A thing was made, and then something failed; Terraform keeps it as tainted."""

    def __init__(self, thing: str) -> None:
        super().__init__(f"{thing} was made, then something failed")
        self.thing = thing


def _document(wanted: Mapping[str, Any]) -> str:
    return json.dumps({name: wanted.get(name) for name in ("name", "size", "force", "refs")}, sort_keys=True)


def _failures(wanted: Mapping[str, Any]) -> set[str]:
    return set(wanted.get("fail") or ())


def _name(database: sqlite3.Connection, thing: str) -> str:
    row = database.execute("select name from things where id = ?", (thing,)).fetchone()
    return str(row[0]) if row else ""
