"""Where moved, removed and import blocks, and what is gone from the code, take the slices of a state (engine.md §9)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stackly_engine.graph import Graph


class UnknownAddress(ValueError):
    """An address to replace that is in no state; Terraform itself would silently ignore it."""


@dataclass(frozen=True)
class Routes:
    """`together`: units to run as one. `slices`: top address gone from the code → its unit or "removed".

    `used`: moved blocks (node addresses) that have something to move. `blocks`: node address of each used moved block, of
    each removed and import block → the unit that keeps it.
    """

    together: tuple[frozenset[str], ...]
    slices: Mapping[str, str]
    used: frozenset[str]
    blocks: Mapping[str, str]


def routes(graph: Graph, document: Mapping[str, Any]) -> Routes:
    """The routes of a state document through the graph of the code."""
    raise NotImplementedError


def replaced(graph: Graph, document: Mapping[str, Any], addresses: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """The instances to replace (`-replace`) by the unit that must run for them; UnknownAddress."""
    raise NotImplementedError
