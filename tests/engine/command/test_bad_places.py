"""Folders, workspaces, and what is remembered and kept: odd ones, damaged ones, those that cannot be written."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.command.asking import CHAIN, MODULE, Asked, asked

ALL = {"module.a", "module.b", "module.c", "outputs"}


@pytest.fixture
def engine(tmp_path: Path) -> Asked:
    return asked(tmp_path / "root", {"main.tf": CHAIN, "m/main.tf": MODULE})


@pytest.fixture
def applied(engine: Asked) -> Asked:
    engine("apply", "--yes")
    return engine


# --- what is remembered


def _garbage(engine: Asked) -> None:
    engine.store.write_bytes(b"no database" * 1000)


def _torn(engine: Asked) -> None:
    data = engine.store.read_bytes()
    engine.store.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))


def _sql(*statements: str) -> Callable[[Asked], None]:
    def run(engine: Asked) -> None:
        with sqlite3.connect(engine.store) as database:
            for statement in statements:
                database.execute(statement)
        database.close()

    return run


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_garbage, "file is not a database"),
        (_torn, "damaged"),
        (_sql("pragma user_version=99"), "another version of stackly-engine wrote it"),
        (_sql("drop table records", "create table records (x text)"), "no such column"),
        (_sql("update records set document = cast('{}' as blob)"), "this is no record of a unit"),
        (_sql("update exports set document = cast('[' as blob)"), "not understood"),
        (_sql("insert into journal values ('/nowhere/a', '/nowhere/b', 'zz')"), "its journal is not understood"),
    ],
)
def test_a_memory_that_cannot_be_used_is_forgotten_and_said_so(
    applied: Asked, spoil: Callable[[Asked], None], why: str
) -> None:
    spoil(applied)
    said = applied("apply", "--yes")
    assert f"what was remembered in {applied.store} is forgotten, every unit is planned once" in said.stderr
    assert why in said.stderr
    assert "0 to add, 0 to change, 0 to destroy; 0 units skipped" in said.stdout
    again = applied("plan")
    assert "0 batches" in again.stdout
    assert not again.stderr


def test_a_memory_that_is_no_file(applied: Asked) -> None:
    applied.store.unlink()
    applied.store.mkdir()
    assert applied("plan", code=1).stderr == f"stackly-engine: {applied.store}: Is a directory\n"


# --- the state


_STATES = {
    "{nonsense": "no JSON",
    "": "no JSON",
    "[]": "a state document is an object",
    '{"version": 3, "serial": 1, "lineage": "x", "modules": []}': "only state documents of version 4",
    '{"version": 5, "serial": 1, "lineage": "x"}': "only state documents of version 4",
    '{"version": 4, "serial": "x", "lineage": "x"}': "no serial or no lineage",
    '{"version": 4, "serial": 1, "lineage": "x", "resources": [{"mode": "managed"}]}': "no mode, type and name",
}


def test_a_state_that_cannot_be_used_is_left_alone(applied: Asked) -> None:
    for text, why in _STATES.items():
        applied.state.write_text(text)
        said = applied("apply", "--yes", code=1).stderr
        assert said.startswith(f"stackly-engine: the state in {applied.state} cannot be used: ")
        assert why in said
        assert applied.state.read_text() == text
    for command in ("plan", "why"):
        assert "cannot be used" in applied(command, code=1).stderr


def test_an_encrypted_state_is_for_the_tool_itself(applied: Asked) -> None:
    applied.state.write_text('{"serial": 1, "lineage": "x", "meta": {}, "encrypted_data": "x"}')
    said = applied("plan", code=1).stdout
    assert "runs whole: encryption: terraform.tfstate: the state is encrypted" in said
    assert "Error: " in said


@pytest.mark.parametrize("setting", ['path = "elsewhere.tfstate"', 'workspace_dir = "w"'])
def test_a_state_in_another_place_is_refused(engine: Asked, setting: str) -> None:
    engine.root.write({"backend.tf": f'terraform {{\n  backend "local" {{\n    {setting}\n  }}\n}}\n'})
    for command in ("plan", "why"):
        assert "backend.tf: the local backend keeps the state in another place" in engine(command, code=1).stderr


# --- folders


def test_a_link_to_a_root_is_that_root(applied: Asked, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(applied.folder)
    assert "nothing changed" in applied("plan", folder=link).stdout + applied("plan", folder=link).stdout


@pytest.mark.parametrize("name", ["-with blanks", "ü'n\"ï ${x} %{y}"])
def test_folders_of_any_name(tmp_path: Path, name: str) -> None:
    engine = asked(tmp_path / name / name, {"main.tf": CHAIN, "m/main.tf": MODULE})
    engine("apply", "--yes")
    assert engine.in_sync()
    assert engine.runs() == set()


def test_where_no_folder_can_be_made_beside_the_root_it_runs_whole(engine: Asked) -> None:
    engine.folder.parent.chmod(0o555)
    done = _without_rights(engine, "apply", "--yes")
    engine.folder.parent.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert f"runs whole: place: no folder can be made in {engine.folder.parent}" in done.stdout
    assert "0 to add, 0 to change, 0 to destroy" in engine("apply", "--yes").stdout


def test_a_root_that_cannot_be_written_or_read(engine: Asked) -> None:
    engine.folder.chmod(0o555)
    for command in ("plan", "graph"):
        done = _without_rights(engine, command)
        assert done.returncode == 1
        assert done.stderr == f"stackly-engine: {engine.store.parent}: Permission denied\n"
    engine.folder.chmod(0o755)
    (engine.folder / "main.tf").chmod(0)
    assert _without_rights(engine, "plan").stderr == f"stackly-engine: {engine.folder / 'main.tf'}: Permission denied\n"


def _without_rights(engine: Asked, command: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Permissions mean nothing to root, but for these capabilities."""
    lost = "-dac_override,-dac_read_search"
    drop = ["setpriv", "--bounding-set", lost, "--inh-caps", lost] if os.geteuid() == 0 else []
    if drop and shutil.which("setpriv") is None:
        pytest.skip("root, and no setpriv to be less than that")
    argv = [*drop, *engine.argv(command, *arguments)]
    return subprocess.run(argv, env=engine.env(), capture_output=True, text=True, timeout=120, check=False)


