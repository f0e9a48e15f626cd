"""What other units read of a unit: value, exact type, what is sensitive, what is not known yet."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from stackly_engine import exact, mangling, marks, planfile, probing, types
from stackly_engine.exact import FormatError
from stackly_engine.source import Kind, Node
from stackly_engine.values import Path, Refinement

if TYPE_CHECKING:
    from stackly_engine.graph import Graph


class ExportError(ValueError):
    """A state or a plan does not hold an export that it must hold; the message names the address, never a value."""


@dataclass(frozen=True)
class Export:
    """One value that leaves a unit.

    `type` is a cty type as JSON ("string", ["list", "string"], ["object", {…}], "dynamic"); `value` is exact JSON, None
    where null or unknown. `sensitive` and `unknown` are False, True (all of it) or a mask of the value's own shape: a dict
    for objects and maps, a list for lists, tuples and sets. `inner` are paths of sensitive parts inside of sensitive
    ones: Terraform keeps both apart, and sees a change where one is lost. `refined` says more of unknown parts, by path.
    """

    type: Any
    value: Any
    sensitive: Any = False
    unknown: Any = False
    refined: tuple[tuple[Path, Refinement], ...] = ()
    inner: tuple[Path, ...] = ()


Exports = Mapping[str, Mapping[str | None, Export]]
Recorded = dict[str, dict[str | None, Export]]
UNKNOWN = Export("dynamic", None, unknown=True)  # of a unit that is planned later: nothing is known of it


def prefix_of(graph: Graph) -> str:
    """How each generated name of this root begins: `stackly_up__`, unless the root has such names itself."""
    return mangling.prefix_for(part for address in graph.configuration.root.nodes for part in address.split("."))


def attributes_of(graph: Graph, address: str) -> tuple[str | None, ...]:
    """How a real node is handed over: its attributes that others read, sorted, or (None,) for the whole object.

    Whole when someone reads it so, when there may be several instances or none, and when an attribute is read that the
    module does not have (`try` may ask for one). Ephemeral outputs are never handed over.
    """
    node, read = graph.configuration.root.nodes[address], graph.exports.get(address, frozenset())
    if not read or node.kind is Kind.EPHEMERAL:
        return ()
    named = sorted(name for name in read if name is not None)
    if None in read or not single(node) or not all(_declared(graph, node, name) for name in named):
        return (None,)
    return tuple(name for name in named if not _ephemeral(graph, node, name))


def outputs_of(graph: Graph, units: Collection[str]) -> Mapping[str, tuple[str | None, ...]]:
    """The exports that a batch records: address → attributes, sorted; (None,) when the whole object is recorded."""
    members = sorted(member for unit in units if unit in graph.units for member in graph.units[unit].members)
    found = {address: attributes_of(graph, address) for address in members}
    return {address: attributes for address, attributes in found.items() if attributes}


def unknown_of(graph: Graph, units: Collection[str]) -> Recorded:
    """The exports of units that are planned later: all unknown."""
    return {address: dict.fromkeys(names, UNKNOWN) for address, names in outputs_of(graph, units).items()}


def recorded(graph: Graph, units: Collection[str], state: Mapping[str, Any]) -> Recorded:
    """The exports in the state document that an apply of a cut root left; ExportError when one is missing."""
    outputs, prefix = state.get("outputs") or {}, prefix_of(graph)
    return {
        address: {name: _from_state(outputs, prefix, address, name) for name in names}
        for address, names in outputs_of(graph, units).items()
    }


def without_generated(state: Mapping[str, Any], prefix: str = mangling.PREFIX) -> dict[str, Any]:
    """The state document without the outputs of the generated file."""
    outputs = {name: value for name, value in (state.get("outputs") or {}).items() if not name.startswith(prefix)}
    return {**state, "outputs": outputs}


def planned(graph: Graph, units: Collection[str], plan_file: bytes, before: Exports) -> Recorded:
    """The exports that a saved plan of a cut root expects; PlanFormatError for a plan of an unknown version."""
    outputs, prefix = planfile.outputs(plan_file), prefix_of(graph)
    return {
        address: {name: _from_plan(outputs, prefix, before, (address, name)) for name in names}
        for address, names in outputs_of(graph, units).items()
    }


def part_of(exports: Exports, place: tuple[str, str | None]) -> Export | None:
    """What is exported at a place (address, attribute), from the whole object too when only that is known; else None."""
    address, name = place
    named = exports.get(address, {})
    if name in named or None not in named:
        return named.get(name)
    whole = named[None]
    if name is None or types.kind(whole.type) != "object" or name not in whole.type[1]:
        return None
    value, sensitive, unknown = (
        part.get(name) if isinstance(part, dict) else part for part in (whole.value, whole.sensitive, whole.unknown)
    )
    refined = tuple((path[1:], known) for path, known in whole.refined if path[:1] == (name,))
    inner = tuple(path[1:] for path in whole.inner if path[:1] == (name,) and path[1:])
    return Export(whole.type[1][name], value, sensitive or False, unknown or False, refined, inner)


def hash_of(export: Export, key: bytes, place: tuple[str, str | None]) -> str:
    """HMAC-SHA256, hex, of an export at its place (address, attribute); one with unknown parts never equals a known one."""
    value = export.value if marks.some(export.unknown) else types.ordered(export.value, export.type)
    document = [*place, _document(replace(export, value=value))]
    return hmac.new(key, exact.dumps(exact.normal(document)), hashlib.sha256).hexdigest()


def to_document(exports: Exports) -> list[Any]:
    """Exports as a JSON document (of exact numbers), in one order."""
    return [
        [address, name, _document(export)]
        for address, named in sorted(exports.items())
        for name, export in sorted(named.items(), key=lambda item: item[0] or "")
    ]


def from_document(document: Any) -> Recorded:
    """What `to_document` made; FormatError for anything else."""
    found: Recorded = {}
    try:
        for address, name, export in document:
            found.setdefault(address, {})[name] = _export(export)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise FormatError("these are no exports") from None
    return found


def _document(export: Export) -> dict[str, Any]:
    refined = [[list(path), known.not_null, known.prefix] for path, known in export.refined]
    masks = {"sensitive": marks.tidy(export.sensitive), "unknown": marks.tidy(export.unknown)}
    return {"type": export.type, "value": export.value, **masks, "refined": refined, "inner": export.inner}


def _export(document: Any) -> Export:
    refined = tuple((tuple(path), Refinement(not_null, text)) for path, not_null, text in document["refined"])
    inner = tuple(tuple(path) for path in document["inner"])
    kind, masks = types.check(document["type"]), (document["sensitive"], document["unknown"])
    return Export(kind, document["value"], *masks, refined, inner)


def from_output(output: Any) -> Export:
    """The export that one generated output of a state document records; ExportError."""
    try:
        kind, (value, probe) = types.check(output["type"][1][0]), output["value"]
    except (KeyError, IndexError, TypeError, ValueError):
        raise ExportError("this output records no export") from None
    sensitive, inner = marks.outer_and_inner(probing.paths(probe, kind), value)
    return Export(kind, value, sensitive, inner=inner)


def from_planned_output(output: planfile.PlannedOutput) -> Export:
    """The export that one generated output of a plan expects."""
    got = output.planned
    if got.unknown is True or types.kind(got.type) != "tuple":
        return UNKNOWN
    paths = [path[1:] for path in output.sensitive if path[:1] in {(), (0,)}]
    sensitive, inner = marks.outer_and_inner(paths, got.value[0])
    refined = tuple(sorted(((path[1:], known) for path, known in got.refined.items() if path[:1] == (0,)), key=repr))
    return Export(got.type[1][0], got.value[0], sensitive, marks.at(got.unknown, 0), refined, inner)


def _from_state(outputs: Mapping[str, Any], prefix: str, address: str, name: str | None) -> Export:
    try:
        return from_output(outputs.get(mangling.name(prefix, address, name)))
    except ExportError:
        raise ExportError(f"the state does not hold {_said(address, name)}") from None


def _from_plan(
    outputs: Mapping[str, planfile.PlannedOutput], prefix: str, before: Exports, place: tuple[str, str | None]
) -> Export:
    output = outputs.get(mangling.name(prefix, *place))
    if output is None:
        known = before.get(place[0], {}).get(place[1])
        if known is None:
            raise ExportError(f"the plan does not hold {_said(*place)}")
        return known
    return from_planned_output(output)


def _said(address: str, name: str | None) -> str:
    return address if name is None else f"{address}.{name}"


def single(node: Node) -> bool:
    """Whether the node is one object whatever happens: no count, no for_each, no `enabled` of OpenTofu."""
    lifecycle = [block for block in node.block.blocks if block.type == "lifecycle"]
    many = node.block.attributes.keys() & {"count", "for_each", "enabled"}
    return not many and not any("enabled" in block.attributes for block in lifecycle)


def _declared(graph: Graph, node: Node, name: str) -> bool:
    if node.kind is not Kind.MODULE:
        return True
    module = graph.configuration.modules.get(node.block.labels[0])
    return module is None or f"output.{name}" in module.nodes


def _ephemeral(graph: Graph, node: Node, name: str) -> bool:
    return node.kind is Kind.MODULE and name in graph.configuration.ephemeral_outputs(node.block.labels[0])
