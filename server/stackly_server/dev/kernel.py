"""What we ask the operating system about processes: start times, children, adoption of orphans."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_LINUX = sys.platform.startswith("linux")


def adopt_orphans() -> bool:
    """Become the parent of every orphan below us (Linux); False where the system has no such thing."""
    if not _LINUX:
        return False
    return bool(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def start_time(pid: int) -> str:
    """A text that differs for two processes which had the same pid; "" when there is no such process, or a zombie."""
    if not _LINUX:
        found = subprocess.run(
            ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return found.stdout.strip()
    fields = _stat(pid)
    return "" if not fields or fields[0] in "ZX" else fields[19]


def children(pid: int) -> list[int]:
    """Living direct children of a process, zombies left out; always empty where there is no /proc."""
    return [child for child in _pids() if (fields := _stat(child)) and fields[0] not in "ZX" and int(fields[1]) == pid]


def dead_children() -> list[int]:
    """Our children that have ended and that nobody has waited for: orphans that came to us among them."""
    ours = os.getpid()
    return [pid for pid in _pids() if (fields := _stat(pid)) and fields[0] == "Z" and int(fields[1]) == ours]


def collect(pid: int) -> None:
    """Take a dead child out of the process table; harmless when somebody else did."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def command_line(pid: int) -> str:
    """The command of a process, words parted by spaces; "" when it is gone or a zombie."""
    if not _LINUX:
        found = subprocess.run(
            ["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return found.stdout.strip()
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode("utf-8", "replace").strip()


def _pids() -> list[int]:
    proc = Path("/proc")
    return [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()] if _LINUX else []


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on (state, parent, …); empty when the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
