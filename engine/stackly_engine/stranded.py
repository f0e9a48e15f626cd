"""Resources that are gone from a module while the module stays: Terraform deletes them with the provider that made them."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from stackly_engine.addresses import indexless, top
from stackly_engine.coupling import REMOVED
from stackly_engine.graph import Graph
from stackly_engine.source import Whole

_OF_ROOT = re.compile(r'provider\["([^"]+)"\](?:\.([\w-]+))?')
_CODE = "orphan-provider"


def stranded(graph: Graph, document: Mapping[str, Any], slices: Mapping[str, str]) -> tuple[Whole, ...]:
    """A reason for each unit that must delete what a provider block of the root made which its cut would not keep.

    Deleting it with an empty configuration would go to another account or region, and nobody would say so. `slices` is
    that of the routes: top-level addresses that are gone from the code → their unit.
    """
    found: dict[str, Whole] = {}
    kept: dict[str, Collection[str]] = {}
    declared = _Declared(graph)
    for resource in document.get("resources") or []:
        unit = None if resource in declared else _unit(graph, resource, slices)
        if unit is None:
            continue
        if unit not in kept:
            kept[unit] = graph.needs([unit]).kept
        for provider in _made_by(graph, resource):
            if provider not in kept[unit]:
                detail = f"{_address(resource)} is gone, its {provider} is no longer used by {unit}"
                found.setdefault(unit, Whole(_CODE, detail))
    return tuple(whole for _, whole in sorted(found.items()))


class _Declared:
    """What the code still has: then the code says which provider deletes its instances. Data is only forgotten."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._nodes: dict[str, Collection[str]] = {}  # by the module of a state

    def __contains__(self, resource: Mapping[str, Any]) -> bool:
        module = resource.get("module") or ""
        if module not in self._nodes:
            code = self._graph.configuration.modules.get(".".join(indexless(module).split(".")[1::2]))
            self._nodes[module] = code.nodes if code is not None else ()
        return resource["mode"] != "managed" or f"{resource['type']}.{resource['name']}" in self._nodes[module]


def _unit(graph: Graph, resource: Mapping[str, Any], slices: Mapping[str, str]) -> str | None:
    """The unit that deletes it; None for that of what is gone, which keeps every provider."""
    name = top(_address(resource))
    unit = graph.owner_of(name) or slices.get(name, REMOVED)
    return unit if unit != REMOVED else None


def _address(resource: Mapping[str, Any]) -> str:
    return ".".join(filter(None, (resource.get("module"), resource["type"], resource["name"])))


def _made_by(graph: Graph, resource: Mapping[str, Any]) -> Iterator[str]:
    """The provider blocks of the root behind it; one that a module configures itself goes with the module."""
    made = _OF_ROOT.fullmatch(resource.get("provider") or "")
    if made is not None:
        yield from graph.configuration.provider_nodes((made[1], made[2] or ""))
