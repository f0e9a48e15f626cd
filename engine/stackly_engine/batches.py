"""Units that run → convex batches by price."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from stackly_engine.pricing import Price
from stackly_engine.reasons import Reason


@dataclass(frozen=True, slots=True)
class Batch:
    """A convex set of units, sorted, and the wave in which it can run at the earliest: 0 needs no other batch."""

    units: tuple[str, ...]
    wave: int


@dataclass(frozen=True, slots=True)
class Batching:
    """Batches in an order in which they may run; `whole` says why one run of the whole root is better.

    `seconds` is the expected wall time, `whole_seconds` that of a whole run.
    """

    batches: tuple[Batch, ...]
    whole: Reason | None
    seconds: float
    whole_seconds: float


def batches(
    upstream: Mapping[str, Collection[str]],
    definite: Collection[str],
    *,
    maybe: Collection[str] = (),
    together: Iterable[Collection[str]] = (),
    sizes: Mapping[str, int],
    price: Price,
    workers: int = 1,
) -> Batching:
    """Batches of the definite units; maybes ride along when they lie between members or when that is cheaper.

    `upstream` are the edges of all units, `together` sets that must be one batch, `sizes` resources by unit.
    """
    raise NotImplementedError
