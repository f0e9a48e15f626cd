"""The database's own walls: no table without them, now or later."""

from contextlib import closing

import psycopg
import pytest
from psycopg import sql

from api import FreshDatabase
from server.rules.account import Street
from server.rules.catalogue import ROUTING, holes
from server.rules.tables import Tables
from stackly_server.dev.parts.postgres import APP_ROLE

PLANTED = {
    "CREATE TABLE notes (id uuid PRIMARY KEY)": "notes has no account_id NOT NULL",
    "CREATE TABLE notes (account_id uuid NOT NULL)": "notes has no forced row security",
    "ALTER TABLE runs NO FORCE ROW LEVEL SECURITY": "runs has no forced row security",
    "ALTER TABLE runs DISABLE ROW LEVEL SECURITY": "runs has no forced row security",
    "DROP POLICY tenant ON runs": "runs lacks the policy ('tenant'",
    "ALTER POLICY tenant ON runs WITH CHECK (true)": "runs lacks the policy ('tenant'",
    "CREATE POLICY more ON runs USING (true)": "runs has a policy of its own: ('more'",
    f"ALTER POLICY tenant ON runs TO {APP_ROLE}": "runs has a policy that depends on roles",
    "ALTER TABLE runs ADD UNIQUE (id)": "the unique key runs_id_key is shared by accounts",
    "ALTER TABLE runs ADD UNIQUE (id), ADD FOREIGN KEY (worker_id) REFERENCES runs (id)": "the key runs_worker_id_fkey leaves",
    "ALTER TABLE selectors DROP CONSTRAINT selectors_account_id_namespace_id_fkey, DROP CONSTRAINT selectors_account_id_fkey": (
        "selectors hangs on nothing"
    ),
    f"ALTER TABLE runs OWNER TO {APP_ROLE}": "the app role owns runs",
    f"GRANT CREATE ON SCHEMA public TO {APP_ROLE}": "the app role may create in public",
    f"GRANT UPDATE ON audit_entries TO {APP_ROLE}": "the app role may UPDATE audit_entries",
    "GRANT TRUNCATE ON runs TO PUBLIC": "the app role may TRUNCATE runs",
    "CREATE VIEW every_run AS SELECT * FROM runs": "every_run acts as its owner",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'": "f acts as its owner",
}  # fmt: skip


def test_there_is_no_hole(street: Street) -> None:
    assert holes(street.place.tables) == []
    assert len(street.place.tables.names) > 30


def test_each_planted_hole_is_found(fresh_database: FreshDatabase) -> None:
    with closing(Tables(fresh_database.super_url)) as tables:
        for statement, words in PLANTED.items():
            assert holes(tables) == []
            tables.rows("BEGIN")
            tables.rows(statement)
            found = holes(tables)
            tables.rows("ROLLBACK")
            assert any(each.startswith(words) for each in found), (statement, found)


@pytest.mark.parametrize(
    "setting", ["", "stackly.scope = 'routing'", "stackly.scope = 'relay'", "stackly.account = ''"]
)
def test_without_a_tenant_there_is_nothing(street: Street, setting: str) -> None:
    opened = {"stackly.scope = 'routing'": {"routes"}, "stackly.scope = 'relay'": {"outbox"}}.get(setting, set())
    found: dict[str, int | str] = {name: _rows(street, name, setting) for name in street.place.tables.names}
    closed = {name: rows for name, rows in found.items() if name not in opened}
    assert {rows for name, rows in closed.items() if name in ROUTING} <= {0}
    assert all(isinstance(rows, str) for name, rows in closed.items() if name not in ROUTING), (
        "an error, not an empty answer"
    )
    assert all(isinstance(found[name], int) and found[name] for name in opened)


def _rows(street: Street, table: str, setting: str) -> int | str:
    """How many rows the app sees; the error when it sees none for that."""
    with psycopg.connect(street.place.settings.database_url) as conn:
        if setting:
            conn.execute(f"SET LOCAL {setting}")
        try:
            return len(conn.execute(sql.SQL("SELECT 1 FROM {}").format(sql.Identifier(table))).fetchall())
        except psycopg.Error as error:
            return str(error)


def test_a_tenant_sees_its_own_rows_and_writes_no_others(street: Street) -> None:
    mine, theirs = (account.tenant.account_id for account in (street.b, street.a))
    for name in street.place.tables.names:
        table = sql.Identifier(name)
        copied = sql.SQL(
            "INSERT INTO {} SELECT (jsonb_populate_record(t, jsonb_build_object('account_id', {}::text))).* FROM {} t"
        )
        with psycopg.connect(street.place.settings.database_url) as conn:
            conn.execute(sql.SQL("SET LOCAL stackly.account = {}").format(sql.Literal(str(mine))))
            assert conn.execute(sql.SQL("SELECT DISTINCT account_id FROM {}").format(table)).fetchall() == [(mine,)], (
                name
            )
            with pytest.raises(psycopg.errors.UniqueViolation), conn.transaction():  # as its own it is a double only
                conn.execute(copied.format(table, sql.Literal(str(mine)), table))
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(copied.format(table, sql.Literal(str(theirs)), table))
