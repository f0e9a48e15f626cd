"""How messages read in one line."""

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from stackly_sdk.durations import said
from stackly_sdk.names import last_part

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import PlanSummary, Run, StackConfig, WaitingOn

_SHORT_COMMIT = 8
_TENTHS, _LEAST = 10, 0.05  # seconds: below them with a tenth, not worth a word


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


def counts(plan: "PlanSummary | None") -> str:
    """`+2 ~1 -1`; `no changes` of a plan without any, empty for none."""
    if plan is None:
        return ""
    signs = (
        ("+", plan.add),
        ("~", plan.change),
        ("-", plan.destroy),
        ("import ", plan.import_),
        ("forget ", plan.forget),
    )
    parts = [f"{sign}{count}" for sign, count in signs if count]
    parts += [f"{plan.output_changes} output{'s' if plan.output_changes > 1 else ''}"] if plan.output_changes else []
    return " ".join(parts) or "no changes"


def took(begun: dt.datetime | None, ended: dt.datetime | None) -> str:
    """`1.2s`, `3m05s`; with dots while it goes on, empty before it began."""
    if begun is None:
        return ""
    return seconds((ended - begun).total_seconds()) if ended else f"{ago(begun).removesuffix(' ago')} …"


def seconds(count: float) -> str:
    """`0.4s`, `14s`, `3m05s`."""
    return f"{count:.1f}s" if count < _TENTHS else said(count)


def saved(plans: Iterable[float]) -> str:
    """`about 14s of planning saved`, from what the last plans of skipped units took; empty when none was measured."""
    total = sum(plans)
    return f"about {seconds(total)} of planning saved" if total >= _LEAST else ""


def engine(config: "StackConfig | None", *, suspended: bool = False) -> str:
    """`terraform ~> 1.11, by unit; audited every 7d`, as the stack file says; whether it is suspended."""
    if config is None:
        return ""
    if not config.units:
        return ", ".join(filter(None, (config.engine, "whole")))
    parts = [
        ", ".join(
            filter(None, (config.engine, "by unit, but whole while that is suspended" if suspended else "by unit"))
        )
    ]
    if config.data_refresh_seconds is not None:
        parts.append(f"data read again after {_term(config.data_refresh_seconds)}")
    parts += [f"each unit at least every {_term(config.max_age_seconds)}"] if config.max_age_seconds else []
    parts.append(f"audited every {_term(config.audit_seconds)}" if config.audit_seconds else "audited on demand")
    parts += [f"at most {config.max_parallel} at a time"] if config.max_parallel else []
    return "; ".join(parts)


def _term(length: int) -> str:
    """`7d`, `12h`, `90s`."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if length and length % size == 0:
            return f"{length // size}{unit}"
    return f"{length}s"


def lacking(waits: "WaitingOn | None") -> str:
    """What no worker has, and what they have instead when it is an engine; empty when nothing is missing."""
    if waits is None or not waits.missing_capabilities:
        return ""
    offered = f" (workers have {', '.join(waits.offered_engines)})" if waits.offered_engines else ""
    return ", ".join(waits.missing_capabilities) + offered


def left(run: "Run") -> list[str]:
    """A line for each unit that the run's last apply left to be planned again; empty when it left none."""
    lines = [f"{each.unit} {each.detail or 'needs a unit that was left'}" for each in run.left_units]
    more = run.left_count - len(run.left_units)
    return [*lines, f"and {more} more"] if more > 0 else lines


def pairs(values: dict[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in sorted(values.items()))
