"""What Terraform would record as `dependencies` and `create_before_destroy`, from the configuration alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stackly_engine.configuration import Configuration


@dataclass(frozen=True)
class Dependencies:
    """By config address (no indices): all resources reached, sorted; which are created before destroyed."""

    of: Mapping[str, tuple[str, ...]]
    before_destroy: frozenset[str]
    literal_before_destroy: frozenset[str]


def dependencies(configuration: Configuration) -> Dependencies:
    """Terraform's reference graph over the whole module tree, closed."""
    raise NotImplementedError


def restored(resources: list[dict[str, Any]], d: Dependencies) -> list[dict[str, Any]]:
    """The resources of a state with both fields as Terraform would write them; those gone from the code keep theirs."""
    raise NotImplementedError


def stripped(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The resources of a state without the two fields: what slices are stored and digested as."""
    raise NotImplementedError
