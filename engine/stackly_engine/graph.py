"""The graph of a root: its units, what each needs, what each hands over."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stackly_engine import ordering
from stackly_engine.configuration import Configuration

OUTPUTS = "outputs"


@dataclass(frozen=True, slots=True)
class Unit:
    """The finest piece that can run by itself; `members` are the addresses of its real nodes, sorted."""

    name: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Needs:
    """What a batch is made of: `kept` node addresses of the root, `external` real addresses of other units it reads."""

    kept: frozenset[str]
    external: frozenset[str]


@dataclass(frozen=True)
class Graph:
    """Units and edges; `exports` holds for a real address the attributes that others read, None for the whole object."""

    configuration: Configuration
    units: Mapping[str, Unit]
    upstream: Mapping[str, frozenset[str]]
    owner: Mapping[str, str]
    exports: Mapping[str, frozenset[str | None]]
    direct: Mapping[str, frozenset[str]]

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
        return frozenset(ordering.reachable(ordering.inverted(self.upstream), [unit]))

    def between(self, units: Iterable[str]) -> frozenset[str]:
        """The units and everything on a path between two of them (the convex hull)."""
        return frozenset(ordering.between(self.upstream, units))

    def needs(self, units: Iterable[str]) -> Needs:
        """What a batch of these units keeps of the root, and what it reads of others."""
        raise NotImplementedError

    def owner_of(self, address: str) -> str | None:
        """The unit of any address, with indices and deeper ones, by its top-level part; None when nothing declares it."""
        return self.owner.get(top(address))


def top(address: str) -> str:
    """The top-level address: `module.a["x"].aws_y.z` is in `module.a`, `data.t.n[0]` is `data.t.n`."""
    raise NotImplementedError


def build(configuration: Configuration) -> Graph:
    """The graph of a root."""
    raise NotImplementedError
