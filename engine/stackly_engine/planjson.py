"""Planned exports from a plan's JSON, for programs whose plan files are not known: exact or refused.

The JSON has no types. What it says of a text, a number or a boolean is certain, and so is a value that fits the type that
was recorded before; anything else could be one of several types and is refused.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from stackly_engine import mangling, marks, probing, types
from stackly_engine.exports import UNKNOWN, Export, ExportError, Exports, Recorded, outputs_of, prefix_of
from stackly_engine.planfile import PlanFormatError

if TYPE_CHECKING:
    from stackly_engine.graph import Graph


def planned(graph: "Graph", units: Collection[str], document: Mapping[str, Any], before: Exports) -> Recorded:
    """The exports that the JSON of a cut root's plan expects; PlanFormatError where a type cannot be told."""
    changes, prefix = document.get("output_changes") or {}, prefix_of(graph)
    found: Recorded = {}
    for address, names in outputs_of(graph, units).items():
        for name in names:
            known = before.get(address, {}).get(name)
            change = changes.get(mangling.name(prefix, address, name))
            found.setdefault(address, {})[name] = _export(change, known, f"{address}.{name}" if name else address)
    return found


def _export(change: Any, known: Export | None, place: str) -> Export:
    if change is None or change.get("actions") == ["no-op"]:
        if known is None:
            raise ExportError(f"the plan does not hold {place}")
        return known
    unknown, (value, probe) = marks.at(change.get("after_unknown", False), 0), change["after"]
    if unknown is True:
        return replace(UNKNOWN, sensitive=isinstance(probe, list) and probe[0] is True)
    if marks.some(unknown):
        raise PlanFormatError(f"the type of {place} cannot be told from the plan's JSON: parts of it are not known yet")
    kind = _type(value, known, place)
    sensitive, inner = marks.outer_and_inner(probing.paths(probe, kind), value)
    return Export(kind, value, sensitive, inner=inner)


def _type(value: Any, known: Export | None, place: str) -> Any:
    if known is not None and value is not None and types.conforms(value, known.type):
        return known.type
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | Decimal):
        return "number"
    if isinstance(value, str):
        return "string"
    raise PlanFormatError(f"the type of {place} cannot be told from the plan's JSON")
