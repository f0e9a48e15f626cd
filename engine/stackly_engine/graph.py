"""The graph of a root: its units, what each needs, what each hands over."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from stackly_engine import ordering
from stackly_engine.addresses import top
from stackly_engine.configuration import Configuration
from stackly_engine.copying import copies_of, users_of
from stackly_engine.edges import CLOSING, OUTPUTS, PASSING, Edges, Use, edges_of, named
from stackly_engine.gathering import Gathering, Needs
from stackly_engine.reference_tree import ReferenceTree, reference_tree
from stackly_engine.source import REAL, Kind, Node
from stackly_engine.units import Unit, units_of

__all__ = ["OUTPUTS", "Graph", "Needs", "Unit", "build", "top"]


@dataclass(frozen=True)
class Graph:
    """Units and edges. `owner` has the unit of each real node, and of each data source inside a check.

    `exports` holds for each real address the attributes that other units read, None for the whole object; what stands
    in `depends_on` only is not among them. `direct` comes through locals, variables and provider blocks.
    """

    configuration: Configuration
    units: Mapping[str, Unit]
    upstream: Mapping[str, frozenset[str]]
    owner: Mapping[str, str]
    exports: Mapping[str, frozenset[str | None]]
    direct: Mapping[str, frozenset[str]]
    edges: Edges

    def order(self) -> tuple[str, ...]:
        """Every unit after those that it needs."""
        return ordering.ordered(self.upstream)

    def levels(self) -> Mapping[str, int]:
        """For each unit the longest way down to one that needs nothing."""
        return ordering.levels(self.upstream)

    def ancestors(self, unit: str) -> frozenset[str]:
        """All units that this one needs, however far."""
        return frozenset(ordering.reachable(self.upstream, [unit]))

    def descendants(self, unit: str) -> frozenset[str]:
        """All units that need this one, however far."""
        return frozenset(ordering.reachable(self._users, [unit]))

    def between(self, units: Iterable[str]) -> frozenset[str]:
        """The units and everything on a path between two of them (the convex hull)."""
        return frozenset(ordering.between(self.upstream, units, self._users))

    def needs(self, units: Iterable[str]) -> Needs:
        """What a batch of these units keeps of the root, and what it reads of others."""
        chosen = frozenset(units)
        walk = Gathering(
            self.edges, lambda address: self.owner[address] in chosen, self.configuration.passed, self.copies
        )
        return walk.needs(self._starts(chosen))

    @cached_property
    def copies(self) -> Mapping[str, frozenset[str]]:
        """Node → credential data sources that each batch with the node reads itself."""
        return copies_of(self.edges)

    @cached_property
    def reference_tree(self) -> ReferenceTree:
        """Terraform's own graph of the whole module tree; only asked for where somebody waits for what is going to change."""
        return reference_tree(self.configuration)

    def owner_of(self, address: str) -> str | None:
        """The unit of any address, with indices and deeper ones, by its top-level part; None when nothing declares it."""
        return self.owner.get(top(address))

    def _starts(self, units: frozenset[str]) -> Iterator[str]:
        for unit in units:
            yield from self.units[unit].members
            yield from self._beside.get(unit, ())
        yield from self._beside.get(None, ())

    @cached_property
    def _users(self) -> Mapping[str, frozenset[str]]:
        return {unit: frozenset(users) for unit, users in ordering.inverted(self.upstream).items()}

    @cached_property
    def _beside(self) -> Mapping[str | None, list[str]]:
        """By unit the nodes that go with it and are no real ones; with None those that go with every unit."""
        moves = moves_of(self.edges.nodes)
        found: dict[str | None, list[str]] = {}
        for address, node in self.edges.nodes.items():
            if node.kind is Kind.TERRAFORM:
                found.setdefault(None, []).append(address)
            elif node.kind in CLOSING:
                found.setdefault(OUTPUTS, []).append(address)
            elif node.kind in _BLOCKS and (unit := self._block_owner(node, moves)) is not None:
                found.setdefault(unit, []).append(address)
        return found

    def _block_owner(self, node: Node, moves: Mapping[str, str]) -> str | None:
        """The unit that a moved, removed or import block goes with: that of the address where a chain of moves ends."""
        name = named(node.block, "from" if node.kind is Kind.REMOVED else "to")
        passed: set[str] = set()
        while name is not None and name not in self.owner and name not in passed:
            passed.add(name)
            name = moves.get(name)
        return self.owner.get(name) if name is not None else None


