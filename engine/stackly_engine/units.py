"""Which nodes of the root run together: circles, connected resources, and what cannot be handed from one to another."""

from collections.abc import Iterator
from dataclasses import dataclass

from stackly_engine import ordering
from stackly_engine.configuration import Configuration
from stackly_engine.copying import handed_to, made_by_modules
from stackly_engine.edges import CLOSING, OUTPUTS, PASSING, Edges, Read, Use
from stackly_engine.impure import impurities
from stackly_engine.source import REAL, Kind, Node


@dataclass(frozen=True, slots=True)
class Unit:
    """The finest piece that can run by itself; `members` are the addresses of its real nodes, sorted."""

    name: str
    members: tuple[str, ...]


def units_of(configuration: Configuration, edges: Edges) -> dict[str, Unit]:
    """All units by name, `outputs` among them always."""
    groups = ordering.Groups(edges.direct)
    _join_connected(edges, groups)
    for together in _forced(configuration, edges):
        groups.join(together)
    _join_circles(edges, groups)
    units = [_unit(members) for members in groups.of().values()]
    return {unit.name: unit for unit in sorted(units, key=lambda unit: unit.name)}


def _unit(members: tuple[str, ...]) -> Unit:
    real = tuple(member for member in members if member != OUTPUTS)
    if len(real) != len(members):
        return Unit(OUTPUTS, real)
    modules = [member for member in real if member.startswith("module.")]
    return Unit(modules[0] if modules else f"root.{real[0]}", real)


def _join_connected(edges: Edges, groups: ordering.Groups) -> None:
    """Circles, and connected resources that have the same modules above them."""
    above = _modules_above(edges)
    for component in ordering.components(edges.steps):
        if len(component) > 1:
            groups.join(member for member in component if edges.is_real(member))
    for address in sorted(edges.direct):
        if _is_resource(edges, address):
            equal = (other for other in edges.direct[address] if above[other] == above[address])
            groups.join([address, *(other for other in equal if _is_resource(edges, other))])


def _modules_above(edges: Edges) -> dict[str, int]:
    """For each node the modules that it needs however far, one bit each; in a circle its own modules too."""
    modules = [name for name, node in sorted(edges.nodes.items()) if node.kind is Kind.MODULE]
    bits = {name: 1 << number for number, name in enumerate(modules)}
    above: dict[str, int] = {}
    for component in ordering.components(edges.steps):
        mask = 0
        for target in {target for member in component for target in edges.steps[member]}:
            # inside the component it is not known yet, and only a circle has such targets
            mask |= above.get(target, 0) | bits.get(target, 0)
        above.update(dict.fromkeys(component, mask))
    return above


def _is_resource(edges: Edges, address: str) -> bool:
    return edges.is_real(address) and edges.nodes[address].kind is not Kind.MODULE


def _join_circles(edges: Edges, groups: ordering.Groups) -> None:
    """Forced groups may need each other now, or have others on the paths between them: all of a circle is one group."""
    steps: dict[str, set[str]] = {}
    for node, needed in edges.steps.items():
        steps.setdefault(_head(node, groups), set()).update(_head(other, groups) for other in needed)
    for component in ordering.components(steps):
        groups.join(head for head in component if head in groups)


def _head(node: str, groups: ordering.Groups) -> str:
    return groups.find(node) if node in groups else node


def _forced(configuration: Configuration, edges: Edges) -> Iterator[frozenset[str]]:
    """Sets of real nodes (and `outputs`) that must not be parted, though no circle holds them together."""
    users = edges.users()
    for address, node in edges.nodes.items():
        if node.kind not in REAL | PASSING | CLOSING:
            continue
        readers = users[address] if node.kind in PASSING else frozenset({_reader(edges, address)})
        for read in edges.reads[address]:
            if _is_ephemeral(configuration, edges, read) or _is_trigger(edges, read):
                yield readers | {read.target}
    # a token that provider blocks inside of a module may use is never recorded
    calls = (address for address, node in edges.nodes.items() if node.kind is Kind.MODULE)
    yield from handed_to(edges, (one for one in calls if configuration.configures(one.removeprefix("module."))))
    yield from made_by_modules(configuration, edges)
    # provider blocks are evaluated anew by each command anyway, so that nothing rests on their value being one
    for address, readers in edges.users(frozenset({Kind.LOCAL, Kind.VARIABLE})).items():
        if edges.nodes[address].kind is Kind.LOCAL and _is_impure(edges.nodes[address]):
            yield readers


def _reader(edges: Edges, address: str) -> str:
    return address if edges.is_real(address) else OUTPUTS


def _is_ephemeral(configuration: Configuration, edges: Edges, read: Read) -> bool:
    """Values that Terraform never writes down: they cannot be handed over, and would silently arrive as null."""
    kind = edges.nodes[read.target].kind
    if read.use is not Use.VALUE:
        return False
    if kind is Kind.MODULE:
        names = configuration.ephemeral_outputs(read.target.removeprefix("module."))
        return read.attribute in names or (read.attribute is None and bool(names))
    return kind is Kind.EPHEMERAL


def _is_trigger(edges: Edges, read: Read) -> bool:
    return read.use is Use.TRIGGER and edges.is_real(read.target)


def _is_impure(local: Node) -> bool:
    """Whether it calls a function that gives another value each time, so that one call must stay one call."""
    return any(reason.endswith("()") for reason in impurities([local]))
