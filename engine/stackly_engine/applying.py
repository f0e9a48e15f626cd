"""The applying of a planned run as a pure state machine: what is applied as planned, what is not needed after all."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from stackly_engine import ordering
from stackly_engine.deciding import REMOVED_UNIT, UNKNOWN, Decision, Facts, Hashes, decide
from stackly_engine.parts import fingerprint, value_at
from stackly_engine.records import Place, Record
from stackly_engine.schedule import Outcome


class Step(StrEnum):
    """What is to be done with a batch whose upstream is applied."""

    DROP = "drop"  # nothing that it was planned for came true: every unit is as it was when last applied
    SAVED = "saved"  # its inputs came out as planned: the saved plan
    AGAIN = "again"  # plan again with the real inputs, and hold that to the approved plan
    ASK = "ask"  # there is no approved plan yet: a unit of it was deferred


class Applied(StrEnum):
    WAITING = "waiting"
    STARTED = "started"
    APPLIED = "applied"
    DROPPED = "dropped"
    SKIPPED = "skipped"
    SURPRISED = "surprised"  # skipped by the plan, but its inputs came out otherwise: the run must be planned again
    FAILED = "failed"
    BLOCKED = "blocked"


_GOOD = frozenset({Applied.APPLIED, Applied.DROPPED, Applied.SKIPPED})
_BAD = frozenset({Applied.SURPRISED, Applied.FAILED, Applied.BLOCKED})
_SETTLED = _GOOD | _BAD


@dataclass(frozen=True, slots=True)
class Left:
    """What a successful apply of a unit left: its slices' digests, whether managed resources changed, when it ended."""

    slices: Mapping[str, str]
    changed: bool
    at: datetime


