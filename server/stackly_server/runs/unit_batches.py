"""Batches of units on their way, as their runner reports them: pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from stackly_server.errors import Invalid
from stackly_server.limits import UNIT_BATCHES, UNIT_CHARACTERS, UNIT_REPORT_CHARACTERS
from stackly_server.runs.model import Phase


class UnitStatus(StrEnum):
    """Where a batch of units is in its life."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    SKIPPED = "SKIPPED"
    DEFERRED = "DEFERRED"


@dataclass(frozen=True, slots=True)
class Report:
    """One batch as a runner tells it; `began_ms_ago` counts from when it was told. Of `took_ms` `replan_ms` went into planning again."""

    number: int
    units: Sequence[str]
    status: UnitStatus
    began_ms_ago: int
    took_ms: int = 0
    resources: int = 0
    replan_ms: int = 0


@dataclass(frozen=True, slots=True)
class UnitBatch:
    """A row of `unit_batches`: units that one Terraform process plans or applies. `seconds` is 0 while it runs."""

    plan_number: int
    phase: Phase
    epoch: int
    number: int
    units: tuple[str, ...]
    status: UnitStatus
    worker_id: UUID | None
    resources: int
    seconds: float
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of plan and apply of a batch with so many resources."""

    resources: int
    seconds: float


def newest(reports: Iterable[Report]) -> list[Report]:
    """The last word on each batch; Invalid for what no runner would say."""
    found = {one.number: one for one in reports}
    if any(number > UNIT_BATCHES for number in found):
        raise Invalid("LIMIT_EXCEEDED", f"A runner has at most {UNIT_BATCHES} batches of units.", limit="UNIT_BATCHES")
    names = [name for one in found.values() for name in one.units]
    if any(not name or len(name) > UNIT_CHARACTERS for name in names):
        raise Invalid("VALIDATION_FAILED", f"A unit's name has 1 to {UNIT_CHARACTERS} characters.")
    if sum(map(len, names)) > UNIT_REPORT_CHARACTERS:
        raise Invalid("LIMIT_EXCEEDED", "Too many names of units in one call.", limit="UNIT_REPORT_CHARACTERS")
    return [found[number] for number in sorted(found)]
