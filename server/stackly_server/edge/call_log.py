"""One line of JSON for each call, and counters by method and code. Neither holds a token, a secret or a field's value."""

import asyncio
import atexit
import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable
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
            _soon(self.flush)

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


class CallLog:
    """The lines of finished calls, made together, at most 50 ms after the first: one at a time they cost thrice as much.

    A call that met an unknown error is told at once, after all before it. A process that is killed loses what it noted.
    """

    def __init__(self) -> None:
        self._ended: list[_Ended] = []

    def note(self, subject: Subject, code: str, reason: str, seconds: float, incident: str = "") -> None:
        """Notes how a call ended."""
        self._ended.append((time.time(), subject, code, reason, seconds, incident))
        if len(self._ended) == 1:
            _soon(self.flush)

    def fault(self, subject: Subject, code: str, reason: str, seconds: float, incident: str, error: Exception) -> None:
        """Notes a call that failed by a fault of ours; the error's text goes here and nowhere else."""
        self.flush()
        _tell((time.time(), subject, code, reason, seconds, incident), error)

    def flush(self) -> None:
        """Tells what was noted."""
        ended, self._ended = self._ended, []
        if CALLS.isEnabledFor(logging.INFO):
            for call in ended:
                _tell(call)


_Ended = tuple[float, Subject, str, str, float, str]


def _tell(call: _Ended, error: Exception | None = None) -> None:
    at, subject, code, reason, seconds, incident = call
    level = logging.INFO if error is None else logging.ERROR
    trace = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord(CALLS.name, level, "", 0, "%s %s", (subject.method, code), trace)
    facts = {
        "call": subject.call_id,
        "method": subject.method,
        "kind": subject.kind.value,
        "account": subject.account,
        "actor": subject.actor,
        "code": code,
        "reason": reason,
        "ms": round(seconds * 1000, 1),
        **({"incident": incident} if incident else {}),
    }
    record.__dict__.update(created=at, facts=facts)
    CALLS.handle(record)


def _soon(flush: Callable[[], None]) -> None:
    """Calls it in 50 ms; at once before the loop begins, after it has ended, and in another thread."""
    try:
        asyncio.get_running_loop().call_later(_GATHERED_SECONDS, flush)
    except RuntimeError:
        flush()
