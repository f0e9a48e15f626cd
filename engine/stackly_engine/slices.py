"""One Terraform state document as a manifest and slices by top-level address, and back, without loss."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from stackly_engine import exact, instances
from stackly_engine.dependencies import Dependencies, restored, stripped
from stackly_engine.exact import FormatError

ROOT = "root"
STATE_VERSION = 4
# A dynamic value is stored beside its type; these words are no secrets, and masking them would make logs unreadable.
_TYPE_WORDS = {"string", "number", "bool", "dynamic", "object", "list", "set", "map", "tuple"}
_MODULE = re.compile(r"module\.([^.\[]+)")


@dataclass(frozen=True)
class Manifest:
    """What a state document says apart from its resources, and where each resource's slice is.

    `head` holds every other top-level key as it came (outputs and check_results among them: secrets may be inside).
    `order` is the run-length encoded sequence of units in the document: ((unit, resources in a row), ...); None for the
    order in which Terraform writes resources.
    `digests` maps each unit to the SHA-256 (hex) of its slice bytes.
    """

    serial: int
    lineage: str
    terraform_version: str
    head: Mapping[str, Any]
    order: tuple[tuple[str, int], ...] | None
    digests: Mapping[str, str]

    def to_bytes(self) -> bytes:
        """Canonical JSON of the whole manifest."""
        return exact.dumps({"head": self.head, "order": self.order, "digests": self.digests})

    @classmethod
    def from_bytes(cls, data: bytes) -> "Manifest":
        """The manifest `to_bytes` wrote; FormatError for anything else."""
        document = exact.loads(data)
        try:
            head, digests = document["head"], document["digests"]
            listed = document["order"]
            order = None if listed is None else tuple((str(unit), int(count)) for unit, count in listed)
        except (KeyError, TypeError, ValueError):
            raise FormatError("this is no manifest") from None
        return _manifest(head, order, digests)


def unit_of(module: str) -> str:
    """The unit of a resource by its module address: `module.a["x"].module.b` belongs to `module.a`, "" to `root`."""
    if not module:
        return ROOT
    found = _MODULE.match(module)
    if found is None:
        raise FormatError("a resource has a module address of unknown form")
    return found.group(0)


def digest(slice_bytes: bytes) -> str:
    """The SHA-256 of slice bytes, hex."""
    return hashlib.sha256(slice_bytes).hexdigest()


def split(document: bytes) -> tuple[Manifest, dict[str, bytes]]:
    """Take a version 4 state document apart: the manifest and the canonical bytes of each unit's slice."""
    state = parse(document)
    resources = state["resources"] or []
    units = [unit_of(resource.get("module", "")) for resource in resources]
    parts: dict[str, list[Any]] = {}
    for unit, resource in zip(units, resources, strict=True):
        parts.setdefault(unit, []).append(resource)
    slices = {unit: exact.dumps(part) for unit, part in parts.items()}
    head = {key: value for key, value in state.items() if key != "resources"}
    order = tuple((unit, len(list(run))) for unit, run in groupby(units))
    return _manifest(head, order, {unit: digest(data) for unit, data in slices.items()}), slices


def assemble(manifest: Manifest, slices: Mapping[str, bytes]) -> bytes:
    """The state document of a manifest and its slices; FormatError when a slice is missing, foreign or altered."""
    if slices.keys() != manifest.digests.keys():
        raise FormatError("the slices are not those of the manifest")
    for unit, data in slices.items():
        if digest(data) != manifest.digests[unit]:
            raise FormatError(f"the slice of {unit} does not have the digest of the manifest")
    parts = {unit: exact.loads(data) for unit, data in slices.items()}
    if manifest.order is None:
        resources = sorted((resource for part in parts.values() for resource in part), key=_as_terraform_sorts)
    else:
        resources = _in_order(manifest.order, {unit: iter(part) for unit, part in parts.items()})
    return _document(manifest.head, [exact.dumps(resource) for resource in resources])


def _in_order(order: tuple[tuple[str, int], ...], parts: Mapping[str, Iterator[Any]]) -> list[Any]:
    try:
        resources = [next(parts[unit]) for unit, count in order for _ in range(count)]
    except (KeyError, StopIteration):
        raise FormatError("the manifest names more resources than the slices hold") from None
    if any(next(part, None) is not None for part in parts.values()):
        raise FormatError("the slices hold more resources than the manifest names")
    return resources


def parse(document: bytes) -> dict[str, Any]:
    """The state document as exact values; FormatError when it is not a whole, plain version 4 document."""
    state = exact.loads(document)
    if not isinstance(state, dict):
        raise FormatError("a state document is an object")
    if "encrypted_data" in state:
        raise FormatError("the state is encrypted by the engine itself")
    if state.get("version") != STATE_VERSION:
        raise FormatError(f"only state documents of version {STATE_VERSION} can be read")
    if not isinstance(state.setdefault("resources", []), list | None):
        raise FormatError("the resources of a state document are a list")
    if not all(isinstance(resource, dict) for resource in state["resources"] or []):
        raise FormatError("a resource of a state document is an object")
    return state


