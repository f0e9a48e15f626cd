"""The named parts of a fingerprint, so that a reason can say which one moved: what they are and how they compare."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from stackly_engine import reasons
from stackly_engine.reasons import Reason
from stackly_engine.records import Place, name_of

# Part of every fingerprint; raised when the meaning of any part changes. Not Stackly's version.
SCHEMA_ID = "1"
MISSING = "missing"


@dataclass(frozen=True)
class Context:
    """What counts for every unit, as digests and documents; hashes of secret things are keyed.

    `version` is product and exact version ("terraform 1.11.4"). `environment` is the keyed digest of the runner's
    declared environment, the cloud identity and the chosen workspace. `variables` maps the names of variables that the
    run sets, from wherever, to keyed hashes.
    `packages` maps provider addresses ("registry.terraform.io/hashicorp/aws") to the hash of the installed package.
    `trees` maps a directory as in modules.json ("." is the root) to all files of the source below it (not what Terraform
    or git keep there), path → SHA-256; `source` is the digest of the whole source artifact.
    """

    version: str
    environment: str
    source: str
    variables: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    trees: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    beside: bool = False


@dataclass(frozen=True)
class Parts:
    """What can be said of a unit from the code alone.

    `of` maps part names ("code:main.tf", "variable:env", "provider:aws", "version" …) to digests. `inputs` are the places
    of other units that it reads, `applies` the units whose changes make its data sources be read again. `impure` says why
    it always runs; `data` are its data sources that read the world.
    """

    of: Mapping[str, str]
    inputs: tuple[Place, ...] = ()
    applies: tuple[str, ...] = ()
    impure: tuple[str, ...] = ()
    data: tuple[str, ...] = ()


def dynamic(static: Parts, inputs: Mapping[Place, str], changes: Mapping[str, str]) -> dict[str, str]:
    """The parts that other units give: hashes of what is read of them, and when they last changed."""
    read = {f"{reasons.INPUT}:{name_of(place)}": value_at(inputs, place) for place in static.inputs}
    return read | {f"{reasons.APPLIED}:{unit}": changes.get(unit, MISSING) for unit in static.applies}


def fingerprint(static: Parts, inputs: Mapping[Place, str], changes: Mapping[str, str]) -> dict[str, str]:
    """All parts: what a record keeps after a successful apply."""
    return {**static.of, **dynamic(static, inputs, changes)}


def value_at(inputs: Mapping[Place, str], place: Place) -> str:
    """The hash of a place, or of the whole object when only that is recorded; MISSING is equal to no hash."""
    return inputs.get(place) or inputs.get((place[0], None)) or MISSING


def is_static(name: str) -> bool:
    """Whether a part comes from the code alone."""
    return not name.startswith(_DYNAMIC)


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[Reason, ...]:
    """What differs between two sets of parts, the most important first; of unequal schema nothing else is compared."""
    if before == now and MISSING not in now.values():
        return ()
    schema = (before.get(reasons.SCHEMA), now.get(reasons.SCHEMA))
    if schema[0] != schema[1]:
        return (Reason(reasons.SCHEMA, f"{schema[0]} → {schema[1]}"),)
    names = (
        name for name in before.keys() | now.keys() if before.get(name) != now.get(name) or now.get(name) == MISSING
    )
    return tuple(_reason(name, before, now) for name in sorted(names, key=_importance))


_DYNAMIC = (f"{reasons.INPUT}:", f"{reasons.APPLIED}:")
_PLACES = {code: place for place, code in enumerate(reasons.PARTS)}


def _importance(name: str) -> tuple[int, str]:
    return _PLACES.get(name.partition(":")[0], len(_PLACES)), name


def _reason(name: str, before: Mapping[str, str], now: Mapping[str, str]) -> Reason:
    code, _, detail = name.partition(":")
    if code == reasons.VERSION:
        return Reason(code, f"{before.get(name, '?')} → {now.get(name, '?')}")
    return Reason(code, detail)
