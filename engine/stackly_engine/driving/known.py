"""Everything that one run is made from, read once: code, graph, state, records."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from stackly_engine import outlines
from stackly_engine.deltas import unit_of_top
from stackly_engine.dependencies import Dependencies, closed
from stackly_engine.driving.ports import Hands
from stackly_engine.exports import Export, Exports, Recorded, hash_of, part_of
from stackly_engine.fingerprints import Parts
from stackly_engine.graph import Graph
from stackly_engine.marks import some
from stackly_engine.moves import Routes
from stackly_engine.pricing import Price
from stackly_engine.reasons import Reason
from stackly_engine.records import Place, Record
from stackly_engine.reference_key import key_of
from stackly_engine.reference_tree import ReferenceTree, reference_tree
from stackly_engine.schedule import UNKNOWN, Facts, Freshness


@dataclass
class Known:
    """The run's inputs; `document`, `records`, `exports` and `slices` move on as batches are applied.

    `outlined` are the parts of the state
    (`module.<name>`, `root`) of which the document has only the outline; `reader` gives their slices.
    """

    hands: Hands
    graph: Graph
    parts: Mapping[str, Parts]
    key: bytes
    routes: Routes
    freshness: Freshness
    price: Price
    workers: int
    document: dict[str, Any]
    slices: dict[str, str]
    records: dict[str, Record]
    exports: Recorded
    forced: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)
    replace: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    apart: bool = False
    settled_by: str = ""  # `dependencies_key` of the dependencies that the document is known to have
    outlined: frozenset[str] = frozenset()
    reader: Callable[[Collection[str]], Mapping[str, bytes]] | None = None

    def require(self, tops: Iterable[str]) -> None:
        """Have the contents of the slices of these top-level addresses in the document."""
        wanted = self.outlined & {unit_of_top(top) for top in tops}
        if wanted and self.reader is not None:
            self.document = outlines.filled(self.document, self.reader(sorted(wanted)))
            self.outlined -= wanted

    @cached_property
    def tree(self) -> ReferenceTree:
        """Terraform's own graph below the units; only asked for when something is destroyed, or a reference has moved."""
        return reference_tree(self.graph.configuration, imports=False)

    @cached_property
    def dependencies(self) -> Dependencies:
        """What Terraform would record of that graph; closing it costs as much as making it."""
        return closed(self.tree)

    @cached_property
    def dependencies_key(self) -> str:
        """Of equal keys are equal dependencies; the graph need not be made for it."""
        return key_of(self.graph.configuration)

    @property
    def facts(self) -> Facts:
        return Facts(
            self.graph, self.parts, self.records, self.slices, self.freshness, self.forced,
            removed="removed" in self.routes.slices.values(),
        )  # fmt: skip

    def hash(self, place: Place, export: Export) -> str:
        """The keyed hash of an export at its place; UNKNOWN when a plan does not know all of it."""
        return UNKNOWN if some(export.unknown) else hash_of(export, self.key, place)

    def hashes(self, exports: Exports, places: Iterable[Place]) -> dict[Place, str]:
        """Hashes of what is exported at these places; a part of an object that is exported as a whole counts for itself."""
        found = {place: part_of(exports, place) or _whole(exports, place) for place in places}
        return {place: self.hash(place, export) for place, export in found.items() if export is not None}

    def all_hashes(self, exports: Exports) -> dict[Place, str]:
        return self.hashes(exports, ((address, name) for address, named in exports.items() for name in named))


def _whole(exports: Exports, place: Place) -> Export | None:
    """Where a part cannot be told from the rest, all of it counts."""
    return exports.get(place[0], {}).get(None)
