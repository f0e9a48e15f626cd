"""Units that run → convex batches by price."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from stackly_engine.arranging import Arrangement, Items, arrange, joined
from stackly_engine.pricing import Price
from stackly_engine.reasons import CHEAPER, Reason

# How often a unit that runs only if an input changes does run; decides whether it rides along.
LIKELY = 0.3


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
    may_run_whole: bool = True,
) -> Batching:
    """Batches of the definite units; maybes ride along when they lie between members or when that is cheaper.

    `upstream` are the edges of all units, `together` sets that must be one batch, `sizes` resources by unit (0 when not
    named). A definite unit is in exactly one batch, no other is in more than one; no path leaves a batch and comes back,
    and none leads from a batch to an earlier one. A whole run is one batch of all units; say that it may not be when
    something has run already. ValueError for a unit that `upstream` does not know.
    """
    unknown = sorted((set(definite) | set(maybe)) - upstream.keys())
    if unknown:
        raise ValueError(f"{unknown[0]} is no unit of this root")
    whole_seconds = price.batch(_total(sizes, upstream), changing=_total(sizes, frozenset(definite)))
    if not definite:
        return Batching((), None, 0.0, whole_seconds)
    items = joined(upstream, together)
    best = _best(items, items.of(definite), items.of(maybe), sizes, price, workers)
    if may_run_whole and best.seconds >= whole_seconds:
        return Batching((Batch(tuple(sorted(upstream)), 0),), Reason(CHEAPER), whole_seconds, whole_seconds)
    return Batching(tuple(_batches(items, best)), None, best.seconds, whole_seconds)


def _best(
    items: Items,
    definite: frozenset[str],
    maybe: frozenset[str],
    sizes: Mapping[str, int],
    price: Price,
    workers: int,
) -> Arrangement:
    """The best with no maybe riding along, with those right below what runs, and with all; expected time counts."""
    weight = {name: sum(sizes.get(unit, 0) for unit in units) for name, units in items.members.items()}
    maybe -= definite
    below = frozenset(name for name in maybe if items.upstream[name] & definite)
    found: list[Arrangement] = []
    for riding in dict.fromkeys((frozenset[str](), below, maybe)):
        ours = arrange(items, definite | riding, weight, price, workers)
        rest = arrange(items, maybe - riding, weight, price, workers)
        found.append(replace(ours, seconds=ours.seconds + LIKELY * rest.seconds, busy=ours.busy + LIKELY * rest.busy))
    return min(found, key=lambda one: one.cost)


def _batches(items: Items, arrangement: Arrangement) -> Iterable[Batch]:
    for names, wave in zip(arrangement.batches, arrangement.waves, strict=True):
        yield Batch(tuple(sorted(unit for name in names for unit in items.members[name])), wave)


def _total(sizes: Mapping[str, int], units: Iterable[str]) -> int:
    return sum(sizes.get(unit, 0) for unit in units)
