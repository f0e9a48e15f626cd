"""Orders of units, pieces of an order, and how long pieces take: what batches are chosen from."""

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from stackly_engine import ordering
from stackly_engine.ordering import Groups
from stackly_engine.pricing import Price

# Workers are shared, and one large provider holds 0.55 GB: a second of a worker weighs this much of a second waited.
LOAD = 0.2


@dataclass(frozen=True)
class Items:
    """Units with those that must run as one joined; an item is named by the least of its members. No circles."""

    members: Mapping[str, tuple[str, ...]]
    upstream: Mapping[str, frozenset[str]]
    item: Mapping[str, str]

    def of(self, units: Iterable[str]) -> frozenset[str]:
        """The items that hold any of these units."""
        return frozenset(self.item[unit] for unit in units)


@dataclass(frozen=True)
class Arrangement:
    """Batches of items in an order in which they may run, each with its wave.

    `seconds` is the expected wall time, `busy` the seconds that workers spend.
    """

    batches: tuple[tuple[str, ...], ...]
    waves: tuple[int, ...]
    seconds: float
    busy: float

    @property
    def cost(self) -> float:
        """What is weighed: mostly the time one waits."""
        return round(self.seconds + LOAD * self.busy, 6)


def joined(upstream: Mapping[str, Collection[str]], together: Iterable[Collection[str]]) -> Items:
    """Contract each set, and whatever lies on a path between two of its members; ValueError for an unknown unit."""
    groups = Groups(upstream)
    for chosen in together:
        unknown = sorted(set(chosen) - upstream.keys())
        if unknown:
            raise ValueError(f"{unknown[0]} is no unit of this root")
        groups.join(chosen)
    first = _contracted(upstream, groups)
    for circle in ordering.components(first.upstream):
        groups.join(circle)
    return _contracted(upstream, groups)


def _contracted(upstream: Mapping[str, Collection[str]], groups: Groups) -> Items:
    members = groups.of()
    item = {unit: name for name, units in members.items() for unit in units}
    edges = {
        name: frozenset(item[needed] for unit in units for needed in upstream[unit]) - {name}
        for name, units in members.items()
    }
    return Items(members, edges, item)


def arrange(items: Items, runs: frozenset[str], sizes: Mapping[str, int], price: Price, workers: int) -> Arrangement:
    """The best of all pieces tried: orders by level and by depth, cut at several sizes around the cheapest one."""
    if not runs:
        return Arrangement((), (), 0.0, 0.0)
    nodes = ordering.between(items.upstream, runs)
    edges = {name: items.upstream[name] & nodes for name in sorted(nodes)}
    tried = (
        _measured(edges, _batched(edges, order, pieces, runs), sizes, price, workers)
        for order, pieces in _cuts(edges, runs, sizes, _counts(len(runs), _even(runs, sizes, price), workers))
    )
    return min(tried, key=lambda one: (one.cost, len(one.batches), one.batches))


def _cuts(
    edges: Mapping[str, frozenset[str]], runs: frozenset[str], sizes: Mapping[str, int], counts: Iterable[int]
) -> Iterator[tuple[tuple[str, ...], dict[str, int]]]:
    total = sum(sizes[name] for name in runs)
    ranks = _ranks(edges, runs)
    by_level = tuple(sorted(ranks, key=lambda name: ranks[name]))
    by_depth = _by_depth(edges)
    for count in counts:
        yield by_level, _pieces(by_level, runs, sizes, total / count, lambda one, two: ranks[one][0] != ranks[two][0])
        yield by_level, _pieces(by_level, runs, sizes, total / count, lambda _one, _two: False)
        yield by_depth, _pieces(by_depth, runs, sizes, total / count, lambda _one, _two: False)


def _even(runs: frozenset[str], sizes: Mapping[str, int], price: Price) -> float:
    """How many pieces there would be if all had the size that is cheapest per resource."""
    return sum(sizes[name] for name in runs) / max(1.0, price.cheapest)


