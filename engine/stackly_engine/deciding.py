"""Whether one unit runs, and why: everything but the order."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from stackly_engine import reasons
from stackly_engine.graph import Graph
from stackly_engine.parts import Parts, differences, dynamic, is_static
from stackly_engine.reasons import Reason
from stackly_engine.records import Place, Record, name_of

REMOVED_UNIT = "removed"


class Unknown(StrEnum):
    """What stands where a hash would when a plan does not know the value."""

    UNKNOWN = "unknown"


UNKNOWN = Unknown.UNKNOWN
Hashes = Mapping[Place, str]
"""Keyed hashes of exports; UNKNOWN where a plan does not know them."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How long a unit may be skipped: `data` for those whose data sources read the world, `unit` for any; None: forever.

    `data` of nothing: those always run, whatever the clocks of those who read before said.
    """

    now: datetime
    data: timedelta | None = None
    unit: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a unit runs; `reasons` are never empty, the first is the headline."""

    unit: str
    run: bool
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Facts:
    """All that decisions are made from.

    `parts` holds every unit of the graph; `records` those that were applied. `slices` is the state's manifest now: top
    address → digest. `forced` are reasons by unit from elsewhere: replace, tainted, drift, audit, moved, requested.
    `removed` says that there is state of units gone from the code: then the unit `removed` runs, before all others.
    """

    graph: Graph
    parts: Mapping[str, Parts]
    records: Mapping[str, Record]
    slices: Mapping[str, str]
    freshness: Freshness
    forced: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)
    removed: bool = False

    @property
    def upstream(self) -> Mapping[str, frozenset[str]]:
        """The edges between units, with those from `removed` to all others when it runs."""
        if not self.removed:
            return self.graph.upstream
        first = frozenset({REMOVED_UNIT})
        edges = {unit: needed or first for unit, needed in self.graph.upstream.items()}
        return {REMOVED_UNIT: frozenset(), **edges}

    def recorded(self, unit: str) -> dict[Place, str]:
        """What a unit exported when it was last applied."""
        record = self.records.get(unit)
        members = self.members(unit)
        exports = record.exports if record is not None else {}
        return {place: digest for place, digest in exports.items() if place[0] in members}

    def changed(self, unit: str) -> str:
        """What tells the last change of a unit's managed resources apart from others; UNKNOWN after a failure."""
        record = self.records.get(unit)
        return record.changed_at.isoformat() if record is not None and record.changed_at is not None else UNKNOWN

    def members(self, unit: str) -> tuple[str, ...]:
        return self.graph.units[unit].members if unit != REMOVED_UNIT else ()


def decide(facts: Facts, unit: str, inputs: Hashes, changes: Mapping[str, str]) -> Decision:
    """Whether a unit runs when its inputs are these: hashes or UNKNOWN.

    `changes` tells the last change of each unit, UNKNOWN for one that is about to change. A unit is skipped only when
    nothing that its last successful apply was made from is different, and its slice is the one that it left.
    """
    found = (*own_reasons(facts, unit), *input_reasons(facts, unit, inputs, changes))
    return Decision(unit, bool(found), found or (Reason(reasons.UNCHANGED),))


def own_reasons(facts: Facts, unit: str) -> tuple[Reason, ...]:
    """Why a unit runs whatever other units export."""
    forced = facts.forced.get(unit, ())
    if unit == REMOVED_UNIT:
        return (*forced, Reason(reasons.REMOVED))
    record = facts.records.get(unit)
    if record is None:
        return (*forced, Reason(reasons.NEW))
    if not record.complete:
        return (*forced, Reason(reasons.INCOMPLETE))
    return (*forced, *_own(facts, unit, record))


def input_reasons(facts: Facts, unit: str, inputs: Hashes, changes: Mapping[str, str]) -> tuple[Reason, ...]:
    """What other units export now and did not when this one was last applied."""
    record = facts.records.get(unit)
    if record is None or not record.complete:
        return ()
    before = {name: digest for name, digest in record.parts.items() if not is_static(name)}
    return differences(before, dynamic(facts.parts[unit], inputs, changes))


def _own(facts: Facts, unit: str, record: Record) -> Iterator[Reason]:
    static = facts.parts[unit]
    before = {name: digest for name, digest in record.parts.items() if is_static(name)}
    yield from differences(before, static.of)
    for address in sorted({*facts.graph.units[unit].members, *record.slices}):
        if facts.slices.get(address) != record.slices.get(address):
            yield Reason(reasons.STATE, address)
    for detail in static.impure:
        yield Reason(reasons.IMPURE, detail)
    yield from _overdue(facts.freshness, static, record)
    yield from _not_recorded(facts.graph, unit, record)


def _overdue(freshness: Freshness, static: Parts, record: Record) -> Iterator[Reason]:
    if static.data and freshness.data is not None and _is_old(record.read_at, freshness.data, freshness.now):
        yield Reason(reasons.DATA, static.data[0])
    if freshness.unit is not None and freshness.now - record.applied_at >= freshness.unit:
        yield Reason(reasons.AGE, f"older than {freshness.unit}")


def _is_old(read_at: datetime, limit: timedelta, now: datetime) -> bool:
    return not limit or now - read_at >= limit


def _not_recorded(graph: Graph, unit: str, record: Record) -> Iterator[Reason]:
    """Other units may read by now what was not recorded when this one was applied."""
    for address in graph.units[unit].members:
        for attribute in graph.exports.get(address, ()):
            if not record.holds((address, attribute)):
                yield Reason(reasons.EXPORT, name_of((address, attribute)))
