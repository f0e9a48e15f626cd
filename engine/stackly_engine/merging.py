"""State documents of batches: cut out of that of the whole stack, and merged into it again."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stackly_engine import exact, instances, slices
from stackly_engine.dependencies import BEFORE_DESTROY, DEPENDENCIES, Dependencies
from stackly_engine.exact import FormatError

CHECKS = "check_results"
_KNOWN = frozenset({"version", "terraform_version", "serial", "lineage", "outputs", "resources", CHECKS})


@dataclass(frozen=True)
class Written:
    """The state document that one batch left, without generated outputs.

    `tops` are the top-level addresses that it may hold: members of its units, and what was moved to them. `outputs` says
    whether the unit of outputs was in the batch: only then its outputs and the results of root checks and variables count.
    """

    document: Mapping[str, Any]
    tops: frozenset[str]
    outputs: bool = False


def empty(lineage: str, terraform_version: str) -> dict[str, Any]:
    """The document of a stack that has no state yet."""
    head = {"version": slices.STATE_VERSION, "terraform_version": terraform_version, "serial": 0, "lineage": lineage}
    return {**head, "outputs": {}, "resources": [], CHECKS: None}


def part(base: Mapping[str, Any], tops: Collection[str], *, outputs: bool = False) -> dict[str, Any]:
    """The document that a batch starts from: the slices of its top-level addresses; outputs only with their unit."""
    head, resources = slices.split_by_top(base)
    results = [result for result in base.get(CHECKS) or [] if _in(result, tops, outputs=outputs)]
    head |= {"outputs": (base.get("outputs") or {}) if outputs else {}, CHECKS: results or None}
    return slices.join(head, {top: resources[top] for top in sorted(tops) if top in resources})


def without(document: Mapping[str, Any], tops: Collection[str]) -> dict[str, Any]:
    """A document without the slices of these top-level addresses: data sources that a batch read beside its own."""
    kept = [resource for resource in document.get("resources") or [] if slices.top_of(resource) not in tops]
    return {**document, "resources": kept}


def merged(base: Mapping[str, Any], batches: Iterable[Written]) -> dict[str, Any]:
    """The base document with the tops of each batch as that batch left them, serial one higher when anything changed.

    FormatError when a batch holds what is not its own, when two batches own the same, or when a document is of another
    lineage or has parts of unknown meaning.
    """
    written = list(batches)
    _refuse(base, written)
    head, parts = slices.split_by_top(base)
    for batch in written:
        parts = {top: kept for top, kept in parts.items() if top not in batch.tops}
        parts |= slices.split_by_top(batch.document)[1]
        head |= {CHECKS: _results(head, batch), "terraform_version": batch.document.get("terraform_version", "")}
        if batch.outputs:
            head["outputs"] = batch.document.get("outputs") or {}
    tops = frozenset().union(*(batch.tops for batch in written))
    moved = _written(head, parts, tops) != _written(*slices.split_by_top(base), tops)
    return {**slices.join(head, parts), "serial": base["serial"] + moved}


def _written(head: Mapping[str, Any], parts: Mapping[str, list[dict[str, Any]]], tops: Collection[str]) -> bytes:
    """What batches of these tops may have changed of a document."""
    return exact.dumps(slices.join(head, {top: part for top, part in parts.items() if top in tops}))


def remembered(document: Mapping[str, Any], now: Dependencies | None = None) -> Dependencies:
    """What a state document itself says of dependencies, overruled by those of the code in use.

    Slices are stored without: this is what to keep of resources that may be gone from the code when they are assembled.
    """
    of: dict[str, tuple[str, ...]] = {}
    before: set[str] = set()
    for resource in document.get("resources") or []:
        address = instances.config(instances.of_resource(resource))
        if resource["mode"] != "managed" or (now is not None and address in now.of):
            continue
        found = [instance for instance in resource.get("instances") or [] if not instance.get("deposed")]
        of[address] = tuple(sorted({other for instance in found for other in instance.get(DEPENDENCIES) or []}))
        before |= {address for instance in found if instance.get(BEFORE_DESTROY)}
    if now is None:
        return Dependencies(of, frozenset(before), frozenset())
    return Dependencies({**now.of, **of}, now.before_destroy | before, now.literal_before_destroy)


def _refuse(base: Mapping[str, Any], batches: list[Written]) -> None:
    taken: set[str] = set()
    for batch in batches:
        if taken & batch.tops or sum(other.outputs for other in batches) > 1:
            raise FormatError("two batches hold the same part of the state")
        taken |= batch.tops
        if batch.document.get("lineage") != base.get("lineage"):
            raise FormatError("the state of a batch is of another lineage")
        unknown = {key for key in batch.document.keys() - _KNOWN if batch.document[key] != base.get(key)}
        if unknown:
            raise FormatError(f"the state of a batch has parts of unknown meaning: {', '.join(sorted(unknown))}")
        strange = slices.split_by_top(batch.document)[1].keys() - batch.tops
        if strange:
            raise FormatError(f"the state of a batch holds what is not its own: {', '.join(sorted(strange)[:5])}")
    if len({batch.document.get("terraform_version") for batch in batches}) > 1:
        raise FormatError("the states of the batches are of different Terraform versions")


def _results(head: Mapping[str, Any], batch: Written) -> list[Any] | None:
    """Terraform writes them in no order; here they are sorted."""
    kept = [result for result in head.get(CHECKS) or [] if not _in(result, batch.tops, outputs=batch.outputs)]
    own = [result for result in batch.document.get(CHECKS) or [] if _in(result, batch.tops, outputs=batch.outputs)]
    return sorted(kept + own, key=_place_of_result) or None


def _place_of_result(result: Mapping[str, Any]) -> tuple[str, str]:
    return str(result.get("object_kind")), str(result.get("config_addr"))


def _in(result: Mapping[str, Any], tops: Collection[str], *, outputs: bool) -> bool:
    """Whether an entry of `check_results` is about one of these; what is no resource and in no module is of the outputs."""
    top = instances.parse(str(result.get("config_addr") or ""))[:1]
    if top and (top[0].name.startswith("module.") or result.get("object_kind") == "resource"):
        return top[0].name in tops
    return outputs
