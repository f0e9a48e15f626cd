"""Which units run and why: a pure state machine for the planning of a run, and one for its applying."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from stackly_engine.fingerprints import Parts
from stackly_engine.graph import Graph
from stackly_engine.reasons import Reason
from stackly_engine.records import Place, Record

REMOVED_UNIT = "removed"


class Unknown(StrEnum):
    """What stands where a hash would, when a planned export is not known."""

    UNKNOWN = "unknown"


UNKNOWN = Unknown.UNKNOWN
Hashes = Mapping[Place, str]  # keyed hashes of exports; UNKNOWN where a plan does not know them


@dataclass(frozen=True, slots=True)
class Freshness:
    """How long a unit may be skipped: `data` for those whose data sources read the world, `unit` for any; None: forever."""

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
    address → digest. `forced` are reasons by unit that come from elsewhere: replace, tainted, drift, audit, moved, requested.
    `removed` says that there is state of units gone from the code: then the unit `removed` runs, before all others.
    """

    graph: Graph
    parts: Mapping[str, Parts]
    records: Mapping[str, Record]
    slices: Mapping[str, str]
    freshness: Freshness
    forced: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)
    removed: bool = False


def decide(facts: Facts, unit: str, inputs: Mapping[Place, str], applies: Mapping[str, int | None]) -> Decision:
    """Whether a unit runs when its inputs are these: hashes or UNKNOWN; `applies` counts by unit, None: it will grow."""
    raise NotImplementedError


class Planning:
    """Which units are planned, in which order: `start` what is ready, say how it ended, until `done`.

    A unit with a reason of its own is definite; one that only runs if an input changes waits for what upstream plans.
    """

    def __init__(self, facts: Facts) -> None:
        raise NotImplementedError

    @property
    def done(self) -> bool:
        """Whether every unit is settled: planned, skipped, deferred, failed or blocked."""
        raise NotImplementedError

    @property
    def decisions(self) -> dict[str, Decision]:
        """The decisions made so far, by unit, in the order of the graph."""
        raise NotImplementedError

    def definite(self) -> frozenset[str]:
        """Units that will run and have not been started."""
        raise NotImplementedError

    def maybe(self) -> frozenset[str]:
        """Units that run only if an input changes; undecided as yet."""
        raise NotImplementedError

    def ready(self, units: Iterable[str]) -> bool:
        """Whether these may start as one batch now: all they need outside of it is settled, and not by a failure."""
        raise NotImplementedError

    def start(self, units: Iterable[str]) -> tuple[Decision, ...]:
        """Start a batch; a maybe in it runs with the reason `together`. ValueError when it is not ready."""
        raise NotImplementedError

    def planned(self, unit: str, exports: Hashes, *, changes: bool) -> None:
        """A started unit was planned: hashes of its planned exports, whether managed resources will change."""
        raise NotImplementedError

    def deferred(self, unit: str) -> None:
        """A started unit can only be planned once upstream is applied; all it exports is unknown."""
        raise NotImplementedError

    def failed(self, unit: str) -> None:
        """A started unit could not be planned: nothing that needs it starts."""
        raise NotImplementedError
