"""The state document of a whole stack out of those that its batches left."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Written:
    """The state document of one batch: `tops` is what it may hold, `outputs` whether it held the unit of outputs."""

    document: Mapping[str, Any]
    tops: frozenset[str]
    outputs: bool = False


def merged(base: Mapping[str, Any], batches: Iterable[Written]) -> dict[str, Any]:
    """The base document with the tops of each batch as that batch left them; serial one higher when anything changed."""
    raise NotImplementedError
