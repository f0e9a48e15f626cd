"""A run that is applied in rounds: what one leaves is planned again, until nothing is left. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from stackly_server.errors import Invalid
from stackly_server.limits import LEFT_UNITS_SHOWN
from stackly_server.runs.model import BatchRow, Left, Outcome, Plan, Run

_NAMED = 5  # units that a message names
_STALE_MAX = 3  # times in a row that a run is planned again since the apply of it was stale
_BY_OTHERS = "NEEDS_OTHERS"


def kept(left: Sequence[Left]) -> dict[str, Any]:
    """The columns of a run that say what its last apply left; those first that were left for a reason of their own."""
    first = sorted(left, key=lambda one: (one.cause == _BY_OTHERS, one.unit))[:LEFT_UNITS_SHOWN]
    return {"left_count": len(left), "left_units": [asdict(one) for one in first]}


def failure(
    run: Run, deny: Sequence[str], planned: Sequence[Mapping[str, Any]] = (), left: Sequence[Left] = ()
) -> dict[str, str]:
    """Why a plan or a round ends its run: policies, or that it would leave (or left) no fewer units than the one before."""
    if deny:
        return {"reason": "POLICY_DENIED", "message": "; ".join(deny)}
    names = [one.unit for one in left] or [str(unit["unit"]) for unit in planned if unit["deferred"]]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return {
        "reason": "NO_PROGRESS",
        "message": f"{', '.join(names[:_NAMED])}{more} cannot be planned to its end: the apply before left "
        f"{run.left_count} to be planned again, and this one would leave no fewer. All that was applied is kept.",
    }


def too_stale(times: int, error: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Why a run ends whose applies were stale so many times in a row; None while it is planned again."""
    if times <= _STALE_MAX:
        return None
    said = str((error or {}).get("message", "")) or "what the plan was made on is not what the apply found"
    return {
        "reason": "PLAN_STALE",
        "message": f"{said} So it was {times} times in a row, each time after a new plan: do the workers of this stack "
        "differ in what they pass on to Terraform, or in where they keep their work? Nothing of these plans was applied.",
    }


def check_end(batch: BatchRow, plan: Plan | None, outcome: Outcome, left: Sequence[Left]) -> None:
    """Refuses ends of an apply that cannot be: Invalid."""
    if batch.apply_started_at is None and outcome in {Outcome.SUCCEEDED, Outcome.PARTIAL}:
        raise Invalid("VALIDATION_FAILED", "An apply that did not begin cannot have succeeded.")
    if outcome is Outcome.STALE and (batch.apply_started_at is not None or plan is None or not plan.units):
        raise Invalid("VALIDATION_FAILED", "Only an apply by units that did not begin can be stale.")
    if bool(left) != (outcome is Outcome.PARTIAL):
        raise Invalid("VALIDATION_FAILED", "An apply names what it left when, and only when, it is partial.")
    names = [one.unit for one in left]
    if outcome in {Outcome.SUCCEEDED, Outcome.PARTIAL} and not set(names).issuperset(batch.uncovered):
        raise Invalid("VALIDATION_FAILED", "A part of this apply was not covered by what was approved: it is left.")
    known = {unit["unit"] for unit in plan.units} if plan is not None else set()
    if len(set(names)) != len(names) or not known.issuperset(names):
        raise Invalid("VALIDATION_FAILED", "What an apply left are units of its plan, each once.")
