"""Sets of units that must be one batch, made convex and free of circles among each other."""

from collections.abc import Collection, Iterable, Mapping

from stackly_engine import ordering
from stackly_engine.graph import Graph


def groups(graph: Graph, sets: Iterable[Collection[str]]) -> tuple[frozenset[str], ...]:
    """Join sets that share a unit, add all units on paths between, join groups that would need each other.

    Units that the graph does not hold (`removed`) may be in a set: nothing leads to them. Groups of one are left out.
    """
    edges = {unit: set(needed) for unit, needed in graph.upstream.items()}
    chosen = [frozenset(units) for units in sets]
    for unit in frozenset().union(*chosen) - edges.keys():
        edges[unit] = set()
    united = ordering.Groups(edges)
    for units in chosen:
        united.join(units)
    while _widen(edges, united):
        pass
    return tuple(sorted((frozenset(units) for units in united.of().values() if len(units) > 1), key=sorted))


def _widen(edges: Mapping[str, Collection[str]], united: ordering.Groups) -> bool:
    """Join the groups that lie in one circle: a group that is not convex is in one with what lies between."""
    head = {unit: united.find(unit) for unit in edges}
    condensed: dict[str, set[str]] = {name: set() for name in head.values()}
    for unit, needed in edges.items():
        condensed[head[unit]] |= {head[other] for other in needed} - {head[unit]}
    circles = [names for names in ordering.components(condensed) if len(names) > 1]
    for names in circles:
        united.join(names)
    return bool(circles)
