"""The audit of a root that is cut: a plan of the whole beside what units would do; nothing is locked, written or applied."""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from stackly_engine import auditing
from stackly_engine.auditing import AuditReport, Change, Standing
from stackly_engine.driving.chain import Chain, plan_chain
from stackly_engine.driving.known import Known
from stackly_engine.driving.ports import StoppedError
from stackly_engine.graph import top
from stackly_engine.readings import moved_data
from stackly_engine.schedule import Freshness
from stackly_worker.runner import units_known
from stackly_worker.runner.units import Reading, RunsWholeError
from stackly_worker.runner.units_hands import Desk, UnitsHands

MODE = "audit"
MOST = 1000  # addresses that are told
NOT_CUT = "the stack runs whole"
NO_RECORD = "no unit is known to have been applied: a run would plan everything"


@dataclass(frozen=True)
class Audit:
    """Read before the whole plan is made, so that both are of one state and one set of records."""

    desk: Desk
    reading: Reading
    known: Known

    @classmethod
    async def begin(cls, desk: Desk, key: bytes) -> "Audit":
        """RunsWholeError for a root that is not cut, or of which nothing is known."""
        desk = replace(desk, mode=MODE)
        reading, at = Reading.of(desk, key, ()), units_known.now()
        known = await reading.known(UnitsHands(desk), at=at, lineage=str(uuid.uuid4()))
        if not any(record.complete for record in known.records.values()):
            raise RunsWholeError((NO_RECORD,))
        known.freshness = Freshness(at)  # what is only old is no difference
        known.apart = True  # a batch of several units would be compared with itself
        return cls(desk, reading, known)

    @property
    def generations(self) -> int:
        """The sum over all records that it is made from."""
        return sum(units_known.generations(self.reading.rows).values())

    async def compare(self, plan: Mapping[str, Any]) -> AuditReport:
        """What the JSON of the whole plan says of the units; those in question are planned by themselves."""
        known, session = self.known, self.desk.session
        standing = await asyncio.to_thread(Standing.of, known.facts)
        whole = auditing.changes(plan, self._owner)
        read = sorted(moved_data(known.document, plan))
        moved = {address: unit for address in read if (unit := self._owner(address))}
        wanted = auditing.to_plan(known.facts, standing, whole, frozenset(moved.values()))
        facts, cut, deferred = known.facts, dict[str, Change](), frozenset[str]()
        if wanted is not None:
            session.transcript.say(
                f"Planned by themselves: {', '.join(sorted(wanted)) or 'the units that run anyway'}."
            )
            try:
                chain = await self._planned(wanted)
            except RunsWholeError as error:
                return AuditReport("; ".join(error.reasons))
            cut, deferred = self._changes(chain), chain.outcome.deferred
        found = auditing.compared(facts, standing, whole, cut, planned=wanted or (), deferred=deferred, moved=moved)
        return AuditReport("", len(standing.skipped | standing.waiting), found[:MOST])

    async def _planned(self, units: frozenset[str]) -> Chain:
        """The chain with these units in it; RunsWholeError says why there is none."""
        known, session = self.known, self.desk.session
        known.forced = auditing.forced(known.forced, units)
        try:
            chain = await asyncio.to_thread(plan_chain, known)
        except StoppedError:
            session.stop_if_cancelled("plan")
            raise
        except (ValueError, RuntimeError) as error:
            raise RunsWholeError((f"engine: {type(error).__name__}: {error}",)) from error
        session.stop_if_cancelled("plan")
        await asyncio.to_thread(chain.close, known.hands)
        if chain.errors:
            names = ", ".join(sorted(unit for failed in chain.errors for unit in failed))
            raise RunsWholeError((f"could not be planned by themselves, while the whole root can: {names}",))
        return chain

    def _changes(self, chain: Chain) -> dict[str, Change]:
        found: dict[str, Change] = {}
        for piece in chain.pieces:
            if piece.planned is not None:
                made = piece.planned.cut
                found |= auditing.changes(piece.document, self._owner, generated=made.prefix, copied=made.copied)
        return found

    def _owner(self, address: str) -> str | None:
        return self.known.graph.owner_of(address) or self.known.routes.slices.get(top(address))
