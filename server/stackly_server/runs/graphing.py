"""The units of a plan as a graph: waves of what may run side by side, chains of what cannot; and where each one is. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from stackly_engine import ordering
from stackly_server.errors import TooMuch
from stackly_server.limits import PLAN_NEEDS_BYTES

Edges = Mapping[str, Sequence[str]]
ROOT = "*"


@dataclass(frozen=True, slots=True)
class Activity:
    """A unit: `status` is a word of GraphActivityStatus, `changes` counts as PlanSummary has them, None when it has no plan."""

    unit: str
    status: str
    run: bool = True
    reasons: tuple[str, ...] = ()
    batch: int = 0
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    changes: Mapping[str, int] | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    plan_seconds: float = 0.0

    @property
    def type(self) -> str:
        """What it is, in one word."""
        if self.unit == ROOT:
            return "root"
        kind = self.unit.partition(".")[0]
        return "resources" if kind == "root" else kind


@dataclass(frozen=True, slots=True)
class Graph:
    """`groups`: units that need nothing of each other, each group after all that it needs. `chains`: of two or more."""

    activities: Sequence[Activity] = ()
    edges: tuple[tuple[str, str], ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    chains: tuple[tuple[str, ...], ...] = ()
    needs: Edges = field(default_factory=dict)


def graph_of(activities: Iterable[Activity], needs: Edges) -> Graph:
    """The graph of activities; `needs` has for every unit those that it needs."""
    levels = ordering.levels(needs)
    groups: list[list[str]] = [[] for _ in range(max(levels.values(), default=-1) + 1)]
    for unit in sorted(levels):
        groups[levels[unit]].append(unit)
    edges = sorted((first, unit) for unit, needed in needs.items() for first in needed)
    ordered = sorted(activities, key=lambda one: one.unit)
    return Graph(ordered, tuple(edges), tuple(map(tuple, groups)), _chains(needs), needs)


def needs_of(units: Iterable[Mapping[str, Any]]) -> Edges:
    """What each unit of a plan needs, by their documents; TooMuch when that was too much to be kept."""
    found = {unit["unit"]: unit.get("needs") for unit in units}
    if None in found.values():
        raise TooMuch("LIMIT_EXCEEDED", "The graph of this plan is too large to be kept.", limit="PLAN_NEEDS_BYTES")
    return {name: needed or () for name, needed in found.items()}


def with_needs(units: Sequence[tuple[dict[str, Any], Mapping[str, Sequence[str]]]]) -> list[dict[str, Any]]:
    """Documents of units with lists of names beside them, of which `needs` comes first.

    Of very many the later lists are left out of all, then all of them, so that a plan stays one message.
    """
    kept: list[str] = []
    room = PLAN_NEEDS_BYTES
    for name in units[0][1] if units else ():
        room -= sum(len(text) for _, lists in units for text in lists[name])
        if room < 0:
            break
        kept.append(name)
    return [{**unit, **{name: list(lists[name]) for name in kept}} for unit, lists in units]


def _chains(needs: Edges) -> tuple[tuple[str, ...], ...]:
    users = ordering.inverted(needs)

    def follows(first: str) -> str | None:
        """The unit after this one in its chain."""
        found = next(iter(users[first])) if len(users[first]) == 1 else None
        return found if found is not None and len(set(needs[found])) == 1 else None

    after = {unit: following for unit in needs if (following := follows(unit)) is not None}
    begins = sorted(after.keys() - after.values())
    return tuple(_chain(after, unit) for unit in begins)


def _chain(after: Mapping[str, str], unit: str) -> tuple[str, ...]:
    return tuple(_along(after, unit))


def _along(after: Mapping[str, str], unit: str) -> Iterator[str]:
    yield unit
    while (following := after.get(unit)) is not None:
        yield following
        unit = following
