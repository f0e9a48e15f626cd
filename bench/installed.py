"""A development platform to measure: started here in a folder of its own, or one that runs already."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_START_SECONDS = 120.0
_STOP_SECONDS = 30.0
_PORTS = 7


@dataclass(frozen=True)
class Installed:
    """Where a platform lives, and its address. `pid` is the supervisor's; 0 for one that others started."""

    home: Path
    port: int
    pid: int = 0

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"

    @property
    def url(self) -> str:
        return f"https://{self.address}"

    @property
    def ca_file(self) -> Path:
        return self.home / "envoy" / "tls" / "ca.pem"

    @property
    def api_key(self) -> str:
        return (self.home / "secrets" / "api-key").read_text(encoding="ascii").strip()


@contextmanager
def platform(home: Path | None, port: int | None) -> Iterator[Installed]:
    """The platform at `home` and `port` when both are given; else a new one, gone with its folder afterwards."""
    if home is not None and port is not None:
        yield Installed(home, port)
        return
    with (
        tempfile.TemporaryDirectory(prefix="stackly-bench-", ignore_cleanup_errors=True) as folder,
        started(Path(folder) / "home", free_base()) as installed,
    ):
        yield installed


@contextmanager
def started(home: Path, port: int, path: str | None = None) -> Iterator[Installed]:
    """Starts a platform and waits until it says that it is up; stops it in the end. `path`: where it finds programs."""
    log = home.with_name("dev.log")
    process = begin(home, port, log, path)
    try:
        _wait_up(process, log)
        yield Installed(home, port, process.pid)
    finally:
        stop(process)


def begin(home: Path, port: int, log: Path, path: str | None = None) -> "subprocess.Popen[bytes]":
    """Starts `stackly-server dev` without its main job."""
    environment = {"PATH": path or os.environ["PATH"], "STACKLY_HOME": str(home), "STACKLY_PORT_BASE": str(port)}
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "stackly_server", "dev", "--no-main-job"],
            env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip


def stop(process: "subprocess.Popen[bytes]") -> None:
    """As Ctrl-C does."""
    process.send_signal(signal.SIGINT)
    process.wait(_STOP_SECONDS)


def free_base() -> int:
    """The first of seven free loopback ports in a row."""
    for base in range(20_000, 60_000, 50):
        if all(_free(base + offset) for offset in range(_PORTS)):
            return base
    raise RuntimeError("no seven free ports in a row")


def _wait_up(process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while "Stackly is up." not in log.read_text(encoding="utf-8"):
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the platform did not start: {log.read_text(encoding='utf-8')[-2000:]}")
        time.sleep(0.02)


def _free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
