"""A batch's root: the original bytes, other units blanked, references to them replaced by recorded values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackly_engine.exports import Exports

if TYPE_CHECKING:
    from stackly_engine.graph import Graph

GENERATED = "stackly_gen.tf"


class CutError(ValueError):
    """The batch cannot be cut with what is known: an export is missing, say; the message names it."""


@dataclass(frozen=True)
class Cut:
    """`files` as in the root, edited; `generated` is to be written beside them as `generated_name`.

    `variables` is the JSON of a var file for the generated variables, `modules` a modules.json of the batch's calls,
    `external` the addresses of other units that the batch reads, `prefix` how every generated name begins.
    """

    files: Mapping[str, bytes]
    generated: bytes
    variables: bytes
    modules: bytes
    external: frozenset[str]
    generated_name: str = GENERATED
    prefix: str = "stackly_up__"


def cut(
    graph: Graph,
    units: Collection[str],
    upstream: Exports,
    *,
    pending: frozenset[str] = frozenset(),
    record: bool = True,
) -> Cut:
    """The root of a batch; all of the graph's units: the root itself without its backend, exports recorded."""
    raise NotImplementedError


def cut_removed(graph: Graph, upstream: Exports) -> Cut:
    """The root of the unit `removed`: terraform, provider and removed blocks only, and what they read."""
    raise NotImplementedError
