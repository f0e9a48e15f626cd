"""Sets of units that must be one batch, made convex and free of circles among each other."""

from collections.abc import Collection, Iterable

from stackly_engine.graph import Graph


def groups(graph: Graph, sets: Iterable[Collection[str]]) -> tuple[frozenset[str], ...]:
    """Join sets that share a unit, add all units on paths between, join groups that would need each other."""
    raise NotImplementedError
