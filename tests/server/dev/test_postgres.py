"""Postgres as a part: starts, is used, keeps its data, tells what is wrong."""

import os
from pathlib import Path

import psycopg
import pytest

from stackly_server.dev.home import open_home
from stackly_server.dev.part import bring_up
from stackly_server.dev.parts.postgres import APP_ROLE, OWNER_ROLE, SUPERUSER, Postgres
from stackly_server.dev.problems import PartFailed


def test_roles_have_no_more_rights_than_they_need(postgres: Postgres) -> None:
    with psycopg.connect(postgres.address.url(APP_ROLE)) as connection:
        row = connection.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert row == (False, False, False, False)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE public.mine (id int)")
    with psycopg.connect(postgres.address.url(OWNER_ROLE)) as connection:
        connection.execute("CREATE TABLE public.owned (id int)")
        connection.rollback()


def test_app_role_cannot_enter_openbaos_database(postgres: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(postgres.address.url(APP_ROLE, "openbao")).close()


def test_only_a_unix_socket_in_a_private_folder(postgres: Postgres) -> None:
    assert postgres.sql("SHOW listen_addresses") == ""
    assert postgres.address.socket_dir.stat().st_mode & 0o077 == 0


def test_restart_keeps_data_even_after_a_kill(tmp_path: Path) -> None:
    first = Postgres(open_home(tmp_path / "home"))
    bring_up(first)
    first.sql("CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)")
    assert first.process.pid is not None
    os.kill(first.process.pid, 9)
    while first.died() is None:
        pass
    second = Postgres(open_home(tmp_path / "home"))
    bring_up(second)
    try:
        assert second.sql("SELECT id FROM kept") == "7"
    finally:
        second.stop()
        first.stop()


def test_a_second_supervisor_takes_over_what_a_dead_one_left(tmp_path: Path) -> None:
    abandoned = Postgres(open_home(tmp_path / "home"))
    bring_up(abandoned)
    heir = Postgres(open_home(tmp_path / "home"))
    bring_up(heir)
    try:
        assert not abandoned.process.alive()
        assert heir.sql("SELECT 1") == "1"
    finally:
        heir.stop()
        abandoned.stop()


def test_long_home_gets_a_short_socket_folder(tmp_path: Path) -> None:
    part = Postgres(open_home(tmp_path / ("x" * 120)))
    bring_up(part)
    try:
        with psycopg.connect(part.address.url(SUPERUSER)) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        part.stop()
        part.address.socket_dir.rmdir()
        part.home.runtime.rmdir()


def test_broken_data_is_told_with_the_end_of_the_log(tmp_path: Path) -> None:
    part = Postgres(open_home(tmp_path / "home"))
    bring_up(part)
    part.stop()
    (tmp_path / "home/postgres/data/PG_VERSION").write_text("9\n")
    with pytest.raises(PartFailed, match="another major version") as caught:
        bring_up(part)
    assert "last lines of" in str(caught.value)
