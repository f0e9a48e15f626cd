"""What Terraform would record as `dependencies` and `create_before_destroy`, from the configuration alone."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stackly_engine import ordering
from stackly_engine.addresses import indexless
from stackly_engine.configuration import Configuration
from stackly_engine.reference_tree import ReferenceTree, reference_tree

DEPENDENCIES, BEFORE_DESTROY = "dependencies", "create_before_destroy"
_FIELDS = (DEPENDENCIES, BEFORE_DESTROY)


@dataclass(frozen=True)
class Dependencies:
    """By config address (no instance keys): `of` has all resources that a resource comes to, sorted, data sources too.

    `before_destroy` are those that are created before they are destroyed, by their own code (`literal_before_destroy`)
    or because one that needs them is.
    """

    of: Mapping[str, tuple[str, ...]]
    before_destroy: frozenset[str]
    literal_before_destroy: frozenset[str]


def dependencies(configuration: Configuration) -> Dependencies:
    """Terraform's reference graph over the whole module tree, closed."""
    return closed(reference_tree(configuration, imports=False))


def closed(tree: ReferenceTree) -> Dependencies:
    """What a reference graph comes to."""
    names = tuple(sorted(tree.resources))
    masks = _masks(tree, names)
    forced = 0
    for name in tree.before_destroy:
        forced |= masks[name]
    found = frozenset(_names(names, forced)) & tree.managed
    return Dependencies(_Reached(names, masks), found | tree.before_destroy, tree.before_destroy)


class _Reached(Mapping[str, tuple[str, ...]]):
    """The closure kept as one bit per pair: written out it grows with the square of the resources."""

    def __init__(self, names: tuple[str, ...], masks: Mapping[str, int]) -> None:
        self._names, self._masks = names, masks

    def __getitem__(self, address: str) -> tuple[str, ...]:
        return tuple(name for name in _names(self._names, self._masks[address]) if name != address)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, address: object) -> bool:
        return address in self._masks


_BITS = tuple(tuple(bit for bit in range(8) if byte >> bit & 1) for byte in range(256))
_SET = re.compile(rb"[^\0]")  # most bytes of most masks are 0


def _names(names: tuple[str, ...], mask: int) -> Iterator[str]:
    data = mask.to_bytes((mask.bit_length() + 7) // 8, "little")
    for found in _SET.finditer(data):
        place = found.start()
        for bit in _BITS[data[place]]:
            yield names[8 * place + bit]


def _masks(tree: ReferenceTree, names: tuple[str, ...]) -> dict[str, int]:
    """For each resource those that it comes to, bit n for the n-th name; a mask goes as soon as nobody needs it."""
    bits = {name: 1 << number for number, name in enumerate(names)}
    left = {name: len(users) for name, users in ordering.inverted(tree.edges).items()}
    masks: dict[str, int] = {}
    kept: dict[str, int] = {}
    for component in ordering.components(tree.edges):
        mask = 0
        for target in (target for member in component for target in tree.edges[member]):
            mask |= masks.get(target, 0) | bits.get(target, 0)
            left[target] -= 1
            if left[target] == 0:
                masks.pop(target, None)
        for member in component:
            if left[member]:
                masks[member] = mask
            if member in bits:
                kept[member] = mask
    return kept


def restored(resources: list[dict[str, Any]], d: Dependencies) -> list[dict[str, Any]]:
    """The resources of a state with both fields as Terraform would write them; one that has them so is the same object.

    Resources that are gone from the code keep theirs, and so do deposed objects.
    """
    return [_with_fields(resource, d) if _address(resource) in d.of else resource for resource in resources]


def stripped(resources: list[dict[str, Any]], d: Dependencies | None = None) -> list[dict[str, Any]]:
    """The resources of a state without the two fields, those of deposed objects apart; with `d` only where it has them."""
    return [_changed(resource, {}) if d is None or _address(resource) in d.of else resource for resource in resources]


def _with_fields(resource: dict[str, Any], d: Dependencies) -> dict[str, Any]:
    address = _address(resource)
    found = d.of[address]
    fields: dict[str, Any] = {DEPENDENCIES: list(found)} if found else {}
    if address in d.before_destroy:
        fields[BEFORE_DESTROY] = True
    return _changed(resource, fields)


def _changed(resource: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    if resource["mode"] != "managed":
        return resource
    before = resource["instances"]
    after = [_instance(instance, fields) for instance in before]
    if all(one is other for one, other in zip(before, after, strict=True)):
        return resource
    return {**resource, "instances": after}


def _instance(instance: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    if instance.get("deposed") or {name: instance[name] for name in _FIELDS if name in instance} == fields:
        return instance
    return {key: value for key, value in instance.items() if key not in {DEPENDENCIES, BEFORE_DESTROY}} | fields


def _address(resource: dict[str, Any]) -> str:
    parts = (
        resource.get("module", ""),
        "data" if resource["mode"] == "data" else "",
        resource["type"],
        resource["name"],
    )
    return indexless(".".join(part for part in parts if part))
