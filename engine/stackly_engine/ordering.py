"""Directed graphs as plain mappings, node to the nodes that it needs: components, orders, reachability; no recursion.

Every mapping must hold each node as a key; all results are deterministic.
"""

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import repeat

Edges = Mapping[str, Collection[str]]


class CycleError(ValueError):
    """An order was asked of a graph that has none."""


def inverted(edges: Edges) -> dict[str, set[str]]:
    """The same graph with every edge turned round."""
    result: dict[str, set[str]] = {node: set() for node in edges}
    for node, needed in edges.items():
        for other in needed:
            result[other].add(node)
    return result


def reachable(edges: Edges, starts: Iterable[str]) -> set[str]:
    """What one comes to from `starts` in one step or more; a start is in it only when it lies on such a way."""
    found: set[str] = set()
    waiting = list(starts)
    while waiting:
        fresh = set(edges[waiting.pop()]) - found
        found |= fresh
        waiting.extend(fresh)
    return found


def between(edges: Edges, chosen: Iterable[str], users: Edges | None = None) -> set[str]:
    """The chosen nodes and everything on a path between two of them; `users` are the inverted edges where they are known."""
    nodes = set(chosen)
    return nodes | (reachable(edges, nodes) & reachable(inverted(edges) if users is None else users, nodes))


def components(edges: Edges) -> tuple[tuple[str, ...], ...]:
    """Strongly connected components, each sorted; a component comes after those that it needs (Tarjan, by hand)."""
    walk = _Tarjan(edges)
    for node in sorted(edges):
        if node not in walk.index:
            walk.visit(node)
    return tuple(walk.found)


class _Tarjan:
    def __init__(self, edges: Edges) -> None:
        self.edges = edges
        self.index: dict[str, int] = {}
        self.low: dict[str, int] = {}
        self.open: dict[str, None] = {}
        self.found: list[tuple[str, ...]] = []

    def visit(self, start: str) -> None:
        path: list[tuple[str, Iterator[str]]] = [self._enter(start)]
        while path:
            node, rest = path[-1]
            following = next(rest, None)
            if following is None:
                path.pop()
                self._leave(node, path[-1][0] if path else None)
            elif following not in self.index:
                path.append(self._enter(following))
            elif following in self.open:
                self.low[node] = min(self.low[node], self.index[following])

    def _enter(self, node: str) -> tuple[str, Iterator[str]]:
        self.index[node] = self.low[node] = len(self.index)
        self.open[node] = None
        return node, iter(sorted(self.edges[node]))

    def _leave(self, node: str, parent: str | None) -> None:
        if parent is not None:
            self.low[parent] = min(self.low[parent], self.low[node])
        if self.low[node] == self.index[node]:
            self.found.append(tuple(sorted(self._close(node))))

    def _close(self, node: str) -> Iterator[str]:
        while True:
            last, _ = self.open.popitem()
            yield last
            if last == node:
                return


def ordered(edges: Edges) -> tuple[str, ...]:
    """Every node after all that it needs; among those that may come next the first by name. CycleError for a circle."""
    missing = {node: len(frozenset(needed)) for node, needed in edges.items()}
    users = inverted(edges)
    ready = sorted(node for node, count in missing.items() if count == 0)
    result: list[str] = []
    while ready:
        node = heapq.heappop(ready)
        result.append(node)
        for user in users[node]:
            missing[user] -= 1
            if missing[user] == 0:
                heapq.heappush(ready, user)
    if len(result) != len(edges):
        raise CycleError(f"these need each other: {', '.join(sorted(set(edges) - set(result))[:5])}")
    return tuple(result)


def levels(edges: Edges) -> dict[str, int]:
    """For each node the length of the longest way down from it: 0 needs nothing. CycleError for a circle."""
    result: dict[str, int] = {}
    for node in ordered(edges):
        result[node] = max((result[needed] + 1 for needed in edges[node]), default=0)
    return result


class Groups:
    """Union-find over names; the name of a group is the least of its members."""

    def __init__(self, names: Iterable[str]) -> None:
        self._parent = {name: name for name in names}

    def __contains__(self, name: object) -> bool:
        return name in self._parent

    def find(self, name: str) -> str:
        parent = self._parent
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    def join(self, names: Iterable[str]) -> None:
        """Put all of these into one group."""
        heads = {self.find(name) for name in names}
        if heads:
            self._parent.update(zip(heads, repeat(min(heads))))

    def of(self) -> dict[str, tuple[str, ...]]:
        """Group name to its members, both sorted."""
        result: dict[str, list[str]] = {}
        for name in sorted(self._parent):
            result.setdefault(self.find(name), []).append(name)
        return {head: tuple(members) for head, members in sorted(result.items())}
