"""A run's log on disk: redacted bytes appended once, read as chunks by offset."""

import os
from pathlib import Path
from typing import Self

from stackly_worker.runner import limits

_CUT = b" ...(line cut at 64 KiB)\n"
_FULL = b"\n(the log of this run reached its bound; what follows is not kept)\n"


class LogSpool:
    """An append-only file. A line is cut at 64 KiB, the whole at `limit` bytes; both with a notice in the log.

    What goes in must have been redacted. Opening an existing file goes on at its end, so that whoever comes back after
    a crash sends on from the offset the server acknowledged.
    """

    def __init__(self, path: Path, limit: int = limits.LOG_TOTAL) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)
        self._limit = limit
        self._line = 0
        self.size = os.fstat(self._file).st_size
        self.full = self.size >= limit

    def append(self, data: bytes) -> int:
        """Keep the data within the bounds; the log's size in bytes afterwards."""
        if data and not self.full:
            self._write(self._cut_lines(data))
        return self.size

    def read(self, offset: int, size: int = limits.LOG_CHUNK) -> bytes:
        """At most `size` bytes from the offset; empty at the end."""
        return os.pread(self._file, min(size, limits.LOG_CHUNK), offset)

    def close(self) -> None:
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, data: bytes) -> None:
        room = self._limit - len(_FULL) - self.size
        if len(data) > room:
            data, self.full = data[: max(0, room)] + _FULL, True
        view = memoryview(data)
        while view:
            written = os.write(self._file, view)
            self.size += written
            view = view[written:]

    def _cut_lines(self, data: bytes) -> bytes:
        """The data with the rest of each over-long line left out; remembers how long the open line is."""
        return b"".join(self._cut_line(line) for line in data.splitlines(keepends=True))

    def _cut_line(self, line: bytes) -> bytes:
        ended = line.endswith(b"\n")
        room = limits.LOG_LINE - self._line
        self._line = 0 if ended else self._line + len(line)
        if len(line) <= room:
            return line
        # Past its bound a line says so once, and what is left of it goes nowhere.
        return line[:room] + _CUT if room > 0 else b""
