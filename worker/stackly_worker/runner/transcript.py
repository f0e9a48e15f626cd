"""From Terraform's output file to the run's log: whole lines → readable text → redacted → spooled."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from stackly_worker.runner import limits
from stackly_worker.runner.events import Events
from stackly_worker.runner.redact import Redactor

_READ = 4 * limits.MIB
_LINE = 64 * limits.MIB  # a line without end is shown in parts, so that memory stays bounded


class Sink(Protocol):
    """Where the log goes; `size` grows with it."""

    @property
    def size(self) -> int: ...

    def append(self, data: bytes) -> int:
        """Take redacted bytes; the size afterwards."""


@dataclass
class Transcript:
    """Reads one output file while it grows; `events` has what its lines said."""

    out: Path
    spool: Sink
    redactor: Redactor
    events: Events = field(default_factory=Events)
    _offset: int = 0
    _rest: bytes = b""

    def poll(self) -> bool:
        """Take what is new; True when the log grew."""
        before = self.spool.size
        while data := self._read():
            self._take(data)
        return self.spool.size > before

    def finish(self) -> None:
        """After the process is gone: the rest, an open line and what the redactor holds back included."""
        self.poll()
        if self._rest:
            self._line(self._rest)
            self._rest = b""
        self.spool.append(self.redactor.finish())

    def say(self, text: str) -> None:
        """A sentence of the runner's own, in the log like Terraform's."""
        self.spool.append(self.redactor.feed(text.encode() + b"\n") + self.redactor.finish())

    def _read(self) -> bytes:
        try:
            handle = os.open(self.out, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return b""
        try:
            data = os.pread(handle, _READ, self._offset)
        finally:
            os.close(handle)
        self._offset += len(data)
        return data

    def _take(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line)
        if len(self._rest) > _LINE:
            self._line(self._rest)
            self._rest = b""

    def _line(self, line: bytes) -> None:
        if text := self.events.feed(line):
            self.spool.append(self.redactor.feed(text.encode("utf-8", "replace")))
