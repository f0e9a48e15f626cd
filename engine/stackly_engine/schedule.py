"""The planning of a run as a pure state machine: which units are planned, in which order, and which never need it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from stackly_engine import ordering, reasons
from stackly_engine.deciding import (
    REMOVED_UNIT,
    UNKNOWN,
    Decision,
    Facts,
    Freshness,
    Hashes,
    decide,
    input_reasons,
    own_reasons,
)
from stackly_engine.parts import value_at
from stackly_engine.reasons import Reason
from stackly_engine.records import Place

__all__ = [
    "REMOVED_UNIT",
    "UNKNOWN",
    "Decision",
    "Facts",
    "Freshness",
    "Hashes",
    "Outcome",
    "Planning",
    "Status",
    "decide",
]


class Status(StrEnum):
    """Where a unit is in the planning. A waiting one runs only if an input changes, a definite one in any case."""

    WAITING = "waiting"
    DEFINITE = "definite"
    STARTED = "started"
    PLANNED = "planned"
    SKIPPED = "skipped"
    DEFERRED = "deferred"
    FAILED = "failed"
    BLOCKED = "blocked"


_OPEN = frozenset({Status.WAITING, Status.DEFINITE})
_STARTABLE = _OPEN | {Status.SKIPPED}
_GOOD = frozenset({Status.PLANNED, Status.SKIPPED, Status.DEFERRED})
_SETTLED = _GOOD | {Status.FAILED, Status.BLOCKED}


@dataclass(frozen=True)
class Outcome:
    """What a planning came to; all that its applying needs to know of it.

    `batches` are those wholly planned, in the order in which they were started; `exports` hashes of what the planned units will export;
    `changing` are the units with changes of managed resources, `deferred` those to be planned after upstream's apply.
    """

    decisions: Mapping[str, Decision]
    batches: tuple[tuple[str, ...], ...]
    exports: Hashes
    changing: frozenset[str]
    deferred: frozenset[str]


class Planning:
    """`start` what is ready, say how each of its units ended, until `done`. The same calls give the same answers."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.upstream = facts.upstream
        self._users = ordering.inverted(self.upstream)
        self._order = ordering.ordered(self.upstream)
        self._exports: dict[Place, str] = {}
        self._held: dict[str, tuple[Place, ...]] = {}
        self._changes: dict[str, str] = {}
        self._changing: set[str] = set()
        self._status: dict[str, Status] = {}
        self._missing: dict[str, int] = {}
        self._batch: dict[str, tuple[str, ...]] = {}
        self._because: dict[str, str] = {}
        self._begin(self._order)

    @property
    def done(self) -> bool:
        """Whether every unit is settled: planned, skipped, deferred, failed or blocked."""
        return all(status in _SETTLED for status in self._status.values())

    @property
    def statuses(self) -> dict[str, Status]:
        """The status of every unit, in the order of the graph."""
        return {unit: self._status[unit] for unit in self._order}

    @property
    def decisions(self) -> dict[str, Decision]:
        """The decisions made so far, in the order of the graph."""
        return {unit: self._decision(unit) for unit in self._order if self._status[unit] is not Status.WAITING}

    @property
    def exports(self) -> Hashes:
        """What every unit exports as far as it is known now: recorded, planned, or UNKNOWN."""
        return dict(self._exports)

    def outcome(self) -> Outcome:
        """What the planning came to; ValueError before it is done."""
        if not self.done:
            raise ValueError("the planning is not done")
        return Outcome(
            self.decisions,
            tuple(batch for batch in dict.fromkeys(self._batch.values()) if self._are_planned(batch)),
            dict(self._exports),
            frozenset(self._changing),
            frozenset(self._with(Status.DEFERRED)),
        )

    def definite(self) -> frozenset[str]:
        """Units that will run and have not been started."""
        return frozenset(self._with(Status.DEFINITE))

    def maybe(self) -> frozenset[str]:
        """Units that run only if an input changes; undecided as yet."""
        return frozenset(self._with(Status.WAITING))

    def ready(self, units: Iterable[str]) -> bool:
        """Whether these may start as one batch now: none was started, and what they need outside is settled well.

        A unit that is skipped by itself may be in it too, as long as nothing that needs it was started.
        """
        chosen = frozenset(units)
        needed = frozenset(other for unit in chosen for other in self.upstream[unit]) - chosen
        woken = (other for other in self._woken(chosen) if other not in chosen)
        return (
            all(self._status[unit] in _STARTABLE for unit in chosen)
            and all(self._status[unit] in _GOOD for unit in needed)
            and all(self._status[unit] in _STARTABLE for unit in woken)
        )

    def start(self, units: Iterable[str]) -> None:
        """Start a batch; one in it without a reason of its own runs with `together`. ValueError when it is not ready."""
        batch = tuple(sorted(set(units)))
        if not batch or not self.ready(batch):
            raise ValueError(f"this batch cannot start now: {', '.join(batch)}")
        woken = self._woken(frozenset(batch))
        reason = next((unit for unit in batch if self._status[unit] is Status.DEFINITE), "")
        for unit in batch:
            self._status[unit] = Status.STARTED
            self._batch[unit] = batch
            self._because[unit] = reason
        for unit in woken:
            if self._status[unit] is Status.SKIPPED:
                self._status[unit] = Status.WAITING
        if woken:
            self._count()

    def planned(self, unit: str, exports: Hashes, *, changes: bool) -> None:
        """A started unit was planned: hashes of its planned exports, whether managed resources will change."""
        self._end(unit, Status.PLANNED, exports, changes=changes)

    def deferred(self, unit: str) -> None:
        """A started unit can only be planned once upstream is applied: whatever it exports is unknown."""
        exported = self.facts.graph.exports
        places = ((address, name) for address in self.facts.members(unit) for name in exported.get(address, ()))
        self._end(unit, Status.DEFERRED, dict.fromkeys(places, UNKNOWN), changes=True)

    def failed(self, unit: str) -> None:
        """A started unit could not be planned: nothing that needs it starts any more."""
        self._check_started(unit)
        self._status[unit] = Status.FAILED
        self.block(ordering.reachable(self._users, [unit]), unit)

    def block(self, units: Iterable[str], because: str) -> None:
        """These, and all that need them, cannot start any more for what happened to another unit."""
        chosen = frozenset(units)
        for other in sorted(chosen | ordering.reachable(self._users, chosen)):
            if self._status[other] in _OPEN:
                self._status[other] = Status.BLOCKED
                self._because[other] = because

    def joins(self) -> tuple[frozenset[str], ...]:
        """Impure units with unknown inputs, each with the units that these come from: to be planned as one batch.

        Planned again at the apply an impure unit would come out otherwise than approved. `reopen` them, then start the
        batch that `batches` makes of them when it is told that they go together.
        """
        found = (self._join(unit) for unit in self._order if unit != REMOVED_UNIT and self.facts.parts[unit].impure)
        return tuple(join for join in found if len(join) > 1)

    def reopen(self, units: Collection[str]) -> frozenset[str]:
        """Take back how these and all that need them were settled; the units that this concerns are returned."""
        again = frozenset(units) | ordering.reachable(self._users, units)
        if any(self._status[unit] is Status.STARTED for unit in again):
            raise ValueError("a unit that is being planned cannot be reopened")
        for unit in again:
            self._batch.pop(unit, None)
            self._because.pop(unit, None)
        self._begin(again)
        return again

    def _begin(self, units: Collection[str]) -> None:
        for unit in units:
            self._status[unit] = Status.DEFINITE if own_reasons(self.facts, unit) else Status.WAITING
            self._hold(unit, self.facts.recorded(unit))
            self._changes[unit] = self.facts.changed(unit)
            self._changing.discard(unit)
        self._count()
        for unit in self._order:
            self._look(unit)

    def _count(self) -> None:
        """How much of what each unit needs is not settled."""
        for unit in self._order:
            self._missing[unit] = sum(self._status[needed] not in _SETTLED for needed in self.upstream[unit])

    def _woken(self, batch: frozenset[str]) -> frozenset[str]:
        """What was settled by way of units that were skipped and are to run after all: everything that needs them."""
        skipped = [unit for unit in batch if self._status[unit] is Status.SKIPPED]
        return frozenset(ordering.reachable(self._users, skipped)) if skipped else frozenset()

    def _look(self, unit: str) -> None:
        """Decide about a waiting unit whose inputs are known by now, and then about those that wait for it."""
        looking = [unit]
        while looking:
            one = looking.pop()
            if self._status[one] is not Status.WAITING or self._missing[one]:
                continue
            if decide(self.facts, one, self._exports, self._changes).run:
                self._status[one] = Status.DEFINITE
            else:
                self._status[one] = Status.SKIPPED
                looking.extend(self._settled(one))

    def _settled(self, unit: str) -> list[str]:
        users = sorted(self._users[unit], reverse=True)
        for user in users:
            self._missing[user] -= 1
        return users

    def _end(self, unit: str, status: Status, exports: Hashes, *, changes: bool) -> None:
        self._check_started(unit)
        members = self.facts.members(unit)
        foreign = sorted(address for address, _ in exports if address not in members)
        if foreign:
            raise ValueError(f"{foreign[0]} is no address of {unit}")
        self._hold(unit, exports)
        self._status[unit] = status
        if changes:
            self._changing.add(unit)
            self._changes[unit] = UNKNOWN
        for user in self._settled(unit):
            self._look(user)

    def _hold(self, unit: str, exports: Hashes) -> None:
        for place in self._held.get(unit, ()):
            del self._exports[place]
        self._held[unit] = tuple(exports)
        self._exports.update(exports)

    def _check_started(self, unit: str) -> None:
        if self._status[unit] is not Status.STARTED:
            raise ValueError(f"{unit} is {self._status[unit]}, not started")

    def _decision(self, unit: str) -> Decision:
        status = self._status[unit]
        if status is Status.BLOCKED:
            return Decision(unit, run=False, reasons=(Reason(reasons.BLOCKED, self._because[unit]),))
        if status is Status.SKIPPED:
            return Decision(unit, run=False, reasons=(Reason(reasons.UNCHANGED),))
        found = own_reasons(self.facts, unit)
        if self._inputs_known(unit):
            found = (*found, *input_reasons(self.facts, unit, self._exports, self._changes))
        return Decision(unit, run=True, reasons=found or (Reason(reasons.TOGETHER, self._because[unit]),))

    def _inputs_known(self, unit: str) -> bool:
        return all(self._status[needed] in _GOOD for needed in self.upstream[unit])

    def _are_planned(self, batch: Iterable[str]) -> bool:
        return all(self._status[unit] in {Status.PLANNED, Status.DEFERRED} for unit in batch)

    def _join(self, unit: str) -> frozenset[str]:
        if self._status[unit] not in {Status.DEFINITE, Status.PLANNED} or not self._inputs_known(unit):
            return frozenset()
        places = (place for place in self.facts.parts[unit].inputs if value_at(self._exports, place) == UNKNOWN)
        owners = frozenset(self.facts.graph.owner[address] for address, _ in places)
        apart = frozenset(owner for owner in owners if self._batch.get(owner) != self._batch.get(unit, ()))
        return frozenset(ordering.between(self.upstream, {unit, *owners})) if apart else frozenset()

    def _with(self, status: Status) -> list[str]:
        return [unit for unit in self._order if self._status[unit] is status]
