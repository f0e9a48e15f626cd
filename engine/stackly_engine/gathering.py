"""What a batch keeps of the root, and what it reads of other units."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from stackly_engine.edges import Edges, Use


@dataclass(frozen=True, slots=True)
class Needs:
    """What a batch is made of: `kept` node addresses of the root, `external` real addresses of other units it reads.

    `awaited` are real addresses of other units that stand in a `depends_on` of the batch (they may be external too).
    `idle` are kept provider blocks that a call names and nothing below it uses: what they read is not kept for them.
    `copied` are kept data sources of other units, read anew in this batch; its state of them is nobody's.
    """

    kept: frozenset[str]
    external: frozenset[str]
    awaited: frozenset[str] = frozenset()
    idle: frozenset[str] = frozenset()
    copied: frozenset[str] = frozenset()


@dataclass
class Gathering:
    """One walk from the nodes of a batch to everything that they need; `mine` says whether a real node is the batch's.

    `passed` gives the provider blocks that a call names, `copies` the data sources that a provider block makes the batch
    read itself.
    """

    edges: Edges
    mine: Callable[[str], bool]
    passed: Callable[[str], Collection[str]]
    copies: Mapping[str, frozenset[str]]
    kept: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)
    copied: set[str] = field(default_factory=set)
    outside: dict[Use, set[str]] = field(default_factory=lambda: {use: set() for use in Use})

    def needs(self, start: Iterable[str]) -> Needs:
        waiting = list(start)
        while waiting:
            address = waiting.pop()
            if address not in self.kept:
                waiting.extend(self._keep(address))
        external = frozenset(self.outside[Use.VALUE] - self.copied)
        kept, awaited = frozenset(self.kept | self.named), frozenset(self.outside[Use.ORDER])
        return Needs(kept, external, awaited, frozenset(self.named - self.kept), frozenset(self.copied))

    def _keep(self, address: str) -> Iterable[str]:
        """Keep one node; what is to be kept because of it."""
        self.kept.add(address)
        self.named.update(self.passed(address) if address.startswith("module.") else ())
        copies = [name for name in self.copies.get(address, ()) if not self.mine(name)]
        self.copied.update(copies)
        yield from copies
        for read in self.edges.reads[address]:
            if self.edges.is_real(read.target) and not self.mine(read.target):
                self.outside[read.use].add(read.target)
            else:
                yield read.target
