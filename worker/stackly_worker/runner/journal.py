"""The trace of one Terraform command on disk: enough for whoever comes back after the runner is gone."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# The outer shell outlives the runner and writes the exit code. Its stdin is the lock of the work path, which so stays
# locked as long as the command lives; the command itself gets /dev/null, so no daemon of a provisioner can keep it.
# The inner shell notes its own pid and start time, then becomes the command: signals reach Terraform alone.
_INNER = """d=$1; shift
IFS= read -r s < /proc/$$/stat
printf '%s %s\\n' "$$" "$s" > "$d/pid"
exec "$@" < /dev/null"""
_OUTER = """d=$1; i=$2; e=$3; shift 3
if [ "$e" = apart ]; then exec 2> "$d/err" > "$d/out"; else exec > "$d/out" 2>&1; fi
/bin/sh -c "$i" sh "$d" "$@"
printf '%s\\n' "$?" > "$d/rc" """
_GROUP_FIELD = 5
_START_FIELD = 22  # of /proc/<pid>/stat: clock ticks from boot to the start of the process


@dataclass(frozen=True)
class Journal:
    """A folder with argv.json (before the start), pid, out (stdout and stderr, a secret until redacted), rc.

    `durable`: that the command began is on the disk before it does; for what is never begun again.
    """

    folder: Path
    durable: bool = False

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def err(self) -> Path:
        """Standard error of a command whose output is a document (`apart`); else it is in `out`."""
        return self.folder / "err"

    def begin(self, argv: Sequence[str], started_at: float, folder: Path, *, apart: bool = False) -> list[str]:
        """Note what is about to run; the command line that runs it and keeps the journal."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=False)
        note = {"argv": list(argv), "folder": str(folder), "started_at": started_at, "boot": boot_id()}
        write_new(self.folder / "argv.json", json.dumps(note).encode(), synced=self.durable)
        return ["/bin/sh", "-c", _OUTER, "sh", str(self.folder), _INNER, "apart" if apart else "", *argv]

    @property
    def begun(self) -> bool:
        return (self.folder / "argv.json").exists()

    @property
    def interrupted(self) -> bool:
        return (self.folder / "interrupted").exists()

    def note_interrupt(self) -> None:
        write_synced(self.folder / "interrupted", b"")

    def ran_in(self) -> Path:
        """The folder the command was started in; only of a journal that was begun."""
        return Path(json.loads(_text(self.folder / "argv.json"))["folder"])

    def rc(self) -> int | None:
        """The exit code (128 + signal when killed), None while it runs or when nobody was left to write it."""
        text = _text(self.folder / "rc")
        return int(text) if text.endswith("\n") else None

    def pid(self) -> int | None:
        """The command's process id while that very process lives; a reused id is not taken for it."""
        text = _text(self.folder / "pid")
        if not text.endswith("\n"):
            return None
        number, _, stat = text.partition(" ")
        booted = json.loads(_text(self.folder / "argv.json"))["boot"]
        alive = booted == boot_id() and start_time(int(number)) == _start_field(stat)
        return int(number) if alive else None

    def leader(self) -> tuple[int, bool] | None:
        """Process group of the command, and whether its leader (our wrapper) lives; None when it may be another's by now."""
        _, _, stat = _text(self.folder / "pid").partition(" ")
        if not stat or json.loads(_text(self.folder / "argv.json"))["boot"] != boot_id():
            return None
        group = int(stat.rpartition(")")[2].split()[_GROUP_FIELD - 3])
        begun, leads = int(_start_field(stat) or 0), start_time(group)
        # The wrapper started before the command: whoever leads a group of that id and is younger is a stranger.
        return None if leads is not None and int(leads) > begun else (group, leads is not None)


def boot_id() -> str:
    """Differs after each boot of the machine; empty where the system has none."""
    return _text(Path("/proc/sys/kernel/random/boot_id")).strip()


def start_time(pid: int) -> str | None:
    """When the process started, in ticks since boot; None for a process that is gone or a zombie."""
    stat = _text(Path(f"/proc/{pid}/stat"))
    if not stat or stat.rpartition(")")[2].split()[0] == "Z":
        return None
    return _start_field(stat)


def write_synced(path: Path, data: bytes) -> None:
    """A 0600 file that is on the disk, whole, when this returns; FileExistsError when it is there already."""
    write_new(path, data, synced=True)


def write_new(path: Path, data: bytes, *, synced: bool = False) -> None:
    """A new 0600 file; one that is not synced outlives the process, not the machine. FileExistsError when it is there."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        if synced:
            file.flush()
            os.fsync(file.fileno())


def _start_field(stat: str) -> str:
    # The name in brackets may hold anything, blanks and brackets too: count from the last bracket.
    fields = stat.rpartition(")")[2].split()
    return fields[_START_FIELD - 3] if len(fields) > _START_FIELD - 3 else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
