"""What is pending while a chain is planned: data sources that depend on it are read later, as in the whole root.

Terraform defers a data source when something in its `depends_on` has planned changes of managed resources. Of a resource
only its own changes count, whatever it reads and depends on; of a module, or one output of it, and of all that stands in
the `depends_on` of a module call, also the changes of everything that it comes to (transform_reference.go, `dependsOn`).

Three more ways need no `depends_on` of its own, and no list can say them: a data source waits for a resource that it reads
itself, for what stands in the `depends_on` of a module that it reads whole, and with conditions for all that it comes to.
Who waits in one of these ways is planned together with what it waits for.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from stackly_engine import ordering
from stackly_engine.addresses import indexless, top
from stackly_engine.edges import Use
from stackly_engine.graph import Graph, Unit
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

    def beside(self, units: Iterable[str]) -> frozenset[str]:
        """The units that must be planned in one batch with these, so that their data sources wait."""
        if not self.changed:
            return frozenset()
        waited = {name for unit in units if unit in self.graph.units for name in self._waited(self.graph.units[unit])}
        owners = {self.graph.owner_of(name) for name in waited}
        return frozenset(owner for owner in owners if owner is not None)

    def _waited(self, unit: Unit) -> Iterator[str]:
        """Addresses of the root that data sources of a unit wait for without a list."""
        nodes = self.graph.configuration.root.nodes
        for member in unit.members:
            if nodes[member].kind is Kind.DATA:
                yield from self._read_by(member)
        for name in self.graph.reference_tree.conditional & self._behind:
            if self.graph.owner_of(name) == unit.name:
                yield from map(top, ordering.reachable(self.graph.reference_tree.edges, [name]) & self.changed)

    def _read_by(self, data: str) -> Iterator[str]:
        nodes = self.graph.configuration.root.nodes
        for read in self.graph.edges.reads[data]:
            if read.use is not Use.VALUE:
                continue
            whole = read.attribute is None and nodes[read.target].kind is Kind.MODULE
            if read.target in self.changed or (whole and self._waits(nodes[read.target])):
                yield read.target

    def _waits(self, call: Node) -> bool:
        """Whether something in the `depends_on` of a module call is going to change."""
        listed = call.block.attributes.get("depends_on")
        for reference in listed.references if listed is not None else ():
            target = self.graph.configuration.root.target(reference)
            if target is not None and self(call, target[0], reference):
                return True
        return False

    @cached_property
    def _behind(self) -> set[str]:
        """Every node of the module tree that comes to one of them."""
        users = ordering.inverted(self.graph.reference_tree.edges)
        return ordering.reachable(users, self.changed & users.keys())


def pending(graph: Graph, changed: Iterable[str]) -> Pending:
    return Pending(graph, frozenset(changed))