_VALUES = frozenset({Kind.LOCAL, Kind.VARIABLE})
_BLOCKS = frozenset({Kind.MOVED, Kind.REMOVED, Kind.IMPORT})


def moves_of(nodes: Mapping[str, Node]) -> dict[str, str]:
    """The top-level addresses that the root's moved blocks lead from and to."""
    pairs = ((named(node.block, "from"), named(node.block, "to")) for node in nodes.values() if node.kind is Kind.MOVED)
    return {old: new for old, new in pairs if old is not None and new is not None}


def build(configuration: Configuration) -> Graph:
    """The graph of a root."""
    edges = edges_of(configuration)
    units = units_of(configuration, edges)
    owner = {member: unit.name for unit in units.values() for member in unit.members}
    upstream = {unit.name: _upstream(edges, owner, unit) for unit in units.values()}
    inside = _inside_checks(edges)
    if inside:
        upstream[OUTPUTS] |= upstream.keys() - ordering.reachable(ordering.inverted(upstream), [OUTPUTS]) - {OUTPUTS}
    copies = copies_of(edges)
    copying = users_of(edges, copies)
    for name, users in copying.items():
        for unit in {_owner(owner, user) for user in users}:
            upstream[unit] |= frozenset(owner[needed] for needed in edges.direct[name]) - {unit}
    exports = _exports(edges, owner, copies, copying)
    direct = {address: needed for address, needed in edges.direct.items() if address != OUTPUTS}
    return Graph(configuration, units, upstream, {**inside, **owner}, exports, direct, edges)


def _upstream(edges: Edges, owner: Mapping[str, str], unit: Unit) -> frozenset[str]:
    members = (*unit.members, OUTPUTS) if unit.name == OUTPUTS else unit.members
    return frozenset(owner[needed] for member in members for needed in edges.direct[member]) - {unit.name}


def _inside_checks(edges: Edges) -> dict[str, str]:
    """Data sources inside of the root's checks; Terraform reads them when everything else is applied."""
    checks = [node.block for node in edges.nodes.values() if node.kind is Kind.CHECK]
    return {
        f"data.{'.'.join(block.labels)}": OUTPUTS
        for check in checks
        for block in check.blocks
        if block.type == Kind.DATA
    }


def _exports(
    edges: Edges,
    owner: Mapping[str, str],
    copies: Mapping[str, frozenset[str]],
    copying: Mapping[str, frozenset[str]],
) -> dict[str, frozenset[str | None]]:
    """What is read across units and not copied; `copying` has the real nodes whose batches hold a copy of a data source."""
    found: dict[str, set[str | None]] = {}
    all_readers = _readers(edges, owner, edges.users(), copying)
    by_value = _readers(edges, owner, edges.users(_VALUES), {}) if copying else {}
    for address, readers in all_readers.items():
        for read in edges.reads[address]:
            if read.target in copies.get(address, ()):
                continue
            units = by_value.get(address, frozenset()) if read.target in copying else readers
            if read.use is Use.VALUE and edges.is_real(read.target) and units - {owner[read.target]}:
                found.setdefault(read.target, set()).add(read.attribute)
    return {address: frozenset(attributes) for address, attributes in sorted(found.items())}


def _readers(
    edges: Edges,
    owner: Mapping[str, str],
    users: Mapping[str, frozenset[str]],
    copying: Mapping[str, frozenset[str]],
) -> dict[str, frozenset[str]]:
    """The units whose batches hold each node. An import block reads as the node that it is for."""
    found: dict[str, frozenset[str]] = {}
    for address, node in edges.nodes.items():
        if node.kind in REAL | CLOSING | PASSING:
            own = {address} if node.kind in REAL | (CLOSING - PASSING) else users.get(address, frozenset())
            found[address] = frozenset(
                _owner(owner, reader) for user in own for reader in (user, *copying.get(user, ()))
            )
    return found


def _owner(owner: Mapping[str, str], address: str) -> str:
    return owner.get(address, OUTPUTS)
