"""The units of a plan as a graph: waves of what may run side by side, chains of what cannot. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stackly_engine import ordering
from stackly_server.errors import TooMuch
from stackly_server.limits import PLAN_NEEDS_BYTES

Edges = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Graph:
    """`groups`: units that need nothing of each other, each group after all that it needs. `chains`: of two or more."""

    units: Sequence[Mapping[str, Any]]
    edges: tuple[tuple[str, str], ...]
    groups: tuple[tuple[str, ...], ...]
    chains: tuple[tuple[str, ...], ...]


def graph_of(units: Sequence[Mapping[str, Any]]) -> Graph:
    """The graph of the documents of a plan's units; TooMuch when what they need was too much to be kept."""
    if any("needs" not in unit for unit in units):
        raise TooMuch("LIMIT_EXCEEDED", "The graph of this plan is too large to be kept.", limit="PLAN_NEEDS_BYTES")
    needs: Edges = {unit["unit"]: unit["needs"] for unit in units}
    levels = ordering.levels(needs)
    groups: list[list[str]] = [[] for _ in range(max(levels.values(), default=-1) + 1)]
    for unit in sorted(levels):
        groups[levels[unit]].append(unit)
    edges = sorted((first, unit) for unit, needed in needs.items() for first in needed)
    return Graph(units, tuple(edges), tuple(map(tuple, groups)), _chains(needs))


def with_needs(units: Sequence[tuple[dict[str, Any], Sequence[str]]]) -> list[dict[str, Any]]:
    """Documents of units with what each needs; of very many it is left out of all, so that a plan stays one message."""
    if sum(len(name) for _, needs in units for name in needs) > PLAN_NEEDS_BYTES:
        return [unit for unit, _ in units]
    return [{**unit, "needs": list(needs)} for unit, needs in units]


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
    found = [unit]
    while (following := after.get(found[-1])) is not None:
        found.append(following)
    return tuple(found)
