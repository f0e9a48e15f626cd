"""How large units are, in resources, and which of their resources are in a bad way."""

from collections.abc import Iterator, Mapping
from typing import Any

from stackly_engine.graph import Graph
from stackly_engine.reasons import STATE, Reason
from stackly_engine.source import Kind, Module

_COUNTED = frozenset({Kind.RESOURCE, Kind.DATA, Kind.EPHEMERAL})


def sizes_of(graph: Graph, slices: Mapping[str, list[dict[str, Any]]] | None = None) -> dict[str, int]:
    """Resources by unit: instances in the state where there are more than blocks in the code.

    `slices` are the resources of the state by top-level address.
    """
    below = _below(graph.configuration.modules)
    blocks = {
        unit: sum(
            below.get(member.removeprefix("module."), 0) if member.startswith("module.") else 1
            for member in about.members
        )
        for unit, about in graph.units.items()
    }
    instances = {
        unit: sum(
            len(item.get("instances") or ()) for member in about.members for item in (slices or {}).get(member, ())
        )
        for unit, about in graph.units.items()
    }
    return {unit: max(blocks[unit], instances[unit]) for unit in blocks}


def troubles(resources: list[dict[str, Any]]) -> tuple[Reason, ...]:
    """Why the unit of these resources of a state must run whatever its fingerprint: tainted or deposed objects."""
    return tuple(sorted({Reason(STATE, detail) for resource in resources for detail in _troubles(resource)}))


def _troubles(resource: Mapping[str, Any]) -> Iterator[str]:
    for instance in resource.get("instances") or ():
        if instance.get("status") == "tainted":
            yield f"{_address(resource)} is tainted"
        if instance.get("deposed"):
            yield f"{_address(resource)} has a deposed object"


def _address(resource: Mapping[str, Any]) -> str:
    names = (resource.get("module"), resource.get("type"), resource.get("name"))
    return ".".join(str(name) for name in names if name)


def _below(modules: Mapping[str, Module]) -> dict[str, int]:
    """For each call of the root the blocks in it and below it."""
    counts: dict[str, int] = {}
    for key, module in modules.items():
        if key:
            name = key.partition(".")[0]
            own = sum(node.kind in _COUNTED for node in module.nodes.values())
            counts[name] = counts.get(name, 0) + own
    return counts