def split_by_top(state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """A state document (of `parse`) as its head, all but resources, and the resources by top-level address.

    Nothing is taken out; resources keep their order. FormatError for a resource without an address.
    """
    parts: dict[str, list[dict[str, Any]]] = {}
    module, mine = "", []
    for resource in state.get("resources") or []:
        # most stand beside others of their module; those are told without an address being made
        if not module or resource.get("module") != module or not _is_named(resource):
            module = resource.get("module") or ""
            mine = parts.setdefault(top_of(resource), [])
        mine.append(resource)
    return {key: value for key, value in state.items() if key != "resources"}, dict(sorted(parts.items()))


def head_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """All of a state document but its resources."""
    return {key: value for key, value in state.items() if key != "resources"}


def join(
    head: Mapping[str, Any],
    slices: Mapping[str, list[dict[str, Any]]],
    dependencies: Dependencies | None = None,
    *,
    checked: bool = True,
) -> dict[str, Any]:
    """The state document of a head and slices, resources in the order in which Terraform writes them.

    With `dependencies` each managed resource that they know gets those that Terraform would record. `checked`: a resource
    that does not belong to its slice is a FormatError.
    """
    resources = sorted((resource for part in slices.values() for resource in part), key=_as_terraform_sorts)
    if dependencies is not None:
        resources = restored(resources, dependencies)
    if checked and any(top_of(resource) != top for top, part in slices.items() for resource in part):
        raise FormatError("a slice holds a resource of another top-level address")
    return {**head, "resources": resources}


def top_of(resource: Mapping[str, Any]) -> str:
    """The top-level address of a resource of a state: `module.a`, `t.n`, `data.t.n`."""
    module = resource.get("module")
    if module and _is_named(resource):
        return instances.parse(module)[0].name
    return instances.of_resource(resource)[0].name


def _is_named(resource: Mapping[str, Any]) -> bool:
    return "mode" in resource and "type" in resource and "name" in resource


def slice_bytes(resources: list[dict[str, Any]]) -> bytes:
    """What a slice is stored and digested as: canonical, without dependencies, sensitive paths in one order."""
    return exact.dumps([_ordered(resource) for resource in sorted(stripped(resources), key=_as_terraform_sorts)])


def document_bytes(state: Mapping[str, Any]) -> bytes:
    """A state document as bytes, laid out for people: one resource a line."""
    return document_of(state, [exact.dumps(resource) for resource in state.get("resources") or []])


def document_of(state: Mapping[str, Any], lines: list[bytes]) -> bytes:
    """The same where the bytes of each resource are known already."""
    return _document({key: value for key, value in state.items() if key != "resources"}, lines)


def lines_of(document: bytes) -> list[bytes]:
    """The bytes of each resource in what `document_bytes` wrote; of no other document."""
    begin, end = document.find(b'\n  "resources": ['), document.find(b"\n  ]", document.find(b'\n  "resources": ['))
    lines = document[begin:end].split(b"\n    ")[1:]
    return [line.removesuffix(b",") for line in lines]


def sensitive_values(document: bytes) -> set[str]:
    """As `sensitive_in`, of the bytes of a document."""
    return sensitive_in(parse(document))


def sensitive_in(state: Mapping[str, Any]) -> set[str]:
    """The text of every value that a state (of `parse`) marks as sensitive: output values and attributes by their paths."""
    found: set[str] = set()
    for output in (state.get("outputs") or {}).values():
        if output.get("sensitive"):
            found.update(leaves(output.get("value")))
    for resource in state.get("resources") or []:
        for instance in resource.get("instances") or []:
            for path in instance.get("sensitive_attributes") or []:
                found.update(leaves(_at(instance.get("attributes"), path)))
    return found - _TYPE_WORDS


def leaves(value: Any) -> Iterator[str]:
    """The text of each string or number inside a value."""
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _at(value: Any, path: list[dict[str, Any]]) -> Any:
    """The value at a cty path; the value reached so far when the document does not go on that way (a set, say)."""
    for step in path:
        key = step.get("value")
        if isinstance(key, dict):
            key = key.get("value")
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return value
    return value


def _manifest(
    head: Mapping[str, Any], order: tuple[tuple[str, int], ...] | None, digests: Mapping[str, str]
) -> Manifest:
    serial, lineage = head.get("serial"), head.get("lineage")
    if not isinstance(serial, int) or isinstance(serial, bool) or not isinstance(lineage, str):
        raise FormatError("a state document has a whole serial and a lineage")
    return Manifest(serial, lineage, str(head.get("terraform_version", "")), head, order, digests)


def _as_terraform_sorts(resource: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return resource.get("module") or "", resource["mode"], resource["type"], resource["name"]


def _ordered(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Terraform writes sensitive paths in no order of their own."""
    instances = [
        {**instance, "sensitive_attributes": sorted(instance["sensitive_attributes"], key=exact.dumps)}
        if isinstance(instance, dict) and isinstance(instance.get("sensitive_attributes"), list)
        else instance
        for instance in resource.get("instances") or []
    ]
    return {**resource, "instances": instances}


def _document(head: Mapping[str, Any], resources: list[bytes]) -> bytes:
    """Terraform's own order of the top-level keys, one resource a line: a person may have to read it."""
    first = [key for key in ("version", "terraform_version", "serial", "lineage", "outputs") if key in head]
    rest = [key for key in head if key not in first]
    lines = [exact.dumps(key) + b": " + exact.dumps(head[key]) for key in first]
    lines.append(b'"resources": [' + b",".join(b"\n    " + resource for resource in resources) + b"\n  ]")
    lines += [exact.dumps(key) + b": " + exact.dumps(head[key]) for key in rest]
    return b"{\n  " + b",\n  ".join(lines) + b"\n}\n"