# --- workspaces and the environment


def test_a_workspace_has_a_state_of_its_own(engine: Asked) -> None:
    engine.root.write({"name.tf": "output w {\n  value = terraform.workspace\n}\n"})
    engine.root.run("init")
    _workspace(engine, "new", "blue")
    engine("apply", "--yes")
    assert engine.outputs()["w"]["value"] == "blue"
    assert engine.in_sync()
    assert engine.runs() == set()
    assert not engine.state.exists()
    _workspace(engine, "select", "default")
    assert engine.runs() == ALL
    assert engine.runs(env={"TF_WORKSPACE": "blue"}) == set()


def _workspace(engine: Asked, *arguments: str) -> None:
    subprocess.run(["terraform", "workspace", *arguments], cwd=engine.folder, env=engine.env(), check=True)


def test_what_steers_plain_terraform_and_not_this_command_is_said(engine: Asked) -> None:
    assert "TF_CLI_ARGS_plan is not used" in engine("plan", env={"TF_CLI_ARGS_plan": "-refresh=false"}).stderr
    assert "TF_DATA_DIR is set" in engine("plan", code=1, env={"TF_DATA_DIR": "elsewhere"}).stderr


@pytest.mark.skipif(shutil.which("tofu") is None, reason="no tofu on PATH")
def test_opentofu_is_used_when_it_is_asked_for(engine: Asked) -> None:
    engine("apply", "--yes", "--tool", "tofu")
    assert "0 batches" in engine("plan", "--tool", "tofu").stdout
    assert engine.runs() == ALL  # of another product: everything is planned once


def test_without_a_tool(engine: Asked) -> None:
    assert "neither terraform nor tofu is on PATH" in engine("plan", code=1, env={"PATH": "/nowhere"}).stderr
    assert "/nowhere/tofu is not there" in engine("plan", "--tool", "/nowhere/tofu", code=1).stderr
    assert "does not answer `version`" in engine("plan", "--tool", "/bin/true", code=1).stderr
