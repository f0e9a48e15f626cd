"""What runs on this machine, as any user of it may look."""

import json
from pathlib import Path


def what_anybody_sees() -> list[bytes]:
    """Command line and environment of every process."""
    return [_read(pid, "cmdline") + _read(pid, "environ") for pid in _pids()]


def runner_pid(home: Path) -> int:
    """The runner of the one apply."""
    (note,) = home.glob("batches/*apply*/*/runner.json")
    return int(json.loads(note.read_text())["pid"])


def living(home: Path) -> list[int]:
    """Runners that had a task, and everything of Terraform's below the home; warm runners are not meant."""
    noted = {json.loads(note.read_text())["pid"] for note in home.glob("batches/*/*/runner.json")}
    return [pid for pid in _pids() if _alive(pid) and (pid in noted or str(home / "work") in _works_in(pid))]


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _works_in(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return ""


def _alive(pid: int) -> bool:
    stat = _read(pid, "stat").rpartition(b")")[2].split()
    return bool(stat) and stat[0] != b"Z"
