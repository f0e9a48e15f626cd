"""Does what was approved cover what a new plan would do (engine.md §8)?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stackly_engine.exports import Export

Plan = Mapping[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that was not approved. `address` is "" for the plan as a whole; `path` leads into the change. No values."""

    address: str
    deposed: str
    reason: str
    path: tuple[str | int, ...] = ()


def uncovered(approved: Plan | None, new: Plan) -> tuple[Finding, ...]:
    """What of a new plan document the approved one does not cover, sorted; None: nothing was approved."""
    raise NotImplementedError


def refines(approved: Export, real: Export) -> bool:
    """Whether an export is one that the approved one may come out as."""
    raise NotImplementedError