class Applying:
    """For each batch of the outcome, in order, once it is `ready`: ask its `step`, then `drop` it, or `start` and report."""

    def __init__(self, facts: Facts, outcome: Outcome) -> None:
        # as the plan saw them, though the caller's records and slices move on while batches are applied
        self.facts = replace(facts, records=dict(facts.records), slices=dict(facts.slices))
        self.outcome = outcome
        self.upstream = facts.upstream
        self._users = ordering.inverted(self.upstream)
        self._order = ordering.ordered(self.upstream)
        self._batch = {unit: batch for batch in outcome.batches for unit in batch}
        self._exports: dict[Place, str] = {}
        self._held: dict[str, tuple[Place, ...]] = {}
        self._changes = {unit: facts.changed(unit) for unit in self._order}
        self._status = dict.fromkeys(self._order, Applied.WAITING)
        for unit in self._order:
            self._hold(unit, facts.recorded(unit))
            if unit not in self._batch and outcome.decisions[unit].run:
                self._status[unit] = Applied.FAILED
        self._look()

    @property
    def done(self) -> bool:
        """Whether nothing more can be started."""
        return all(status in _SETTLED for status in self._status.values())

    @property
    def statuses(self) -> dict[str, Applied]:
        """The status of every unit, in the order of the graph."""
        return dict(self._status)

    @property
    def exports(self) -> Hashes:
        """What every unit exports now."""
        return dict(self._exports)

    def surprises(self) -> tuple[Decision, ...]:
        """Units that the plan skipped and that would have to run: what was approved does not cover them."""
        return tuple(self._decide(unit) for unit in self._order if self._status[unit] is Applied.SURPRISED)

    def ready(self) -> tuple[tuple[str, ...], ...]:
        """The planned batches that may start now."""
        return tuple(batch for batch in self.outcome.batches if self._is_ready(batch))

    def step(self, batch: Collection[str]) -> Step:
        """What is to be done with a batch that is ready."""
        self._check_ready(batch)
        if not any(self._decide(unit).run for unit in batch):
            return Step.DROP
        if self.outcome.deferred & set(batch):
            return Step.ASK
        return Step.SAVED if all(self._as_planned(unit, batch) for unit in batch) else Step.AGAIN

    def reads(self, batch: Collection[str]) -> dict[Place, str]:
        """Hashes of what a batch reads of units outside of it, as they are now."""
        places = sorted({place for unit in batch for place in self._outside(unit, batch)}, key=str)
        return {place: value_at(self._exports, place) for place in places}

    def drop(self, batch: Collection[str]) -> None:
        """Take a batch as applied that has nothing to do; ValueError when it has."""
        if self.step(batch) is not Step.DROP:
            raise ValueError(f"this batch has something to do: {', '.join(sorted(batch))}")
        self._settle(batch, Applied.DROPPED)

    def start(self, batch: Collection[str]) -> None:
        """Its apply starts. Before that its records are to be cleared."""
        self._check_ready(batch)
        for unit in batch:
            self._status[unit] = Applied.STARTED

    def succeeded(self, batch: Collection[str], exports: Hashes, left: Mapping[str, Left]) -> dict[str, Record]:
        """A started batch was applied: hashes of its real exports, what it left by unit; the records to write."""
        self._check_started(batch)
        for unit in batch:
            members = self.facts.members(unit)
            self._hold(unit, {place: value for place, value in exports.items() if place[0] in members})
            self._changes[unit] = self._changed_at(unit, left[unit]).isoformat()
        self._settle(batch, Applied.APPLIED)
        return {unit: self._record(unit, left[unit]) for unit in sorted(batch) if unit in self.facts.parts}

    def failed(self, batch: Collection[str]) -> None:
        """A started batch was not applied, or not wholly: nothing that needs it starts any more."""
        self._check_started(batch)
        self._settle(batch, Applied.FAILED)

    def generations(self, units: Iterable[str]) -> dict[str, int]:
        """The generations that the plan of these was made from, theirs and upstream's; 0 for what was never applied."""
        chosen = set(units) | ordering.reachable(self.upstream, units)
        return {unit: self._generation(unit) for unit in sorted(chosen)}

    def _decide(self, unit: str) -> Decision:
        return decide(self.facts, unit, self._exports, self._changes)

    def _as_planned(self, unit: str, batch: Collection[str]) -> bool:
        if unit not in self.facts.parts:
            return True
        static = self.facts.parts[unit]
        if any(other in self.outcome.changing and other not in batch for other in static.applies):
            return False  # its plan put reading off: it holds what is never to be applied
        outside = self._outside(unit, batch)
        planned = [value_at(self.outcome.exports, place) for place in outside]
        return UNKNOWN not in planned and planned == [value_at(self._exports, place) for place in outside]

    def _outside(self, unit: str, batch: Collection[str]) -> tuple[Place, ...]:
        inputs = self.facts.parts[unit].inputs if unit in self.facts.parts else ()
        return tuple(place for place in inputs if self.facts.graph.owner[place[0]] not in batch)

    def _record(self, unit: str, left: Left) -> Record:
        return Record(
            parts=fingerprint(self.facts.parts[unit], self._exports, self._changes),
            slices=dict(left.slices),
            exports={place: self._exports[place] for place in self._held[unit]},
            applied_at=left.at,
            read_at=left.at,
            changed_at=self._changed_at(unit, left),
            generation=self._generation(unit) + 2,  # clearing it was a write too
        )

    def _changed_at(self, unit: str, left: Left) -> datetime:
        record = self.facts.records.get(unit)
        if left.changed or record is None or record.changed_at is None:
            return left.at
        return record.changed_at

    def _generation(self, unit: str) -> int:
        record = self.facts.records.get(unit)
        return record.generation if record is not None else 0

    def _is_ready(self, batch: Collection[str]) -> bool:
        needed = frozenset(other for unit in batch for other in self.upstream[unit]) - frozenset(batch)
        return all(self._status[unit] is Applied.WAITING for unit in batch) and all(map(self._lets_go, needed))

    def _lets_go(self, needed: str) -> bool:
        """Whether what needs this unit may go on.

        What is gone from the code only goes first, nobody reads anything of it: when it cannot be destroyed, since something
        uses it that is about to let it go, then that must still happen.
        """
        return self._status[needed] in _GOOD or (needed == REMOVED_UNIT and self._status[needed] is Applied.FAILED)

    def _check_ready(self, batch: Collection[str]) -> None:
        if tuple(sorted(batch)) not in self.outcome.batches or not self._is_ready(batch):
            raise ValueError(f"this batch cannot start now: {', '.join(sorted(batch))}")

    def _check_started(self, batch: Collection[str]) -> None:
        for unit in batch:
            if self._status[unit] is not Applied.STARTED:
                raise ValueError(f"{unit} is {self._status[unit]}, not started")

    def _settle(self, batch: Collection[str], status: Applied) -> None:
        for unit in batch:
            self._status[unit] = status
        self._look()

    def _look(self) -> None:
        """Settle all that the plan skipped and whose upstream is settled; block what needs something that went wrong."""
        for unit in self._order:
            if self._status[unit] is not Applied.WAITING or unit in self._batch:
                continue
            if all(map(self._lets_go, self.upstream[unit])):
                self._status[unit] = Applied.SURPRISED if self._decide(unit).run else Applied.SKIPPED
        self._block()

    def _block(self) -> None:
        """What needs something that went wrong is blocked, and with a unit its whole batch."""
        bad = [unit for unit, status in self._status.items() if status in _BAD and not self._lets_go(unit)]
        while bad:
            for user in sorted(self._users[bad.pop()]):
                for unit in self._batch.get(user, (user,)):
                    if self._status[unit] is Applied.WAITING:
                        self._status[unit] = Applied.BLOCKED
                        bad.append(unit)

    def _hold(self, unit: str, exports: Hashes) -> None:
        for place in self._held.get(unit, ()):
            del self._exports[place]
        self._held[unit] = tuple(sorted(exports, key=str))
        self._exports.update(exports)
