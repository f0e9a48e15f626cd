"""Which units have to run together, so that objects are destroyed in Terraform's own order (engine.md §9)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from stackly_engine.dependencies import Dependencies
from stackly_engine.graph import Graph

REMOVED = "removed"
"""The unit of all that is gone from the code; a graph does not hold it."""


@dataclass(frozen=True, slots=True, order=True)
class Couple:
    """`first` has an object that is destroyed, `second` one that depends on it; `reason` in words."""

    first: str
    second: str
    reason: str


def coupled(
    graph: Graph,
    plans: Mapping[Collection[str], Mapping[str, Any]],
    document: Mapping[str, Any],
    dependencies: Dependencies,
    slices: Mapping[str, str] | None = None,
) -> tuple[Couple, ...]:
    """The couples of units that plans of batches must not keep apart, sorted."""
    raise NotImplementedError
