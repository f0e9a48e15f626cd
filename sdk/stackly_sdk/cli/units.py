"""Draws a plan by unit: why each was planned, what it changes, and how many were skipped. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from stackly_sdk.cli.drawing import Line, draw_change, draw_outputs

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import Plan, PlanUnit, ResourceChange

_REASONS = 3  # that are shown in a unit's line; the JSON has them all


def draw_plan(plan: "Plan", changes: "Iterable[ResourceChange]") -> Iterator[Line]:
    """A plan of a whole root change by change; one by units with a heading and its changes for each that was planned."""
    if plan.whole_reasons:
        yield Line(f"Planned whole: {_few(plan.whole_reasons)}", "cyan")
        yield Line("")
    by_unit: dict[str, list[ResourceChange]] = {}
    for change in changes:
        if plan.units:
            by_unit.setdefault(change.unit, []).append(change)
        else:
            yield from _apart(change)
    for unit in (one for one in plan.units if one.run):
        yield from _draw_unit(unit, by_unit.pop(unit.unit, []))
    for left in by_unit.values():  # of no unit that this plan names
        for change in left:
            yield from _apart(change)
    yield from draw_outputs(plan.output_changes)


def counted(units: "Sequence[PlanUnit]") -> str:
    """`2 of 12 units planned (code 1, input 1), 10 skipped`; empty for a plan of a whole root."""
    if not units:
        return ""
    run = [one for one in units if one.run]
    why = Counter(one.reasons[0].partition(":")[0] for one in run if one.reasons)
    words = f" ({', '.join(f'{code} {count}' for code, count in sorted(why.items()))})" if why else ""
    deferred = sum(one.deferred for one in units)
    later = f", {deferred} of them after an apply" if deferred else ""
    return f"{len(run)} of {len(units)} units planned{words}{later}, {len(units) - len(run)} skipped."


def _draw_unit(unit: "PlanUnit", changes: "Sequence[ResourceChange]") -> Iterator[Line]:
    yield Line(f"── {unit.unit}  [{_few(unit.reasons)}]", "bright_cyan")
    if unit.deferred:
        yield Line("  can only be planned after what it needs is applied", "yellow")
    elif not changes:
        yield Line("  no changes")
    if not changes:
        yield Line("")
    for change in changes:
        yield from _apart(change)


def _apart(change: "ResourceChange") -> Iterator[Line]:
    yield from draw_change(change)
    yield Line("")


def _few(reasons: "Sequence[str]") -> str:
    more = len(reasons) - _REASONS
    return "; ".join(reasons[:_REASONS]) + (f"; and {more} more" if more > 0 else "")
