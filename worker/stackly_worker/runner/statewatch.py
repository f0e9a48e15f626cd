"""Watches Terraform's local state file and gives each whole new version of it."""

import json
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from stackly_engine import exact, slices
from stackly_worker.runner import limits


@dataclass(frozen=True)
class StateVersion:
    """One whole state document as it lay on disk."""

    document: bytes
    serial: int
    lineage: str
    sha256: str

    @property
    def large(self) -> bool:
        """Above 16 MB each version costs noticeably; the run's log says so once."""
        return len(self.document) > limits.STATE_LARGE


@dataclass(frozen=True)
class ReadState:
    """A whole state document that was read once, for all who look at it: `content` is its exact values, never changed."""

    version: StateVersion
    content: dict[str, Any]

    @classmethod
    def of(cls, document: bytes) -> "ReadState":
        """FormatError when it is no whole, plain state document."""
        content = slices.parse(document)
        serial, lineage = content.get("serial"), content.get("lineage")
        if not isinstance(serial, int) or isinstance(serial, bool) or not isinstance(lineage, str):
            raise exact.FormatError("a state document has a whole serial and a lineage")
        return cls(StateVersion(document, serial, lineage, sha256(document).hexdigest()), content)


@dataclass
class StateWatch:
    """Looks at one path; the caller owns the rhythm (`limits.WATCH_INTERVAL`, so a version is seen within 50 ms).

    Terraform truncates the file and writes it in place, so bytes that do not parse are a version under way: looked at
    again, never given. `digest` is that of the version known before, which is not given again.
    """

    path: Path
    digest: str = ""
    _seen: tuple[int, int, int] = field(default=(0, 0, 0))

    def look(self) -> StateVersion | None:
        """The version on disk, when it is whole and differs from the one given last."""
        stamp = self._stamp()
        if stamp is None or stamp == self._seen or not stamp[1]:
            return None
        version = read_whole(self.path)
        if version is None or version.sha256 == self.digest:
            # The same stamp may still hide a write under way when nothing parsed: look again next time.
            self._seen = stamp if version is not None and stamp == self._stamp() else self._seen
            return None
        if stamp == self._stamp():
            self._seen = stamp
        self.digest = version.sha256
        return version

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def newest(paths: Iterable[Path]) -> StateVersion | None:
    """Of the whole documents at these paths the one with the highest serial, the earlier path first; None without."""
    found = [version for path in paths if (version := read_whole(path))]
    return max(found, key=lambda version: version.serial, default=None)


def later(one: StateVersion | None, other: StateVersion | None) -> StateVersion | None:
    """The one with the higher serial, the first of equals."""
    return max((each for each in (one, other) if each), key=lambda version: version.serial, default=None)


def read_whole(path: Path) -> StateVersion | None:
    """The whole state document at a path; None without, or when there is no plain file (code may have put a pipe)."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        return None
    with os.fdopen(handle, "rb") as file:
        return whole(file.read(limits.STATE_BYTES + 1))


def whole(document: bytes) -> StateVersion | None:
    """The document as a version, None when it is not a whole state document."""
    if not document.rstrip().endswith(b"}") or len(document) > limits.STATE_BYTES:
        return None
    try:
        state = json.loads(document, parse_int=_plain, parse_float=_plain)
        serial, lineage = int(state["serial"]), str(state["lineage"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return StateVersion(document, serial, lineage, sha256(document).hexdigest())


def _plain(text: str) -> str:
    """Numbers stay text: only wholeness matters here, and a number of 5,000 digits is still whole."""
    return text
