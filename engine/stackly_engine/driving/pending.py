"""Which nodes are pending while a chain is planned: data sources that depend on them are read later, as in the whole root.

Terraform defers a data source when something in its `depends_on` has planned changes of managed resources. Of a resource
only its own changes count, whatever it reads and depends on; behind a module it looks at everything that
the module comes to (transform_reference.go, `dependsOn`). Of a module here all of it, though only one output may be named.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from stackly_engine import ordering
from stackly_engine.graph import Graph, top
from stackly_engine.source import Kind

_QUIET = (["no-op"], ["read"], ["forget"])


def changed(plan: Mapping[str, Any], prefix: str) -> frozenset[str]:
    """The top addresses with planned changes of managed resources in a plan's JSON, generated resources apart."""
    return frozenset(
        top(change["address"])
        for change in plan.get("resource_changes") or []
        if change["mode"] == "managed"
        and change["change"]["actions"] not in _QUIET
        and not change.get("name", "").startswith(prefix)
    )


def pending(graph: Graph, changed_tops: Iterable[str]) -> frozenset[str]:
    """The real addresses that defer a data source which depends on them."""
    nodes = graph.configuration.root.nodes
    start = {address for address in changed_tops if address in nodes}
    behind = ordering.reachable(ordering.inverted(graph.edges.steps), start)
    start |= {address for address in behind if address in nodes and nodes[address].kind is Kind.MODULE}
    return frozenset(start)
