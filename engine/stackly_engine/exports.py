"""What other units read of a unit: value, exact type, what is sensitive, what is not known yet."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stackly_engine.graph import Graph


class ExportError(ValueError):
    """A state or a plan does not hold an export that it must hold; the message names the address, never a value."""


@dataclass(frozen=True)
class Refinement:
    """What is known of an unknown value: that it is not null, how its text begins."""

    not_null: bool = False
    prefix: str = ""


Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Export:
    """One value that leaves a unit.

    `type` is a cty type as JSON ("string", ["list", "string"], ["object", {…}], "dynamic"); `value` is exact JSON, None
    where null or unknown. `sensitive` and `unknown` are False, True (all of it) or a mask of the value's own shape: a dict
    for objects and maps, a list for lists, tuples and sets. `refined` says more of unknown parts, by path.
    """

    type: Any
    value: Any
    sensitive: Any = False
    unknown: Any = False
    refined: tuple[tuple[Path, Refinement], ...] = ()


Exports = Mapping[str, Mapping[str | None, Export]]
UNKNOWN = Export("dynamic", None, unknown=True)


def outputs_of(graph: Graph, units: Collection[str]) -> Mapping[str, tuple[str | None, ...]]:
    """The exports that a batch records: address → attributes, sorted; (None,) when the whole object is recorded."""
    raise NotImplementedError


def recorded(graph: Graph, units: Collection[str], state: dict[str, Any]) -> dict[str, dict[str | None, Export]]:
    """The exports in the state document that an apply of a cut root left; ExportError when one is missing."""
    raise NotImplementedError


def without_generated(state: dict[str, Any], prefix: str = "stackly_up__") -> dict[str, Any]:
    """The state document without the outputs of the generated file."""
    raise NotImplementedError


def planned(
    graph: Graph, units: Collection[str], plan_file: bytes, before: Exports
) -> dict[str, dict[str | None, Export]]:
    """The exports that a saved plan of a cut root expects; PlanFormatError for a plan of an unknown version."""
    raise NotImplementedError


def hash_of(export: Export, key: bytes, place: tuple[str, str | None]) -> str:
    """HMAC-SHA256, hex, of an export at its place (address, attribute); one with unknown parts never equals a known one."""
    raise NotImplementedError
