"""What is pending while a chain is planned: data sources that depend on it are read later, as in the whole root.

Terraform defers a data source when something in its `depends_on` has planned changes of managed resources. Of a resource
only its own changes count, whatever it reads and depends on; of a module, or one output of it, and of all that stands in
the `depends_on` of a module call, also the changes of everything that it comes to (transform_reference.go, `dependsOn`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from stackly_engine import ordering
from stackly_engine.addresses import indexless, top
from stackly_engine.graph import Graph
from stackly_engine.reference_tree import node_of
from stackly_engine.source import Kind, Node
from stackly_engine.syntax import Reference

_QUIET = (["no-op"], ["read"], ["forget"])


def changed(plan: Mapping[str, Any], prefix: str) -> frozenset[str]:
    """The top addresses with planned changes of managed resources in a plan's JSON, generated resources apart."""
    return frozenset(map(top, changed_resources(plan, prefix)))


def changed_resources(plan: Mapping[str, Any], prefix: str) -> frozenset[str]:
    """The same as addresses of resources, without keys of instances."""
    return frozenset(
        indexless(change["address"])
        for change in plan.get("resource_changes") or []
        if change["mode"] == "managed"
        and change["change"]["actions"] not in _QUIET
        and not change.get("name", "").startswith(prefix)
    )


@dataclass(frozen=True)
class Pending:
    """What waits, when these resources of other batches are going to change."""

    graph: Graph
    changed: frozenset[str]

    def __call__(self, depender: Node, address: str, reference: Reference) -> bool:
        """Whether data sources wait because of one item of the `depends_on` of a node; `address` is the node it names."""
        if not self.changed:
            return False
        named = node_of(address, reference)
        if named == address and depender.kind is not Kind.MODULE:
            return named in self.changed
        return named in self.changed or named in self._behind

    @cached_property
    def _behind(self) -> set[str]:
        """Every node of the module tree that comes to one of them."""
        users = ordering.inverted(self.graph.reference_tree.edges)
        return ordering.reachable(users, self.changed & users.keys())


def pending(graph: Graph, changed: Iterable[str]) -> Pending:
    return Pending(graph, frozenset(changed))
