"""One child process: started under the shim, remembered in a pid file, logged to a file, stopped with patience."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from stackly_server.dev import kernel
from stackly_server.dev.problems import START_MARK, PartFailed

_SHIM = Path(__file__).with_name("launch.py")
_POLL_SECONDS = 0.02
_LOG_KEPT_BYTES = 8 * 1024 * 1024


class Identity(StrEnum):
    """Who the child is: as we are, uid 65534 in a namespace of its own (files stay ours), or really uid 65534."""

    OURS = "ours"
    USER_NAMESPACE = "userns"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. `argv[0]` is an absolute path; the environment is exactly `env`, nothing is inherited."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = Path("/")
    identity: Identity = Identity.OURS
    stop_signal: signal.Signals = signal.SIGTERM
    dies_with_us: bool = True  # the kernel sends `stop_signal` when the thread that called `start` is gone (Linux)

    def shimmed(self) -> list[str]:
        death_signal = int(self.stop_signal) if self.dies_with_us else 0
        prefix = [sys.executable, "-I", "-S", str(_SHIM), str(os.getpid()), str(death_signal), self.identity.value]
        return [*prefix, *self.argv]


class ChildProcess:
    """Start, watch and stop one command. All calls from one thread: that thread's end takes the child with it (Linux)."""

    def __init__(self, name: str, *, log: Path, pid_file: Path) -> None:
        self.name = name
        self.log = log
        self._pid_file = pid_file
        self._popen: subprocess.Popen[bytes] | None = None
        self._stop_signal = signal.SIGTERM

    @property
    def pid(self) -> int | None:
        return self._popen.pid if self._popen else None

    def start(self, command: Command) -> None:
        """Spawn in a session of its own (a terminal's Ctrl-C must reach us alone). PartFailed when it cannot be run."""
        if not os.access(command.argv[0], os.X_OK):
            raise PartFailed(self.name, f"no such program: {command.argv[0]}")
        self.stop_leftover(command.stop_signal)
        self._stop_signal = command.stop_signal
        _rotate(self.log)
        with self.log.open("ab") as log:
            log.write(f"{START_MARK}{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n".encode())
            log.flush()
            self._popen = subprocess.Popen(
                command.shimmed(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(command.env),
                cwd=command.cwd,
                start_new_session=True,
            )
        self._pid_file.write_text(f"{self._popen.pid} {kernel.start_time(self._popen.pid)}", encoding="ascii")

    def exit_code(self) -> int | None:
        """None while it runs or was never started; the negative signal number when one ended it."""
        return self._popen.poll() if self._popen else None

    def alive(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def stop(self, patience: float) -> None:
        """Ask by the part's stop signal, wait up to `patience` seconds, then kill. Harmless when it is not running."""
        if self._popen is None:
            return
        if self._popen.poll() is None:
            self._popen.send_signal(self._stop_signal)
            try:
                self._popen.wait(patience)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait()
        self._popen = None
        self._pid_file.unlink(missing_ok=True)

    def stop_leftover(self, stop_signal: signal.Signals = signal.SIGINT, patience: float = 5.0) -> bool:
        """Stop what a dead supervisor of this home left behind; True when there was something."""
        pid = self._leftover()
        if pid is None:
            return False
        os.kill(pid, stop_signal)
        if not _gone_within(pid, patience):
            os.kill(pid, signal.SIGKILL)
            if not _gone_within(pid, patience):
                raise PartFailed(self.name, f"process {pid} of an earlier start cannot be stopped")
        self._pid_file.unlink(missing_ok=True)
        return True

    def _leftover(self) -> int | None:
        """The pid in the pid file, if that very process (by its start time) still runs."""
        try:
            text = self._pid_file.read_text(encoding="ascii")
        except FileNotFoundError:
            return None
        pid, _, started = text.partition(" ")
        alive = pid.isdigit() and started and kernel.start_time(int(pid)) == started
        return int(pid) if alive else None


def clean_environment(home: Path, **extra: str) -> dict[str, str]:
    """The declared environment of a part: nothing of the caller's but what is given."""
    return {"HOME": str(home), "LANG": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin", "TZ": "UTC", **extra}


def _gone_within(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while kernel.start_time(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _rotate(log: Path) -> None:
    """Keep one old log; a part that runs for weeks must not fill the disk between two starts without end."""
    if log.exists() and log.stat().st_size > _LOG_KEPT_BYTES:
        log.replace(log.with_suffix(".old.log"))
