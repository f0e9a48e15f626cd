"""What an audit found, what follows from it, and when one is due: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from stackly_engine.auditing import Audited, AuditReport, Difference

AGAIN_IN = timedelta(hours=1)
"""An audit by the clock that did not come to its end is not made again sooner."""


class Verdict(StrEnum):
    """What an address is, from the least to the worst."""

    PENDING = "PENDING"
    DRIFT = "DRIFT"
    UNSOUND = "UNSOUND"


class Result(StrEnum):
    """What an audit found in one word."""

    CLEAN = "CLEAN"
    DRIFT = "DRIFT"
    UNSOUND = "UNSOUND"
    NOTHING = "NOTHING"


@dataclass(frozen=True, slots=True)
class Finding:
    """One address that the whole plan changes."""

    unit: str
    address: str
    verdict: Verdict
    detail: str


@dataclass(frozen=True, slots=True)
class Audit:
    """A row of `engine_audits`. `result` is None until it is settled."""

    report: AuditReport
    result: Result | None
    reason: str
    findings: tuple[Finding, ...]


def report_to_json(report: AuditReport) -> dict[str, Any]:
    """As it is kept."""
    return asdict(report)


def report_from_json(data: Mapping[str, Any]) -> AuditReport:
    """What `report_to_json` made."""
    found = (
        Audited(one["unit"], one["address"], Difference(one["difference"]), one["detail"]) for one in data["addresses"]
    )
    return AuditReport(data["nothing"], data["units"], tuple(found))


def finding_of(one: Audited, *, was_applied: bool) -> Finding:
    """What an address is. `was_applied`: this very change was applied before, and the provider did not keep it.

    A change that the unit's own plan has too is unsound where nothing explains it: the unit would have been skipped though
    something that its plan is made of is another than at its last apply.
    """
    match one.difference:
        case Difference.OTHER:
            return Finding(one.unit, one.address, Verdict.UNSOUND, one.detail)
        case Difference.SAME if was_applied:
            return Finding(
                one.unit, one.address, Verdict.DRIFT, "applied like this before, and not kept by the provider"
            )
        case Difference.SAME:
            return Finding(one.unit, one.address, Verdict.UNSOUND, one.detail)
        case Difference.STATE | Difference.WORLD:
            return Finding(one.unit, one.address, Verdict.DRIFT, one.detail)
        case _:
            return Finding(one.unit, one.address, Verdict.PENDING, one.detail)


def result_of(report: AuditReport, findings: Sequence[Finding]) -> Result:
    """The worst of it."""
    if report.nothing:
        return Result.NOTHING
    verdicts = {finding.verdict for finding in findings}
    if Verdict.UNSOUND in verdicts:
        return Result.UNSOUND
    return Result.DRIFT if Verdict.DRIFT in verdicts else Result.CLEAN


def repeats(change: Mapping[str, Any] | None, before: Mapping[str, Any] | None) -> bool:
    """Whether a change, as it is shown, asks for nothing that an applied one did not ask for. What is masked does not count."""
    if change is None or before is None or set(change["actions"]) not in _AGAIN:
        return False
    asked = {
        one["path"]: (one["after_json"], one["after_unknown"]) for one in before["attributes"] if not one["sensitive"]
    }
    wanted = [
        one for one in change["attributes"] if (one["before_json"], False) != (one["after_json"], one["after_unknown"])
    ]
    return bool(wanted) and all(
        not one["sensitive"] and asked.get(one["path"]) == (one["after_json"], one["after_unknown"]) for one in wanted
    )


_AGAIN = ({"update"}, {"create", "delete"})
"""What a provider that does not keep what it was asked for is asked for again and again."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a stack state's audits.

    `since` is when its last one was made, else when the stack state was; `audited` by which builds and engine, "" for none;
    `applied_with` the engine of the last apply; `tried_at` when the last one was made, however it ended; `open` whether one is.
    """

    since: datetime
    audited_by: str
    audited_with: str
    applied_with: str
    tried_at: datetime | None
    open: bool


def why_due(known: Known, every: int | None, build: str, now: datetime) -> str:
    """Why an audit is to be made now, for people; "" when none is. `every` in seconds, None: on demand only."""
    if every is None or known.open or (known.tried_at is not None and now - known.tried_at < AGAIN_IN):
        return ""
    if known.audited_by and known.audited_by != build:
        return f"the engine was upgraded to {build}"
    if known.audited_with and known.applied_with and known.audited_with != known.applied_with:
        return f"it runs on {known.applied_with} now"
    return "it is time" if (now - known.since).total_seconds() >= every else ""
