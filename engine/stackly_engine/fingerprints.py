"""Fingerprints in named parts, so that a reason can say which one moved."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from stackly_engine.graph import Graph
from stackly_engine.reasons import Reason
from stackly_engine.records import Place, Record

# Part of every fingerprint; raised when the meaning of any part changes. Not Stackly's version.
SCHEMA_ID = "1"


@dataclass(frozen=True)
class Context:
    """What counts for every unit, as digests and documents; hashes of secret things are keyed.

    `version` is product and exact version ("terraform 1.11.4"). `environment` is the keyed digest of the runner's
    declared environment and the cloud identity. `variables` maps the names of variables that the run sets to keyed hashes.
    `packages` maps provider addresses ("registry.terraform.io/hashicorp/aws") to the hash of the installed package.
    `trees` maps a directory as in modules.json ("." is the root) to all files below it, path → SHA-256; `source` is the
    digest of the whole source artifact.
    """

    version: str
    environment: str
    source: str
    variables: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    trees: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Parts:
    """What can be said of a unit from the code alone.

    `of` maps part names ("code:main.tf", "variable:env", "provider:aws", "version" …) to digests. `inputs` are the places
    of other units that it reads, `applies` the units whose applies make its data sources be read again. `impure` says why
    it always runs; `data` are its data sources that read the world.
    """

    of: Mapping[str, str]
    inputs: tuple[Place, ...] = ()
    applies: tuple[str, ...] = ()
    impure: tuple[str, ...] = ()
    data: tuple[str, ...] = ()


def parts(graph: Graph, unit: str, context: Context) -> Parts:
    """The static parts of a unit."""
    raise NotImplementedError


def all_parts(graph: Graph, context: Context) -> dict[str, Parts]:
    """The static parts of every unit of a graph; each file is read once."""
    raise NotImplementedError


def fingerprint(static: Parts, inputs: Mapping[Place, str], applies: Mapping[str, int]) -> dict[str, str]:
    """All parts, with those of what other units gave: what a record keeps after a successful apply."""
    raise NotImplementedError


def moved(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[Reason, ...]:
    """What differs between two fingerprints, the most important first; of unequal schema nothing else is compared."""
    raise NotImplementedError


__all__ = ["SCHEMA_ID", "Context", "Parts", "Record", "all_parts", "fingerprint", "moved", "parts"]
