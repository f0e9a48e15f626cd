"""The home, the ports, the processes: small things that everything else stands on."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path

import pytest

from stackly_server.dev import kernel
from stackly_server.dev.home import lock_home, open_home, write_private
from stackly_server.dev.identity import postgres_identity
from stackly_server.dev.part import bring_up
from stackly_server.dev.parts.postgres import Postgres
from stackly_server.dev.ports import fixed_ports, free_ports, require_free
from stackly_server.dev.problems import PartFailed, likely_cause, log_tail
from stackly_server.dev.process import ChildProcess, Command, Identity, clean_environment
from stackly_server.dev.programs import OneShot, Program, ReadyFile

ROOT = os.geteuid() == 0


def child(home: Path, name: str = "child") -> ChildProcess:
    return ChildProcess(name, log=home / f"{name}.log", pid_file=home / f"{name}.pid")


def shell(script: str, home: Path) -> Command:
    return Command(("/bin/sh", "-c", script), clean_environment(home), home)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline


def test_everything_in_the_home_is_private(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o755)
    home = open_home(tmp_path / "home")
    folders = [home.root, home.logs, home.pids, home.secrets, home.cache, home.runtime, home.socket_dir("api")]
    assert {folder.stat().st_mode & 0o077 for folder in folders} == {0}
    write_private(home.secrets / "key", "x")
    assert (home.secrets / "key").stat().st_mode & 0o777 == 0o600


def test_a_link_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/secrets").symlink_to(tmp_path)
    with pytest.raises(PartFailed, match="not a folder of ours"):
        open_home(tmp_path / "home")


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PartFailed, match="STACKLY_HOME"):
        open_home(tmp_path / "file/home")


def test_the_lock_names_its_holder(tmp_path: Path) -> None:
    home = open_home(tmp_path / "home")
    with lock_home(home), pytest.raises(PartFailed, match=str(os.getpid())):
        lock_home(home)
    lock_home(home).close()


def test_taken_ports_are_all_named() -> None:
    assert astuple(fixed_ports(9000)) == tuple(range(9000, 9007))
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        ports = replace(free_ports(), worker=one.getsockname()[1], temporal=two.getsockname()[1])
        with pytest.raises(PartFailed) as caught:
            require_free(ports)
    assert "(worker)" in str(caught.value)
    assert "(temporal)" in str(caught.value)
    assert "(public)" not in str(caught.value)


def test_the_tail_is_short_and_the_cause_is_named(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join(str(number) for number in range(10_000)) + "\nNo space left on device\n")
    assert log_tail(log).splitlines()[0] == "9986"
    assert "disk is full" in str(PartFailed("part", "ended", log=log))
    assert "glibc" in likely_cause("/lib/libc.so.6: version `GLIBC_2.31' not found")


def test_the_tail_begins_at_the_last_start(tmp_path: Path) -> None:
    for word in ("first", "second"):
        process = child(tmp_path)
        process.start(shell(f"echo {word}", tmp_path))
        until(lambda: process.exit_code() == 0)  # noqa: B023  (called before the next turn)
        process.stop(1)
    assert log_tail(tmp_path / "child.log") == "second"
    assert "first" in (tmp_path / "child.log").read_text()


def test_the_environment_is_what_was_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKLY_CANARY", "leaks")
    process = child(tmp_path)
    process.start(shell("env", tmp_path))
    until(lambda: process.exit_code() == 0)
    assert "STACKLY_CANARY" not in process.log.read_text()
    assert "LANG=C.UTF-8" in process.log.read_text()
    process.stop(1)


def test_a_process_that_will_not_stop_is_killed(tmp_path: Path) -> None:
    process = child(tmp_path)
    process.start(shell("trap '' TERM; echo up; while :; do sleep 0.05; done", tmp_path))
    until(lambda: "up" in process.log.read_text())
    began = time.monotonic()
    process.stop(0.2)
    assert time.monotonic() - began < 3
    assert not process.alive()
    assert not (tmp_path / "child.pid").exists()


def test_a_pid_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    bystander = child(tmp_path, "bystander")
    bystander.start(shell("exec sleep 100", tmp_path))
    (tmp_path / "child.pid").write_text(f"{bystander.pid} 1")  # same pid, another start: reused since
    assert not child(tmp_path).stop_leftover(signal.SIGTERM)
    assert bystander.alive()
    bystander.stop(1)


def test_a_missing_program_is_told(tmp_path: Path) -> None:
    with pytest.raises(PartFailed, match="no such program"):
        child(tmp_path).start(Command(("/nowhere/postgres",)))


@pytest.mark.skipif(not (ROOT and sys.platform.startswith("linux")), reason="only root has another identity to take")
@pytest.mark.parametrize("identity", [Identity.USER_NAMESPACE, Identity.NOBODY])
def test_the_parent_death_signal_survives_the_change_of_user(tmp_path: Path, identity: Identity) -> None:
    tmp_path.chmod(0o755)
    process = child(tmp_path)
    # field 2 of prctl's answer: the signal that was asked for
    ask = "import ctypes,os;s=ctypes.c_int();ctypes.CDLL(None).prctl(2,ctypes.byref(s));print(os.geteuid(),s.value)"
    process.start(Command(("/usr/bin/env", "python3", "-c", ask), clean_environment(Path("/")), Path("/"), identity))
    until(lambda: process.exit_code() is not None)
    assert log_tail(process.log).split() == ["65534", str(int(signal.SIGTERM))]
    process.stop(1)


@pytest.mark.skipif(not ROOT, reason="only root may become somebody else")
def test_root_without_user_namespaces_runs_postgres_as_nobody(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith(("test_", "popen-", "pytest-")):
            folder.chmod(0o755)
    part = Postgres(open_home(tmp_path / "home"), identity=Identity.NOBODY)
    bring_up(part)
    try:
        assert part.sql("SELECT 1") == "1"
        assert part.process.pid is not None
        assert Path(f"/proc/{part.process.pid}").stat().st_uid == 65534
    finally:
        part.stop()
    again = Postgres(open_home(tmp_path / "home"), identity=Identity.NOBODY)
    bring_up(again)
    again.stop()


@pytest.mark.skipif(not ROOT, reason="only root may become somebody else")
def test_a_home_that_nobody_cannot_enter_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    part = Postgres(open_home(tmp_path / "home"), identity=Identity.NOBODY)
    with pytest.raises(PartFailed, match="cannot enter"):
        bring_up(part)


def test_an_ordinary_user_is_nobody_else() -> None:
    assert (postgres_identity() is Identity.OURS) == (not ROOT)


def test_a_program_gets_its_settings_and_is_ready_when_it_says_so(tmp_path: Path) -> None:
    home = open_home(tmp_path / "home")
    ready = tmp_path / "ready"
    script = f'echo "$STACKLY_WORD" && touch {ready} && exec sleep 100'
    program = Program("greeter", home, ("/bin/sh", "-c", script), lambda: {"STACKLY_WORD": "hello"}, ReadyFile(ready))
    bring_up(program)
    assert log_tail(program.log) == "hello"
    pid = program.process.pid
    program.stop()
    assert pid is not None
    assert kernel.start_time(pid) == ""


def test_what_a_killed_process_said_does_not_make_the_next_one_ready(tmp_path: Path) -> None:
    home, ready, go = open_home(tmp_path / "home"), tmp_path / "ready", tmp_path / "go"
    go.touch()
    script = f"while [ ! -e {go} ]; do sleep 0.01; done; touch {ready} && exec sleep 100"
    program = Program("greeter", home, ("/bin/sh", "-c", script), dict, ReadyFile(ready))
    bring_up(program)
    assert program.process.pid is not None
    os.kill(program.process.pid, signal.SIGKILL)
    while program.died() is None:
        pass
    go.unlink()
    program.start()
    assert not program.answers()
    go.touch()
    program.ready()
    program.stop()


def test_a_one_shot_is_ready_when_it_has_ended_well(tmp_path: Path) -> None:
    home = open_home(tmp_path / "home")
    good = OneShot("good", home, ("/bin/sh", "-c", "exit 0"), dict)
    bring_up(good)
    assert good.died() is None
    good.stop()
    bad = OneShot("bad", home, ("/bin/sh", "-c", "echo reason; exit 3"), dict)
    with pytest.raises(PartFailed, match=r"(?s)exit code 3.*reason"):
        bring_up(bad)
