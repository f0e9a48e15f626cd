"""The supervisor from outside: a process that is started, interrupted and killed, and what is left of it."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

import pytest

from stackly_server.dev import kernel
from stackly_server.dev.ports import Ports, free_ports
from stackly_server.dev.vault_client import VaultClient, VaultRefused

PARTS = ("postgres", "openbao", "temporal", "envoy", "leaver")
SECONDS = 60.0


class Run:
    """One supervisor of one home."""

    def __init__(self, home: Path, ports: Ports, *flags: str) -> None:
        self.home = home
        self.ports = ports
        script = str(Path(__file__).with_name("supervised.py"))
        argv = [sys.executable, script, json.dumps(astuple(ports)), *flags]
        path = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"], "STACKLY_HOME": str(home)}
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=path, bufsize=0)
        self.said = ""

    def until(self, words: str) -> str:
        """Read what it says until the words come; fails when it ends or takes too long before."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + SECONDS
        while words not in self.said:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no {words!r} in {SECONDS} s; it said:\n{self.said}"
            chunk = self.process.stdout.read(65536)
            assert chunk, f"it ended before {words!r}; it said:\n{self.said}"
            self.said += chunk.decode()
        return self.said

    def end(self, number: signal.Signals | None = None) -> float:
        """Signal it and wait for its end; the seconds that took."""
        began = time.monotonic()
        if number:
            self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=SECONDS)
        self.said += rest.decode()
        return time.monotonic() - began

    def pids(self) -> dict[str, int]:
        return {name: int((self.home / f"pids/{name}.pid").read_text().split()[0]) for name in PARTS}

    def orphan(self) -> int:
        return int((self.home / "orphan.pid").read_text())


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    for file in [*(tmp_path / "home/pids").glob("*.pid"), tmp_path / "home/orphan.pid"]:  # after a failed test only
        if file.exists() and kernel.start_time(pid := int(file.read_text().split()[0])):
            os.kill(pid, signal.SIGKILL)


def gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + 15
    while any(kernel.start_time(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
    return True


def test_ctrl_c_stops_all_in_ten_seconds_and_a_second_start_finds_the_data(home: Path) -> None:
    first = Run(home, free_ports())
    first.until("UP\n")
    pids = [*first.pids().values(), first.orphan()]
    assert first.end(signal.SIGINT) < 10
    assert first.process.returncode == 0
    assert gone(pids)
    assert "killed at the end" in first.said
    assert str(home / "orphan.pid") in first.said
    order = [first.said.index(f"{name} stopped") for name in ("leaver", "envoy", "openbao", "postgres")]
    assert order == sorted(order)
    assert list((home / "pids").iterdir()) == []
    seal = (home / "secrets/openbao-seal.key").read_text()
    second = Run(home, first.ports)
    second.until("UP\n")
    second.end(signal.SIGTERM)
    assert (home / "secrets/openbao-seal.key").read_text() == seal


def test_a_part_that_dies_is_started_again_and_said(home: Path) -> None:
    run = Run(home, free_ports())
    run.until("UP\n")
    for name in ("envoy", "postgres", "openbao", "temporal"):
        os.kill(run.pids()[name], signal.SIGKILL)
        said = run.until(f"{name} restarted")
        assert f"{name} died" in said
        assert "signal 9" in said
        assert "last lines of" in said
    run.end(signal.SIGINT)
    assert run.process.returncode == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's parent-death signal is Linux'")
def test_a_killed_supervisor_takes_its_parts_along(home: Path) -> None:
    run = Run(home, free_ports())
    run.until("UP\n")
    pids = list(run.pids().values())
    run.end(signal.SIGKILL)
    assert gone(pids)
    os.kill(run.orphan(), signal.SIGKILL)
    again = Run(home, run.ports)
    again.until("UP\n")
    again.end(signal.SIGINT)
    assert again.process.returncode == 0


def test_a_taken_port_is_told_before_anything_starts(home: Path) -> None:
    ports = free_ports()
    with socket.create_server(("127.0.0.1", ports.openbao)):
        run = Run(home, ports)
        run.end()
    assert run.process.returncode == 1
    assert f"{ports.openbao} (openbao)" in run.said
    assert "STACKLY_PORT_BASE" in run.said
    assert list((home / "logs").iterdir()) == []


def test_ctrl_c_in_the_middle_of_the_start_stops_it_all_the_same(home: Path) -> None:
    run = Run(home, free_ports(), "--stuck")
    run.until("envoy ready")
    while not (home / "stuck.started").exists():
        assert run.process.poll() is None
    pids = list(run.pids().values())
    assert run.end(signal.SIGINT) < 10
    assert run.process.returncode == 0
    assert gone(pids)
    assert "failed" not in run.said


def test_openbao_finds_a_restarted_database_again(home: Path) -> None:
    run = Run(home, free_ports())
    run.until("UP\n")
    os.kill(run.pids()["postgres"], signal.SIGKILL)
    run.until("postgres restarted")
    role, secret = ((home / f"secrets/api.{part}-id").read_text() for part in ("role", "secret"))
    deadline = time.monotonic() + 20
    while not token(run.ports.openbao, role, secret):
        assert time.monotonic() < deadline
    run.end(signal.SIGINT)
    assert run.process.returncode == 0


def token(port: int, role: str, secret: str) -> str:
    try:
        return VaultClient(port).login(role, secret).token
    except VaultRefused:
        return ""


def test_one_supervisor_for_one_home(home: Path) -> None:
    first = Run(home, free_ports())
    first.until("UP\n")
    second = Run(home, free_ports())
    second.end()
    assert second.process.returncode == 1
    assert f"in use by process {first.process.pid}" in second.said
    first.end(signal.SIGINT)
    assert first.process.returncode == 0
