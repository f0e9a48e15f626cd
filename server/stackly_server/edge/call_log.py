"""One line of JSON for each call, and counters by method and code. Neither holds a token, a secret or a field's value."""

import asyncio
import atexit
import json
import logging
from collections import defaultdict
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TextIO

from stackly_server.access import Subject

CALLS = logging.getLogger("stackly.calls")
_GATHERED_SECONDS = 0.05
_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)


@dataclass(slots=True)
class Metrics:
    """Counters of this process: (method, code) → calls, method → seconds in all, and calls under way."""

    calls: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    running: int = 0

    def count(self, method: str, code: str, seconds: float) -> None:
        """Notes one finished call."""
        self.calls[method, code] += 1
        self.seconds[method] += seconds


class JsonLines(logging.Formatter):
    """Log records as JSON lines; what stands in `record.facts` becomes keys."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return _ENCODER.encode(line)


class Gathering(logging.Handler):
    """Writes records of a stream together, at most 50 ms after the first; warnings and worse at once, with all before.

    A write for each call would cost more than the rest of it. A process that is killed loses what it gathered.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: list[str] = []
        atexit.register(self.flush)

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))
        if record.levelno >= logging.WARNING:
            self.flush()
        elif len(self._lines) == 1:
            self._flush_soon()

    def flush(self) -> None:
        """Writes what is gathered."""
        with self.lock or nullcontext():
            lines, self._lines = self._lines, []
            if lines:
                self._stream.write("\n".join(lines) + "\n")
                self._stream.flush()

    def close(self) -> None:
        self.flush()
        super().close()

    def _flush_soon(self) -> None:
        try:
            asyncio.get_running_loop().call_later(_GATHERED_SECONDS, self.flush)
        except RuntimeError:  # before the loop begins, after it has ended, in another thread
            self.flush()


def note(subject: Subject, code: str, reason: str, seconds: float, incident: str, error: Exception | None) -> None:
    """Writes the line of a call; the text of an unknown error goes here and nowhere else."""
    facts = {
        "call": subject.call_id,
        "method": subject.method,
        "kind": subject.kind.value,
        "account": subject.account,
        "actor": subject.actor,
        "code": code,
        "reason": reason,
        "ms": round(seconds * 1000, 1),
    }
    if incident:
        facts["incident"] = incident
    level = logging.ERROR if error is not None else logging.INFO
    CALLS.log(level, "%s %s", subject.method, code, extra={"facts": facts}, exc_info=error)
