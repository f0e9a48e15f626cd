"""Where moved, removed and import blocks, and what is gone from the code, take the slices of a state (engine.md §9)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stackly_engine import grouping, instances, ordering
from stackly_engine.coupling import REMOVED
from stackly_engine.exact import FormatError
from stackly_engine.graph import Graph
from stackly_engine.instances import Address, Segment
from stackly_engine.slices import top_of
from stackly_engine.source import Kind, Whole
from stackly_engine.stranded import stranded


class UnknownAddress(ValueError):
    """An address to replace that is no managed instance of the state; Terraform itself would silently ignore it."""


@dataclass(frozen=True)
class Routes:
    """How a state goes into the units of the code.

    `together`: sets of units to run as one (convex). `slices`: each top-level address of the state that is gone from the
    code → its unit or "removed". `used`: the moved blocks (node addresses) that have something to move; any other is
    settled. `blocks`: the node address of each moved, removed and import block → the unit that keeps it. `unowned`:
    import blocks for what is not in the code: the root runs whole, so that Terraform says so. `stranded`: other reasons
    to run whole, from the state.
    """

    together: tuple[frozenset[str], ...]
    slices: Mapping[str, str]
    used: frozenset[str]
    blocks: Mapping[str, str]
    unowned: tuple[str, ...] = ()
    stranded: tuple[Whole, ...] = ()

    @property
    def whole(self) -> tuple[Whole, ...]:
        """Why the root runs whole with this state; empty when it can be cut."""
        return (*(Whole("moved", f"{name} leads where no unit is") for name in self.unowned), *self.stranded)


def routes(graph: Graph, document: Mapping[str, Any]) -> Routes:
    """The routes of a state document through the graph of the code."""
    moves = _moves(graph)
    ways = [_way(moves, address) for address in (_occupied(document) if moves else _tops(document))]
    used = frozenset(name for way in ways for name in way.used)
    slices = _vanished(graph, ways)
    blocks, unowned = _blocks(graph, moves, slices)
    together = _together(graph, [move for move in moves if move.name in used])
    return Routes(together, slices, used, blocks, unowned, stranded(graph, document, slices))


def replaced(graph: Graph, document: Mapping[str, Any], addresses: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """The instances to replace (`-replace`) by the unit that must run for them, in Terraform's own spelling.

    An address names one instance, by the name that it has after the moves of the code. UnknownAddress else.
    """
    given_names = tuple(addresses)
    if not given_names:
        return {}  # and no instance of a large state is looked at
    moves = _moves(graph)
    present = {
        final: graph.owner_of(final[0].name) for address in _occupied(document) for final in _way(moves, address).finals
    }
    found: dict[str, set[str]] = defaultdict(set)
    for given in given_names:
        try:
            address = instances.parse(given)
        except FormatError:
            raise UnknownAddress(f"this is no address of an instance: {given[:80]}") from None
        unit = present.get(address)
        if unit is None or address[-1].name.startswith(("data.", "module.")):
            raise UnknownAddress(f"{given[:80]} is no managed instance of the state that the code still has")
        found[unit].add(instances.text(address))
    return {unit: tuple(sorted(names)) for unit, names in sorted(found.items())}


@dataclass(frozen=True, slots=True)
class _Move:
    """A moved block of the root."""

    name: str
    old: Address
    new: Address

    def take(self, address: Address) -> Address | None:
        """Where this block takes an instance; None when it does not.

        Without an index the last part means every instance, and each keeps its key; when only the other side has an index
        it means the one without a key. A part before the last without an index stands for all keys: rather one too many.
        """
        depth = len(self.old)
        if len(address) < depth or any(not _meant(old, has) for old, has in zip(self.old[:-1], address, strict=False)):
            return None
        old, new, has = self.old[-1], self.new[-1], address[depth - 1]
        every = old.key is None and new.key is None
        if old.name != has.name or not (every or old.key == has.key):
            return None
        return (*self.new[:-1], Segment(new.name, has.key if every else new.key), *address[depth:])


def _meant(old: Segment, has: Segment) -> bool:
    return old.name == has.name and old.key in {None, has.key}


@dataclass(frozen=True, slots=True)
class _Way:
    """An instance of the state, the blocks that it goes through, and where it comes to."""

    start: Address
    used: frozenset[str]
    finals: tuple[Address, ...]


def _moves(graph: Graph) -> list[_Move]:
    found = []
    for name, node in sorted(graph.configuration.root.nodes.items()):
        if node.kind is Kind.MOVED and {"from", "to"} <= node.block.attributes.keys():
            old, new = (instances.parse(node.block.attributes[side].text) for side in ("from", "to"))
            found.append(_Move(name, old, new))
    return found


def _occupied(document: Mapping[str, Any]) -> Iterator[Address]:
    for resource in document.get("resources") or []:
        yield from instances.of_instances(resource)


def _tops(document: Mapping[str, Any]) -> Iterator[Address]:
    """Of what nothing moves the top-level addresses say all."""
    found = {top_of(one): None for one in document.get("resources") or []}
    return ((Segment(name),) for name in found)


def _way(moves: Iterable[_Move], start: Address) -> _Way:
    """Follow chains; no block is gone through twice, so circles end."""
    used: set[str] = set()
    finals: set[Address] = set()
    waiting = [start]
    while waiting:
        address = waiting.pop()
        steps = [(move.name, to) for move in moves if move.name not in used and (to := move.take(address)) is not None]
        used |= {name for name, _ in steps}
        waiting += [to for _, to in steps]
        if not steps:
            finals.add(address)
    return _Way(start, frozenset(used), tuple(sorted(finals, key=instances.text)))


def _vanished(graph: Graph, ways: Iterable[_Way]) -> dict[str, str]:
    """Each top-level address that is gone → the unit where (the first of) its instances come to, else `removed`."""
    units: dict[str, set[str]] = defaultdict(set)
    for way in ways:
        top = way.start[0].name
        if graph.owner_of(top) is None:
            units[top] |= {unit for final in way.finals if (unit := graph.owner_of(final[0].name)) is not None}
    return {top: min(found, default=REMOVED) for top, found in sorted(units.items())}


def _together(graph: Graph, used: Iterable[_Move]) -> tuple[frozenset[str], ...]:
    pairs = [(move.old[0].name, move.new[0].name) for move in used]
    tops = ordering.Groups(name for pair in pairs for name in pair)
    for pair in pairs:
        tops.join(pair)
    units = [{unit for top in group if (unit := graph.owner_of(top)) is not None} for group in tops.of().values()]
    return grouping.groups(graph, [found for found in units if len(found) > 1])


def _blocks(graph: Graph, moves: list[_Move], slices: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    owners = {move.name: _end(graph, moves, move.new) for move in moves}
    unowned = []
    for name, node in sorted(graph.configuration.root.nodes.items()):
        side = {Kind.REMOVED: "from", Kind.IMPORT: "to"}.get(node.kind)
        if side is None or side not in node.block.attributes:
            continue
        top = instances.parse(node.block.attributes[side].text)[0].name
        unit = graph.owner_of(top)
        if unit is None and node.kind is Kind.IMPORT:
            unowned.append(name)
        else:
            owners[name] = unit or slices.get(top, REMOVED)
    return dict(sorted(owners.items())), tuple(unowned)


def _end(graph: Graph, moves: Iterable[_Move], address: Address) -> str:
    """The unit of a move's `to`, or of where further moves lead from there."""
    unit = graph.owner_of(address[0].name)
    found = {graph.owner_of(final[0].name) for final in _way(moves, address).finals} if unit is None else {unit}
    return min((unit for unit in found if unit is not None), default=REMOVED)
