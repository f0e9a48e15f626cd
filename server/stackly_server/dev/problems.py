"""Why a part could not start, told so that a person can act: what, the likely cause, the end of its log."""

from pathlib import Path

_TAIL_LINES = 15
_TAIL_BYTES = 16_384
START_MARK = "=== started "  # begins a line of a log at each start
_CAUSES = (
    ("No space left on device", "the disk is full: free some space, or set STACKLY_HOME to another disk"),
    ("GLIBC_", "this machine's C library is too old for the part's binary (Envoy needs glibc 2.31)"),
    ("address already in use", "another process holds its port: stop it, or set STACKLY_PORT_BASE"),
    ("Address already in use", "another process holds its port: stop it, or set STACKLY_PORT_BASE"),
    ("Cannot allocate memory", "the machine is out of memory"),
    ("database files are incompatible", "the data was made by another major version of Postgres"),
    ("Permission denied", "a file or folder of the part cannot be read by the user it runs as"),
)


class PartFailed(Exception):
    """A part did not start, does not answer, or died. `str()` is the whole message for the terminal."""

    def __init__(self, part: str, what: str, *, hint: str = "", log: Path | None = None) -> None:
        self.part = part
        self.what = what
        self.log = log if log and log.exists() else None
        self.tail = log_tail(self.log) if self.log else ""
        self.hint = hint or likely_cause(f"{what}\n{self.tail}")
        super().__init__(self._text())

    def _text(self) -> str:
        lines = [f"{self.part}: {self.what}"]
        if self.hint:
            lines.append(f"  likely cause: {self.hint}")
        if self.log:
            lines.append(f"  last lines of {self.log}:")
            lines += [f"    {line}" for line in self.tail.splitlines()] or ["    (the log is empty)"]
        return "\n".join(lines)


def log_tail(log: Path, lines: int = _TAIL_LINES) -> str:
    """The last lines since the last start, at most 16 KiB of them; "" when there are none."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    found = text.splitlines()
    starts = [number for number, line in enumerate(found) if line.startswith(START_MARK)]
    return "\n".join(found[starts[-1] + 1 if starts else 0 :][-lines:])


def likely_cause(text: str) -> str:
    """The first known cause whose mark appears in the text; "" when none does."""
    return next((cause for mark, cause in _CAUSES if mark in text), "")
