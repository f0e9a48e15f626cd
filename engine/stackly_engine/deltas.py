"""What moved of a state document: whole slices by unit, on top of the manifest of an earlier serial."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from stackly_engine import exact, slices
from stackly_engine.exact import FormatError
from stackly_engine.slices import Manifest

_COUNTED = ("serial", "lineage")  # of a head: what is no content


@dataclass(frozen=True)
class Delta:
    """Slices that are other ones than those of serial `base` (0: there was no state); None for a slice that is gone.

    `head` is all but the resources, None when that did not move. Its serial does not count: whoever keeps the manifest
    gives the next one.
    """

    base: int
    lineage: str
    slices: Mapping[str, bytes | None]
    head: Mapping[str, Any] | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing moved."""
        return not self.slices and self.head is None

    @property
    def digests(self) -> dict[str, str | None]:
        """By unit the SHA-256 of its slice, hex."""
        return {unit: None if data is None else slices.digest(data) for unit, data in sorted(self.slices.items())}

    @property
    def head_bytes(self) -> bytes:
        """The head as it travels; empty without one."""
        return b"" if self.head is None else exact.dumps(self.head)

    @property
    def sha256(self) -> str:
        """Over all of it: tells the same delta from another one."""
        head = slices.digest(self.head_bytes)
        return slices.digest(exact.dumps([self.base, self.lineage, head, sorted(self.digests.items())]))

    def to_bytes(self) -> bytes:
        """All of it as one JSON document, for people."""
        parts = {unit: None if data is None else exact.loads(data) for unit, data in self.slices.items()}
        return exact.dumps({"base": self.base, "lineage": self.lineage, "head": self.head, "slices": parts})


@dataclass(frozen=True)
class Weight:
    """How much one slice adds to its document: managed instances, and bytes of the document as it is exported."""

    instances: int
    size: int


def between(base: int, before: Mapping[str, Any], after: Mapping[str, Any]) -> Delta:
    """What moved between two documents of one lineage, `before` that of serial `base`; it costs what moved.

    A resource that did not move is best the same object in both.
    """
    old, new = _by_unit(before), _by_unit(after)
    parts: dict[str, bytes | None] = {}
    for unit in sorted(old.keys() | new.keys()):
        was, now = old.get(unit, []), new.get(unit, [])
        if len(was) != len(now) or any(one is not other for one, other in zip(was, now, strict=True)):
            data = exact.dumps(now)
            if not was or data != exact.dumps(was):
                parts[unit] = data if now else None
    head = slices.head_of(after)
    same = base > 0 and _content(head) == _content(slices.head_of(before))
    return Delta(base, str(after["lineage"]), parts, None if same else head)


def of_units(document: Mapping[str, Any], units: Collection[str]) -> dict[str, bytes | None]:
    """The slices of some units of a document, None for those of which it has nothing."""
    parts = _by_unit(document)
    return {unit: exact.dumps(parts[unit]) if unit in parts else None for unit in sorted(units)}


def _by_unit(document: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    units: dict[str, str] = {}
    parts: dict[str, list[dict[str, Any]]] = {}
    for resource in document.get("resources") or []:
        module = resource.get("module") or ""
        unit = units.get(module) or units.setdefault(module, slices.unit_of(module))
        parts.setdefault(unit, []).append(resource)
    return parts


def unit_of_top(top: str) -> str:
    """The slice that a top-level address belongs to."""
    return top if top.startswith("module.") else slices.ROOT


def read_head(data: bytes) -> Mapping[str, Any]:
    """The head of `Delta.head_bytes`; FormatError for what is none."""
    head = exact.loads(data)
    if not isinstance(head, dict) or "resources" in head or head.get("version") != slices.STATE_VERSION:
        raise FormatError("this is no head of a state document")
    return head


def weigh(unit: str, data: bytes | None) -> Weight:
    """What a slice adds; FormatError unless it is one of this unit, in canonical bytes."""
    if data is None:
        return Weight(0, 0)
    resources = exact.loads(data)
    if not isinstance(resources, list) or not resources or not all(map(_is_resource, resources)):
        raise FormatError(f"the slice of {unit} is no list of resources")
    if exact.dumps(resources) != data:
        raise FormatError(f"the slice of {unit} is not in canonical form")
    if any(slices.unit_of(one.get("module") or "") != unit for one in resources):
        raise FormatError(f"the slice of {unit} holds a resource of another unit")
    managed = (one for one in resources if one.get("mode") == "managed")
    # in the document each resource begins a line of four blanks and ends with a comma; in the slice only with a comma
    return Weight(sum(len(one.get("instances") or []) for one in managed), len(data) - 1 + 5 * len(resources))


def head_size(head: Mapping[str, Any]) -> int:
    """Bytes of a document of this head without resources."""
    return len(slices.document_bytes(head))


def moved(now: Manifest | None, base: Manifest | None, delta: Delta) -> Manifest | None:
    """The manifest after `now` with what moved since `base`; None when `now` has moved in the same places.

    Both are None when there was no state. FormatError for a first delta without a head, or another lineage.
    """
    if now is None:
        if delta.head is None:
            raise FormatError("the first state of all has a head")
        return _next({**delta.head, "lineage": delta.lineage}, 0, {}, delta)
    if now.lineage != delta.lineage:
        raise FormatError("the lineage is another")
    known: Mapping[str, str] = {} if base is None else base.digests
    if any(now.digests.get(unit) != known.get(unit) for unit in delta.slices):
        return None
    if delta.head is None:
        return _next(now.head, now.serial, now.digests, delta)
    if base is None or _content(base.head) != _content(now.head):
        return None
    return _next({**delta.head, "lineage": now.lineage}, now.serial, now.digests, delta)


def _is_resource(one: object) -> bool:
    return isinstance(one, dict) and all(isinstance(one.get(key), str) for key in ("mode", "type", "name"))


def _next(head: Mapping[str, Any], serial: int, digests: Mapping[str, str], delta: Delta) -> Manifest:
    """In Terraform's own order from here on: who sends slices has no other."""
    found = {**digests, **delta.digests}
    kept = {unit: digest for unit, digest in found.items() if digest is not None}
    return Manifest(
        serial + 1, str(head["lineage"]), str(head.get("terraform_version", "")), {**head, "serial": serial + 1}, None, kept
    )  # fmt: skip


def _content(head: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in head.items() if key not in _COUNTED}