def _counts(most: int, even: float, workers: int) -> list[int]:
    """How many pieces are tried: 1, 2, 3, 4, 6, 8, 12 … from a quarter to four times the even count; 1, one for each."""
    counts = {1, most}
    power = 1
    while power < most:
        counts |= {one for one in (power, power + power // 2) if even / 4 <= one <= max(4 * even, 2 * workers)}
        power *= 2
    return sorted(count for count in counts if count <= most)


def _ranks(edges: Mapping[str, frozenset[str]], runs: frozenset[str]) -> dict[str, tuple[int, int]]:
    """(level, place): the level counts items that run only; sorted by it, everything comes after what it needs."""
    ranks: dict[str, tuple[int, int]] = {}
    for place, name in enumerate(ordering.ordered(edges)):
        level = max((ranks[needed][0] + (needed in runs) for needed in edges[name]), default=0)
        ranks[name] = (level, place)
    return ranks


def _by_depth(edges: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """What an item needs stands right before it, as far as it can: chains stay together."""
    users = ordering.inverted(edges)
    found: dict[str, None] = {}
    for last in sorted(name for name, using in users.items() if not using):
        stack: list[tuple[str, Iterator[str]]] = [(last, iter(sorted(edges[last])))]
        while stack:
            name, rest = stack[-1]
            following = next((needed for needed in rest if needed not in found), None)
            if following is None:
                found[name] = None
                stack.pop()
            else:
                stack.append((following, iter(sorted(edges[following]))))
    return tuple(found)


def _pieces(
    order: tuple[str, ...],
    runs: frozenset[str],
    sizes: Mapping[str, int],
    capacity: float,
    apart: Callable[[str, str], bool],
) -> dict[str, int]:
    """Contiguous pieces of an order, numbered from 0; a piece is full before it is larger than its capacity."""
    pieces = {order[0]: 0}
    piece, size = 0, sizes[order[0]] if order[0] in runs else 0
    for before, name in pairwise(order):
        more = sizes[name] if name in runs else 0
        if apart(before, name) or (size and size + more > capacity * 1.0001):
            piece, size = piece + 1, 0
        pieces[name] = piece
        size += more
    return pieces


def _batched(
    edges: Mapping[str, frozenset[str]], order: tuple[str, ...], pieces: Mapping[str, int], runs: frozenset[str]
) -> dict[str, str]:
    """Item → batch: pieces hold what runs and all on a path between two of that; other items are batches of none."""
    below, above = set(runs), set(runs)
    for name in order:
        if any(pieces[needed] == pieces[name] and needed in below for needed in edges[name]):
            below.add(name)
    for name in reversed(order):
        if name in above:
            above.update(needed for needed in edges[name] if pieces[needed] == pieces[name])
    return {name: f"{pieces[name]:09d}" if name in below and name in above else f"~{name}" for name in order}


def _measured(
    edges: Mapping[str, frozenset[str]],
    batch: Mapping[str, str],
    sizes: Mapping[str, int],
    price: Price,
    workers: int,
) -> Arrangement:
    """Run the batches on so many workers in thought; what runs only perhaps takes no time."""
    members: dict[str, list[str]] = {}
    needs: dict[str, set[str]] = {}
    for name, one in batch.items():
        members.setdefault(one, []).append(name)
        needs.setdefault(one, set()).update(batch[needed] for needed in edges[name] if batch[needed] != one)
    ended: dict[str, float] = {}
    waves: dict[str, int] = {}
    free = [0.0] * workers
    busy = 0.0
    for one in ordering.ordered(needs):
        start = max((ended[needed] for needed in needs[one]), default=0.0)
        waves[one] = max((waves[needed] + (not needed.startswith("~")) for needed in needs[one]), default=0)
        ended[one] = start
        if not one.startswith("~"):
            waits = any(not needed.startswith("~") for needed in needs[one])
            spent = price.batch(sum(sizes[name] for name in members[one]), waits=waits)
            ended[one] = max(start, heapq.heappop(free)) + spent
            busy += spent
            heapq.heappush(free, ended[one])
    real = sorted((one for one in waves if not one.startswith("~")), key=lambda one: (waves[one], one))
    batches = tuple(tuple(sorted(members[one])) for one in real)
    return Arrangement(batches, tuple(waves[one] for one in real), max(ended.values()), busy)
