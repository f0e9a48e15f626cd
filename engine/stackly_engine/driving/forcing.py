"""Reasons to run a unit that do not come from the code: what was asked for, what the state says is not whole, what moves."""

from collections.abc import Collection, Mapping
from typing import Any

from stackly_engine import slices
from stackly_engine.graph import Graph
from stackly_engine.moves import Routes
from stackly_engine.reasons import FORCED, MOVED, Reason
from stackly_engine.sizing import troubles


def forced(
    graph: Graph, document: Mapping[str, Any], routes: Routes, replace: Mapping[str, Collection[str]]
) -> dict[str, tuple[Reason, ...]]:
    """By unit. `replace` are the instances to replace by the unit that runs for them, as of `moves.replaced`."""
    reasons: dict[str, list[Reason]] = {}
    for unit, addresses in replace.items():
        reasons.setdefault(unit, []).extend(Reason(FORCED, f"replace {address}") for address in addresses)
    for top, resources in slices.split_by_top(document)[1].items():
        owner = graph.owner_of(top)
        if owner is not None:
            reasons.setdefault(owner, []).extend(troubles(resources))
    for block in sorted(routes.used):
        reasons.setdefault(routes.blocks[block], []).append(Reason(MOVED, _moved(graph, block)))
    return {unit: tuple(items) for unit, items in reasons.items() if items}


def _moved(graph: Graph, block: str) -> str:
    attributes = graph.configuration.root.nodes[block].block.attributes
    return f"{attributes['from'].text} to {attributes['to'].text}"
