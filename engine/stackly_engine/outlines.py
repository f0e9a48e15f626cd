"""A state document without the contents of its resources: enough to decide what must run. What runs is read as whole slices."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stackly_engine import exact, slices
from stackly_engine.exact import FormatError

_OF_A_RESOURCE = ("module", "mode", "type", "name", "each", "provider")
_OF_AN_INSTANCE = ("index_key", "status", "deposed", "dependencies", "create_before_destroy")


@dataclass(frozen=True)
class Outline:
    """`document` has every resource and instance, but no attributes; `digests` those of the slices by top-level address.

    `sha256` is that of the bytes it was read from.
    """

    document: dict[str, Any]
    digests: Mapping[str, str]
    sha256: str

    @property
    def serial(self) -> int:
        return int(self.document["serial"])

    @property
    def units(self) -> frozenset[str]:
        """The parts of the state of which only this is known: `module.<name>`, `root`."""
        return frozenset(slices.unit_of(one.get("module") or "") for one in self.document["resources"])

    def providers(self) -> bytes:
        """A document for `init`, which asks a state for nothing but the providers of its resources."""
        by_provider = {one.get("provider"): one for one in self.document["resources"]}
        alone = [
            {**{key: one[key] for key in ("mode", "type", "name", "provider") if key in one}, "instances": []}
            for one in by_provider.values()
        ]
        return slices.document_bytes({**self.document, "outputs": {}, "check_results": None, "resources": alone})


def of_slice(data: bytes) -> bytes:
    """What an outline says of one slice, as canonical JSON: its resources, and digests by top-level address."""
    tops: dict[str, list[dict[str, Any]]] = {}
    resources = exact.loads(data)
    for resource in resources:
        tops.setdefault(slices.top_of(resource), []).append(resource)
    digests = {top: slices.digest(slices.slice_bytes(part)) for top, part in tops.items()}
    return exact.dumps([[_outlined(resource) for resource in resources], digests])


def put_together(head: Mapping[str, Any], parts: Iterable[bytes]) -> bytes:
    """The outline of a whole state, from its head and what `of_slice` gave."""
    return b'{"head":' + exact.dumps(head) + b',"parts":[' + b",".join(parts) + b"]}"


def read(data: bytes) -> Outline:
    """The outline that `put_together` made; FormatError for anything else."""
    found = exact.loads(data)
    try:
        head = found["head"]
        resources = [resource for part, _ in found["parts"] for resource in part]
        digests = {top: str(digest) for _, of in found["parts"] for top, digest in of.items()}
        document = slices.join(head, {"": resources}, checked=False)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise FormatError("this is no outline of a state") from None
    return Outline(document, digests, slices.digest(data))


def filled(document: Mapping[str, Any], parts: Mapping[str, bytes]) -> dict[str, Any]:
    """The document with whole slices in place of what was outlined of them; all others are the same objects."""
    kept = [one for one in document["resources"] if slices.unit_of(one.get("module") or "") not in parts]
    loaded = [one for data in parts.values() for one in exact.loads(data)]
    return slices.join(slices.head_of(document), {"": [*kept, *loaded]}, checked=False)


def _outlined(resource: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: resource[key] for key in _OF_A_RESOURCE if key in resource}
    instances = [
        {key: one[key] for key in _OF_AN_INSTANCE if key in one} for one in resource.get("instances") or []
    ]  # fmt: skip
    return {**found, "instances": instances}
