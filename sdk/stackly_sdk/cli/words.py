"""How messages read in one line."""

import datetime as dt
from typing import TYPE_CHECKING, Any

from stackly_sdk.durations import said
from stackly_sdk.names import last_part

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import PlanSummary, WaitingOn

_SHORT_COMMIT = 8


def status(value: Any) -> str:
    """`AWAITING_APPROVAL` as `awaiting approval`; a number that this SDK does not know as itself."""
    return value.name.lower().replace("_", " ") if value.name else str(int(value))


def commit(value: str) -> str:
    return value[:_SHORT_COMMIT]


def ago(moment: dt.datetime | None) -> str:
    """`5m00s ago`, `in 3h00m`; empty for none."""
    if moment is None:
        return ""
    seconds = (dt.datetime.now(dt.UTC) - moment).total_seconds()
    return f"{said(seconds)} ago" if seconds >= 0 else f"in {said(-seconds)}"


def last(name: str) -> str:
    return last_part(name)


def summary(plan: "PlanSummary | None") -> str:
    """As Terraform says it."""
    if plan is None:
        return "No plan yet."
    parts = [f"{plan.import_} to import"] if plan.import_ else []
    parts += [f"{plan.add} to add", f"{plan.change} to change", f"{plan.destroy} to destroy"]
    parts += [f"{plan.forget} to forget"] if plan.forget else []
    outputs = f" {plan.output_changes} outputs change." if plan.output_changes else ""
    return f"Plan: {', '.join(parts)}.{outputs}"


def lacking(waits: "WaitingOn | None") -> str:
    """What no worker has, and what they have instead when it is an engine; empty when nothing is missing."""
    if waits is None or not waits.missing_capabilities:
        return ""
    offered = f" (workers have {', '.join(waits.offered_engines)})" if waits.offered_engines else ""
    return ", ".join(waits.missing_capabilities) + offered


def pairs(values: dict[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in sorted(values.items()))
