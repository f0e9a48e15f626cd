"""How a batch ended, as the control plane is told."""

from collections.abc import Iterable

from stackly.v1 import runs_pb2
from stackly.worker.v1 import runner_service_pb2 as messages
from stackly.worker.v1 import tasks_pb2
from stackly_engine.auditing import AuditReport
from stackly_worker.runner.events import TerraformError
from stackly_worker.runner.ports import LeftUnit, Outcome, UnitReport
from stackly_worker.runner.recovery import Remains

_OUTCOMES = {
    "planned": tasks_pb2.BATCH_OUTCOME_SUCCEEDED,
    "applied": tasks_pb2.BATCH_OUTCOME_SUCCEEDED,
    "failed": tasks_pb2.BATCH_OUTCOME_FAILED,
    "cancelled": tasks_pb2.BATCH_OUTCOME_GONE,
    "lost": tasks_pb2.BATCH_OUTCOME_GONE,
    "partial": tasks_pb2.BATCH_OUTCOME_PARTIAL,
    "stale": tasks_pb2.BATCH_OUTCOME_STALE,
}
_WELL = (tasks_pb2.BATCH_OUTCOME_SUCCEEDED, tasks_pb2.BATCH_OUTCOME_PARTIAL)
_SUSPECTS = 10_000
_WORDS, _UNIT = 2000, 512  # characters in what an audit found
_DETAIL = 500  # characters of why a unit was left
_UNKNOWN = -1


def outcome_of(outcome: Outcome, *, timed_out: bool = False) -> tasks_pb2.BatchOutcome:
    if timed_out and outcome.status == "cancelled":
        return tasks_pb2.BATCH_OUTCOME_FAILED
    return _OUTCOMES[outcome.status]


def finished(outcome: Outcome, *, phase: tasks_pb2.BatchPhase, timed_out: bool) -> messages.FinishBatchRequest:
    """The runner's own report."""
    ended = outcome_of(outcome, timed_out=timed_out)
    request = messages.FinishBatchRequest(
        outcome=ended,
        suspects=sorted(outcome.suspects)[:_SUSPECTS],
        exit_code=_UNKNOWN if outcome.rc is None else outcome.rc,
        left_units=[_left(one) for one in outcome.left] if ended == tasks_pb2.BATCH_OUTCOME_PARTIAL else (),
    )
    if ended not in _WELL:
        request.error.CopyFrom(_error(outcome, phase, timed_out=timed_out))
    return request


def lost(remains: Remains) -> messages.FinishBatchRequest:
    """The report about a runner that died. Terraform's own words stay out: they were not redacted."""
    begun = "while Terraform applied" if remains.begun else "before Terraform changed anything"
    return messages.FinishBatchRequest(
        outcome=tasks_pb2.BATCH_OUTCOME_LOST,
        suspects=sorted(remains.suspects)[:_SUSPECTS],
        exit_code=_UNKNOWN if remains.rc is None else remains.rc,
        error=runs_pb2.RunError(reason="WORKER_LOST", message=f"the runner died {begun}"),
    )


def unit_batches(reports: Iterable[UnitReport], now: float) -> list[messages.UnitBatch]:
    """As they are told at `now` on the clock."""
    return [
        messages.UnitBatch(
            number=one.number, units=one.units, status=f"UNIT_BATCH_STATUS_{one.status}", took_ms=_ms(one.took),
            began_ms_ago=_ms(now - one.began), resources=one.resources, replan_ms=_ms(one.replan),
        )
        for one in reports
    ]  # fmt: skip


def audited(found: AuditReport) -> messages.AuditReport:
    """What an audit found, within the bounds of the wire."""
    return messages.AuditReport(
        nothing=found.nothing[:_WORDS],
        audited_units=found.units,
        addresses=[
            messages.AuditedAddress(
                unit=one.unit[:_UNIT], address=one.address[:_WORDS], detail=one.detail[:_WORDS],
                difference=f"AUDITED_DIFFERENCE_{one.difference.name}",
            )
            for one in found.addresses
        ],
    )  # fmt: skip


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _left(one: LeftUnit) -> runs_pb2.LeftUnit:
    return runs_pb2.LeftUnit(unit=one.unit, cause=f"LEFT_CAUSE_{one.cause}", detail=one.detail[:_DETAIL])


def _error(outcome: Outcome, phase: tasks_pb2.BatchPhase, *, timed_out: bool) -> runs_pb2.RunError:
    errors = [_terraform_error(error) for error in outcome.errors]
    message = outcome.reason or f"Terraform ended with {outcome.rc}"
    if outcome.errors and not outcome.cause:
        message = _first(outcome)
    if timed_out:
        message = f"the time limit was reached; {message}"
    reason = "TIMEOUT" if timed_out else _reason(outcome, phase)
    return runs_pb2.RunError(reason=reason, message=message, terraform_errors=errors)


def _first(outcome: Outcome) -> str:
    """Terraform's own first error with its place, and how many more there are."""
    first, more = outcome.errors[0], max(outcome.errors_total, len(outcome.errors)) - 1
    place = f" on {first.file} line {first.line}" if first.file else f" at {first.address}" if first.address else ""
    return f"{first.summary}{place}" + (f", and {more} more" if more else "")


def _reason(outcome: Outcome, phase: tasks_pb2.BatchPhase) -> str:
    if outcome.status in {"cancelled", "lost"}:
        return "CANCELED"
    if outcome.cause:
        return outcome.cause
    if outcome.step == "init":
        return "INIT_FAILED"
    return "APPLY_FAILED" if phase == tasks_pb2.BATCH_PHASE_APPLY else "PLAN_FAILED"


def _terraform_error(error: TerraformError) -> runs_pb2.TerraformError:
    return runs_pb2.TerraformError(
        summary=error.summary, detail=error.detail, address=error.address, path=error.file, line=error.line
    )
