"""The root module as a graph of nodes: who reads what, straight from the references, and who passes it on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from stackly_engine import ordering
from stackly_engine.addresses import indexless, top
from stackly_engine.configuration import Configuration
from stackly_engine.source import REAL, Kind, Module, Node
from stackly_engine.syntax import Block, Span

PASSING = frozenset({Kind.LOCAL, Kind.VARIABLE, Kind.PROVIDER})
CLOSING = frozenset({Kind.OUTPUT, Kind.CHECK, Kind.VARIABLE})  # what the unit `outputs` keeps
OUTPUTS = "outputs"


class Use(StrEnum):
    VALUE = "value"
    ORDER = "order"  # depends_on: no value is read
    TRIGGER = "trigger"  # replace_triggered_by: the planned action is read


@dataclass(frozen=True, slots=True)
class Read:
    """One step from a node to another. `attribute`: what it takes of a real one, None for the whole object."""

    target: str
    attribute: str | None = None
    use: Use = Use.VALUE


@dataclass(frozen=True)
class Edges:
    """The root's nodes and their reads, with those of import blocks added to the node that `to` names.

    `steps` is the plain graph of all nodes that count for order, with the node `outputs` reading every output, check and
    variable. `direct` holds for each real node and `outputs` the real nodes that it comes to through locals, variables and
    provider blocks.
    """

    nodes: Mapping[str, Node]
    reads: Mapping[str, tuple[Read, ...]]
    steps: Mapping[str, frozenset[str]]
    direct: Mapping[str, frozenset[str]]

    def is_real(self, address: str) -> bool:
        return address in self.nodes and self.nodes[address].kind in REAL

    def users(self, through: frozenset[Kind] = PASSING) -> Mapping[str, frozenset[str]]:
        """For each node of these kinds the real nodes (and `outputs`) that come to it by nodes of these kinds only."""
        passing = {name for name, node in self.nodes.items() if node.kind in through}
        result: dict[str, frozenset[str]] = {}
        into = ordering.inverted(self.steps)
        for name in reversed(_bottom_up({name: self.steps[name] & passing for name in passing})):
            own = frozenset(user for other in into[name] if other not in passing and (user := self._reader(other)))
            result[name] = _union([own, *(result[user] for user in into[name] if user in result)])
        return result

    def _reader(self, name: str) -> str | None:
        """Which unit's work a node is: its own, or that of the outputs; a provider block is nobody's."""
        if name == OUTPUTS or self.nodes[name].kind in CLOSING:
            return OUTPUTS
        return name if self.is_real(name) else None


def named(block: Block, attribute: str) -> str | None:
    """The top-level address that an attribute of a moved, removed or import block names."""
    found = block.attributes.get(attribute)
    return top(indexless(found.text)) if found is not None else None


def edges_of(configuration: Configuration) -> Edges:
    """The edges of a root."""
    module = configuration.root
    reads = {address: tuple(_reads(configuration, node)) for address, node in module.nodes.items()}
    for address, node in module.nodes.items():
        owner = named(node.block, "to") if node.kind is Kind.IMPORT else None
        if owner in reads:
            reads[owner] = (*reads[owner], *reads[address])
    steps = _steps(module, reads)
    return Edges(module.nodes, reads, steps, _direct(module.nodes, steps))


def _reads(configuration: Configuration, node: Node) -> Iterator[Read]:
    nodes = configuration.root.nodes
    uses = tuple(_other_uses(node))
    for target, reference, taken in node.targets:
        kind = nodes[target].kind
        use = next((use for span, use in uses if span.start <= reference.start < span.end), Use.VALUE)
        if kind is Kind.MODULE:
            yield Read(target, reference.output, use)
        elif target != node.address:
            yield Read(target, (*reference.parts, None)[taken] if kind in REAL else None, use)
    for provider in sorted(_providers(configuration, node)):
        yield Read(provider)


def _providers(configuration: Configuration, node: Node) -> frozenset[str]:
    """Provider blocks that a real node uses, not those that are only passed to it."""
    if node.kind is Kind.MODULE:
        key = node.address.removeprefix("module.")
        return configuration.providers(key) if key in configuration.modules else frozenset()
    if node.kind in REAL or node.kind is Kind.CHECK:
        return configuration.resource_providers(node.address)
    return frozenset()


def _other_uses(node: Node) -> Iterator[tuple[Span, Use]]:
    """Where in a node references are no values."""
    if node.kind is Kind.LOCAL:
        return
    within = [block for block in node.block.blocks if node.kind is Kind.CHECK and block.type == Kind.DATA]
    for block in (node.block, *within):
        if "depends_on" in block.attributes:
            yield block.attributes["depends_on"].span, Use.ORDER
    for block in node.block.blocks:
        if block.type == "lifecycle" and "replace_triggered_by" in block.attributes:
            yield block.attributes["replace_triggered_by"].span, Use.TRIGGER


def _steps(module: Module, reads: Mapping[str, tuple[Read, ...]]) -> dict[str, frozenset[str]]:
    counting = {name for name, node in module.nodes.items() if node.kind in REAL | PASSING | CLOSING}
    steps = {name: frozenset(read.target for read in reads[name]) & counting for name in counting}
    steps[OUTPUTS] = frozenset(name for name in counting if module.nodes[name].kind in CLOSING)
    return steps


def _direct(nodes: Mapping[str, Node], steps: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Real nodes reached without crossing one; equal sets are one object, so a local of 1,000 readers costs one set."""
    real = frozenset(name for name in steps if name in nodes and nodes[name].kind in REAL)
    through: dict[str, frozenset[str]] = {}
    for name in _bottom_up({name: needed - real for name, needed in steps.items() if name not in real}):
        through[name] = _follow(steps[name], real, through)
    direct = {name: _follow(steps[name], real, through) for name in real}
    return {name: found - {name} if name in found else found for name, found in direct.items()} | {
        OUTPUTS: through[OUTPUTS]
    }


def _follow(needed: frozenset[str], real: frozenset[str], through: Mapping[str, frozenset[str]]) -> frozenset[str]:
    return _union([needed & real, *(through[other] for other in needed - real if other in through)])


def _union(parts: list[frozenset[str]]) -> frozenset[str]:
    largest = max(parts, key=len)
    return largest if all(part <= largest for part in parts) else largest.union(*parts)


def _bottom_up(edges: Mapping[str, frozenset[str]]) -> list[str]:
    """Every node after what it needs; circles, which Terraform will refuse, are passed through in any order."""
    return [name for component in ordering.components(edges) for name in component]
