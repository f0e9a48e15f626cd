"""Draws a plan by unit: why each was planned, what it changes; which were skipped, why, and what that saved. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from stackly_sdk.cli import words
from stackly_sdk.cli.drawing import Line, draw_change, draw_outputs

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import Plan, PlanUnit, ResourceChange

_REASONS = 3  # that are shown in a unit's line; the JSON has them all
_NAMED = 5  # skipped units that are named for each reason; the JSON has them all
_DEFERRED = "deferred: "


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
    run = {one.unit for one in plan.units if one.run}
    for unit in (one for one in plan.units if one.run):
        yield from _draw_unit(unit, by_unit.pop(unit.unit, []), [needed for needed in unit.needs if needed in run])
    for left in by_unit.values():  # of no unit that this plan names
        for change in left:
            yield from _apart(change)
    yield from draw_outputs(plan.output_changes)
    yield from _skipped([one for one in plan.units if not one.run])


def counted(units: "Sequence[PlanUnit]") -> str:
    """`2 of 12 units planned (code 1, input 1), 10 skipped`; empty for a plan of a whole root."""
    if not units:
        return ""
    run = [one for one in units if one.run]
    why = Counter(one.reasons[0].partition(":")[0] for one in run if one.reasons)
    because = f" ({', '.join(f'{code} {count}' for code, count in sorted(why.items()))})" if why else ""
    deferred = sum(one.deferred for one in units)
    later = f", {deferred} of them after an apply" if deferred else ""
    saved = words.saved(one.plan_seconds for one in units if not one.run)
    skipped = f"{len(units) - len(run)} skipped{f': {saved}' if saved else ''}"
    return f"{len(run)} of {len(units)} units planned{because}{later}, {skipped}."


def _draw_unit(
    unit: "PlanUnit", changes: "Sequence[ResourceChange]", awaited: Sequence[str]
) -> Iterator[Line]:  # fmt: skip
    waits = [reason.removeprefix(_DEFERRED) for reason in unit.reasons if reason.startswith(_DEFERRED)]
    why = [reason for reason in unit.reasons if not reason.startswith(_DEFERRED)]
    yield Line(f"── {unit.unit}  [{_few(why)}]", "bright_cyan")
    if unit.deferred:
        first = _few(awaited) or "what it needs"
        yield Line(f"  can only be planned after {first} is applied{f': {_few(waits)}' if waits else ''}", "yellow")
    elif not changes:
        yield Line("  no changes")
    if not changes:
        yield Line("")
    for change in changes:
        yield from _apart(change)


def _skipped(units: "Sequence[PlanUnit]") -> Iterator[Line]:
    """By reason, the most frequent first."""
    names: dict[str, list[str]] = {}
    for unit in units:
        names.setdefault(unit.reasons[0] if unit.reasons else "", []).append(unit.unit)
    for reason, found in sorted(names.items(), key=lambda one: (-len(one[1]), one[0])):
        more = len(found) - _NAMED
        listed = ", ".join(found[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        yield Line(f"Skipped, {reason}: {listed}", "bright_black")
    if units:
        yield Line("")


def _apart(change: "ResourceChange") -> Iterator[Line]:
    yield from draw_change(change)
    yield Line("")


def _few(reasons: "Sequence[str]") -> str:
    more = len(reasons) - _REASONS
    return "; ".join(reasons[:_REASONS]) + (f"; and {more} more" if more > 0 else "")
