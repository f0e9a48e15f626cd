"""The stack's state document: the part of a batch, and what a batch left of it."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from stackly_engine import instances, merging, slices
from stackly_engine.cutting import needs_of
from stackly_engine.dependencies import Dependencies, restored
from stackly_engine.driving.known import Known
from stackly_engine.driving.ports import Share
from stackly_engine.exports import prefix_of, without_generated
from stackly_engine.graph import OUTPUTS, Graph
from stackly_engine.merging import Written
from stackly_engine.reference_key import declared_resources
from stackly_engine.source import Kind


def digests(document: Mapping[str, Any], only: Collection[str] | None = None) -> dict[str, str]:
    """Top address → digest of its slice, of all that the document has or only of these."""
    _, parts = slices.split_by_top(document)
    chosen = parts if only is None else parts.keys() & only
    return {top: slices.digest(slices.slice_bytes(parts[top])) for top in sorted(chosen)}


def tops(known: Known, units: Iterable[str]) -> frozenset[str]:
    """The top addresses whose slices these units have: their members, and what is gone from the code and was given to them."""
    chosen = frozenset(units)
    given = {address for address, owner in known.routes.slices.items() if owner in chosen}
    return frozenset(given) | {address for address, owner in known.graph.owner.items() if owner in chosen}


def part(known: Known, units: Collection[str]) -> bytes:
    """The state document of a batch: its slices; root outputs only where they are declared."""
    own = tops(known, units)
    known.require(own)
    return slices.document_bytes(merging.part(known.document, own, outputs=OUTPUTS in units))


def share(known: Known, units: Collection[str]) -> Share:
    copied = needs_of(known.graph, units).copied
    return Share(tops(known, units), OUTPUTS in units, prefix_of(known.graph), copied)


def merged(base: Mapping[str, Any], mine: Share, left: Mapping[str, Any]) -> dict[str, Any]:
    """The whole document after a batch left this one."""
    return all_merged(base, [(mine, left)])


def all_merged(base: Mapping[str, Any], batches: Iterable[tuple[Share, Mapping[str, Any]]]) -> dict[str, Any]:
    """The whole document after several batches, each with its share, left these. What none of them has stays as it is."""
    return merging.merged(base, [
        Written(merging.without(without_generated(left, mine.prefix), mine.copied - mine.tops), mine.tops, mine.outputs)
        for mine, left in batches
    ])  # fmt: skip


def settled(
    document: Mapping[str, Any], dependencies: Dependencies, only: Collection[str] | None = None
) -> dict[str, Any]:
    """The document with what Terraform would record as dependencies over all units.

    `only`: below these top-level addresses, where all else has them already.
    """
    head, parts = slices.split_by_top(document)
    if only is None:
        return slices.join(head, parts, dependencies)
    return slices.join(
        head, {top: restored(part, dependencies) if top in only else part for top, part in parts.items()}
    )


def settled_again(known: Known, document: Mapping[str, Any], tops: Collection[str]) -> dict[str, Any]:
    """`settled` of a document that differs from the known one by the slices of `tops` only.

    Where all others have these very dependencies already, nothing of them is looked at.
    """
    if known.settled_by != known.dependencies_key:
        found = settled(document, known.dependencies)
        known.settled_by = known.dependencies_key
        return found
    mine = [resource for resource in document.get("resources") or [] if slices.top_of(resource) in tops]
    fields = restored(mine, _as_before(known, mine, tops))
    new = {id(old): changed for old, changed in zip(mine, fields, strict=True)}
    return {**document, "resources": [new.get(id(resource), resource) for resource in document.get("resources") or []]}


def _as_before(known: Known, now: Iterable[Mapping[str, Any]], tops: Collection[str]) -> Dependencies:
    """What the document at hand says of the resources of these slices; their dependencies where it lacks one of them."""
    if "dependencies" not in vars(known):
        parts = [part for part in known.document.get("resources") or [] if slices.top_of(part) in tops and _lives(part)]
        found = merging.remembered({"resources": parts})
        named = {instances.config(instances.of_resource(part)) for part in now if part["mode"] == "managed"}
        code = declared_resources(known.graph.configuration, named)
        if code <= found.of.keys():
            of = {address: found.of[address] for address in code}
            return Dependencies(of, found.before_destroy, frozenset())
    return known.dependencies


def _lives(resource: Mapping[str, Any]) -> bool:
    """Whether it has an object that says what it depends on: deposed ones keep what they had."""
    return any(not instance.get("deposed") for instance in resource.get("instances") or [])


def tidied(graph: Graph, document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without results of checks of what neither the code nor the state has any more."""
    present = {slices.top_of(resource) for resource in document.get("resources") or []} | graph.owner.keys()
    present |= graph.configuration.root.nodes.keys()
    results = document.get(merging.CHECKS) or []
    return {**document, merging.CHECKS: [one for one in results if _subject(one) in present] or None}


def _subject(result: Mapping[str, Any]) -> str:
    """What a result of a check is about: a module or resource by its top address, else a node of the root."""
    address = str(result.get("config_addr") or "")
    top = instances.parse(address)[:1]
    inside = bool(top) and (top[0].name.startswith("module.") or result.get("object_kind") == "resource")
    return top[0].name if inside else address


def declared(graph: Graph, units: Collection[str]) -> frozenset[str]:
    """The names of the variables that a batch declares."""
    nodes = graph.configuration.root.nodes
    kept = needs_of(graph, units).kept
    return frozenset(nodes[address].block.labels[0] for address in kept if nodes[address].kind is Kind.VARIABLE)
