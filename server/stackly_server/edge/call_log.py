"""One line of JSON for each call, and counters by method and code. Neither holds a token, a secret or a field's value."""

import json
import logging
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime

from stackly_server.access import Subject

CALLS = logging.getLogger("stackly.calls")


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
        return json.dumps(line, ensure_ascii=False, default=str)


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
