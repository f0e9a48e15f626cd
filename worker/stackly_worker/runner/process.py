"""One Terraform process in its own session: started with a journal, waited for without polling, stopped once."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stackly_worker.runner.journal import Journal


@dataclass(frozen=True)
class Command:
    """What to run: exactly this environment, in this folder; `apart` keeps standard error out of the output file."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    apart: bool = False


@dataclass
class Process:
    """A command under way. The only place that sends it signals: one SIGINT, at the end SIGKILL, never two SIGINTs."""

    journal: Journal
    child: "subprocess.Popen[bytes]"
    _interrupted: bool = field(default=False)

    @classmethod
    def start(cls, command: Command, journal: Journal, lock: int, started_at: float) -> "Process":
        """Run the command in its own session, its output in the journal's files; never a pipe.

        `lock` is an open file whose flock stays held until the command is gone, even if the runner is.
        """
        wrapped = journal.begin(command.argv, started_at, command.folder, apart=command.apart)
        child = subprocess.Popen(
            wrapped, cwd=command.folder, env=dict(command.environment), stdin=lock, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        return cls(journal, child)

    async def wait(self) -> int:
        """The exit code, 128 + signal when killed, -1 when the wrapper itself was killed and nobody knows it."""
        await exited(self.child.pid)
        self.child.wait()
        self._sweep()
        code = self.journal.rc()
        return -1 if code is None else code

    def interrupt(self) -> bool:
        """Ask Terraform to stop in order; only the first call does anything. True when the signal went out."""
        pid = None if self._interrupted else self.journal.pid()
        if pid is None:
            return False
        self._interrupted = True
        self.journal.note_interrupt()  # before it is sent: whoever comes after a crash must not send a second one
        os.kill(pid, signal.SIGINT)
        return True

    def kill(self) -> None:
        """End Terraform at once; its wrapper lives on to write the exit code, the rest of the session goes after."""
        pid = self.journal.pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _sweep(self) -> None:
        """Providers and children of provisioners that outlived Terraform hold no claim: end what is left."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.child.pid, signal.SIGKILL)


async def exited(pid: int) -> None:
    """Return when the process is gone (a child may still have to be reaped); no polling where pidfds exist."""
    if not hasattr(os, "pidfd_open"):
        await asyncio.to_thread(_wait_child, pid)
        return
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(handle, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


def _wait_child(pid: int) -> None:
    """macOS: block in the kernel until the child ends, and leave it for Popen to reap."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
