"""The apply of a planned chain: every batch's state into the whole one, what is kept of its units, how it all ended."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from stackly_engine import deltas, exact, plans, slices
from stackly_engine.applying import Applied
from stackly_engine.dependencies import Dependencies
from stackly_engine.driving import state
from stackly_engine.driving.carrying import Apply, Ended, Fate
from stackly_engine.driving.chain import Chain
from stackly_engine.driving.known import Known
from stackly_engine.driving.ports import Job, Planned
from stackly_engine.exports import Recorded
from stackly_engine.records import Record
from stackly_worker.runner import limits, units_known, units_left, units_share
from stackly_worker.runner.journal import write_new
from stackly_worker.runner.others import Helpers
from stackly_worker.runner.place import write_atomically
from stackly_worker.runner.ports import LeaseLostError, LeftUnit, NotCoveredError, Outcome, PlaneRefusedError, UnitRow
from stackly_worker.runner.session import Session
from stackly_worker.runner.shipping import insist
from stackly_worker.runner.statewatch import StateVersion
from stackly_worker.runner.units_folder import OUTLINED, UNITS, WHOLE
from stackly_worker.runner.units_hands import Desk, UnitsHands, resources_of
from stackly_worker.runner.units_whole import NotTakenError, WholeState

_NEVER_BEGUN = frozenset({Applied.WAITING, Applied.DROPPED, Applied.BLOCKED})


@dataclass
class Keeping:
    """The port Applies: state first, then what is kept of the units."""

    session: Session
    known: Known
    whole: WholeState
    dependencies: Dependencies
    rows: tuple[UnitRow, ...]  # as found before the apply cleared those of its units
    secrets: tuple[str, ...] = ()  # that the approved plan was masked with
    uncovered: dict[tuple[str, ...], str] = field(default_factory=dict)  # by batch: what the control plane says

    @property
    def refused(self) -> bool:
        return self.whole.refused

    def announcement(self, job: Job) -> bytes:
        return units_share.pack(job.share, self.dependencies)

    def found(self, number: int, job: Job, version: StateVersion) -> None:
        self.whole.found(number, job.share, version)

    def forget(self, number: int) -> None:
        self.whole.forget(number)

    async def covered(self, planned: Planned) -> bool:
        try:
            projected = await asyncio.to_thread(self._projected, planned)
            verify = partial(self.session.plane.verify_plan, planned.job.units, projected, planned.job.reads)
            await insist(verify, self.session.clock)
        except NotCoveredError as error:
            self.uncovered[planned.job.units] = str(error)
            return False
        except LeaseLostError:
            self.session.standing.lost = True
            return False
        return True

    def _projected(self, planned: Planned) -> bytes:
        """With the masks of the approved plan, and what is secret of what is exported by now."""
        exports = dict(self.known.exports)  # others go on meanwhile
        hidden = {*self.secrets, *units_known.secrets_in(exports)}
        document = exact.dumps(planned.document)
        return plans.project(document, self.known.key, hidden, generated=planned.cut.prefix).to_bytes()

    async def keep(self, document: Mapping[str, Any]) -> None:
        await self.whole.take(document)

    async def learn(self, records: Mapping[str, Record], exports: Recorded) -> None:
        before = units_known.generations(self.rows)
        await self.write(await asyncio.to_thread(units_known.rows_of, self.known.graph, records, exports, before))

    async def restore(self, units: list[str]) -> None:
        """Units that were cleared and then not begun are as they were: so is what is kept of them."""
        rows = [row for row in self.rows if row.unit in units and row.record]
        await self.write([_again(row) for row in rows])

    async def write(self, rows: "tuple[UnitRow, ...] | list[UnitRow]") -> None:
        """After all of the state was accepted. What cannot be kept is only planned once more."""
        fitting = [
            row for row in rows if len(row.record) <= limits.RECORD_BYTES and len(row.exports) <= limits.EXPORTS_BYTES
        ]
        if len(fitting) < len(rows):
            large = ", ".join(row.unit for row in rows if row not in fitting)
            self.session.transcript.say(f"Too much to be kept, and so planned again by each run: {large}")
        try:
            await self.whole.accepted()
            if fitting:
                await insist(lambda: self.session.plane.write_records(fitting), self.session.clock)
        except LeaseLostError:
            self.session.standing.lost = True
        except NotTakenError:
            return  # the run stops: `refused`
        except PlaneRefusedError as error:
            self.session.transcript.say(f"Not kept, and so planned again by the next run: {error}")


@dataclass
class Carrying:
    """One chain on its way. `begin` before the start is announced; then `run`, once."""

    desk: Desk
    known: Known
    chain: Chain
    rows: tuple[UnitRow, ...]
    first: bool  # there was no state
    secrets: tuple[str, ...] = ()  # of the plan
    fates: list[Ended] = field(default_factory=list)

    @property
    def units(self) -> tuple[str, ...]:
        """All that may be applied: what is kept of them goes before anything is."""
        return tuple(sorted({unit for piece in self.chain.pieces for unit in piece.units}))

    async def begin(self) -> WholeState:
        """What whoever comes back after a crash begins with, before anything can have changed."""
        session, place, known = self.desk.session, self.desk.place, self.known
        folder = session.folder / UNITS
        await asyncio.to_thread(folder.mkdir, mode=0o700, exist_ok=True)
        dependencies = await asyncio.to_thread(lambda: known.dependencies)
        before = await asyncio.to_thread(self._settle, dependencies)
        serial = 0 if self.first else int(before["serial"])
        if place.state.exists():  # nothing writes there: each batch has a state of its own
            await asyncio.to_thread(place.state.replace, folder / WHOLE)
        else:
            await asyncio.to_thread(write_atomically, folder / WHOLE, slices.document_bytes(before))
        if known.outlined:
            write_new(folder / OUTLINED, b"")
        return WholeState(
            known=before, serial=serial, document=known.document, place=place, plane=session.plane, clock=session.clock,
            dependencies=dependencies, outlined=bool(known.outlined),
        )  # fmt: skip

    def _settle(self, dependencies: Dependencies) -> Mapping[str, Any]:
        """All of the document gets the dependencies of the code as it is now; gives it as it was before.

        A slice that gets others is one that moves, so its contents are needed.
        """
        known = self.known
        after = state.settled(known.document, dependencies)
        moved = deltas.between(0, known.document, after).slices.keys()
        if moved & known.outlined:
            known.require(moved)
            after = state.settled(known.document, dependencies)
        before, known.document, known.settled_by = known.document, after, known.dependencies_key
        return before

    async def run(self, whole: WholeState, environment: Mapping[str, str], helpers: Helpers | None = None) -> Outcome:
        """Apply; the last state is with the control plane when this returns."""
        session = self.desk.session
        keeping = Keeping(session, self.known, whole, whole.dependencies, self.rows, self.secrets)
        desk = replace(self.desk, environment={**self.desk.environment, **environment})
        hands = UnitsHands(desk, keeping, helpers)
        self.known.workers += helpers.count if helpers else 0
        self.known.hands = hands
        sending = asyncio.create_task(whole.run())
        broken = ""
        loop = asyncio.get_running_loop()

        def tell(one: Ended) -> None:
            loop.call_soon_threadsafe(self._tell, one, keeping)

        apply = Apply(self.known, self.chain, tell)
        try:
            await asyncio.to_thread(apply.run)
            await keeping.restore(_not_begun(apply, self.units))
        except (
            ValueError,
            RuntimeError,
            OSError,
        ) as error:  # a defect, a full disk: what Terraform did is kept all the same
            broken = f"the apply stopped: {type(error).__name__}: {error}"
        finally:
            whole.end()
            await asyncio.gather(sending, return_exceptions=True)
        serial, document = await whole.final()
        for units, said in sorted(hands.said.items()):
            if units in hands.codes or self._failed(units):
                session.transcript.events.absorb(said)
        left = units_left.left(apply.applying.statuses, self.fates, keeping.uncovered, apply.applying.surprises())
        outcome = self._outcome(apply, hands, whole, broken, left)
        outputs = exact.dumps(document.get("outputs") or {})
        return replace(outcome, outputs=outputs, state_refused=whole.refused, state_serial=serial or None)

    def _tell(self, one: Ended, keeping: Keeping) -> None:
        """Notes how a batch ended, for the end of the run and for those who watch it."""
        self.fates.append(one)
        status = "DEFERRED" if one.units in keeping.uncovered else _TOLD[one.fate]
        if status == "FAILED" and self.desk.session.cancelled:
            status = "CANCELED"
        worked = one.fate is Fate.APPLIED and one.plan is not None
        self.desk.session.progress.end(one.units, status, resources_of(one.plan) if worked and one.plan else 0)

    def _failed(self, units: tuple[str, ...]) -> bool:
        return any(one.units == units and one.fate is Fate.FAILED for one in self.fates)

    def _outcome(
        self, apply: Apply, hands: UnitsHands, whole: WholeState, broken: str, left: tuple[LeftUnit, ...]
    ) -> Outcome:  # fmt: skip
        session = self.desk.session
        if session.lost:
            rc = next((code for _, code in sorted(hands.codes.items()) if code), 0)
            return session.outcome("lost", step="apply", rc=rc, reason="the lease was lost while Terraform applied")
        return self._ended(apply, hands, [*filter(None, (broken,)), *whole.stray], left, refused=whole.refused)

    def _ended(
        self, apply: Apply, hands: UnitsHands, broken: list[str], left: tuple[LeftUnit, ...], *, refused: bool
    ) -> Outcome:
        """Applied, applied in part and to be planned again, or failed: by what became of every unit."""
        session = self.desk.session
        rc = next((code for _, code in sorted(hands.codes.items()) if code), 0)
        bad = bool(broken) or any(status not in _GOOD for status in apply.applying.statuses.values())
        words = "\n".join([*broken, *units_left.told(left)])
        if not bad:
            return session.outcome("applied", step="apply", rc=rc)
        if session.cancelled:
            return session.outcome("cancelled", step="apply", rc=rc or 1, reason=words)
        if broken or refused or not left or units_left.failed(apply.applying.statuses, left):
            return session.outcome("failed", step="apply", rc=rc or 1, reason=words)
        if not apply.progressed:
            return session.outcome("failed", step="apply", rc=rc or 1, reason=words, cause="NO_PROGRESS")
        shown = tuple(replace(one, detail=session.redactor.whole(one.detail)) for one in left)
        return replace(session.outcome("partial", step="apply", rc=rc, reason=words), left=shown)


def _not_begun(apply: Apply, units: tuple[str, ...]) -> list[str]:
    statuses = apply.applying.statuses
    return [unit for unit in units if statuses.get(unit) in _NEVER_BEGUN]


def _again(row: UnitRow) -> UnitRow:
    generation = row.generation + 2
    record = replace(Record.from_bytes(row.record), generation=generation)
    return replace(row, generation=generation, record=record.to_bytes())


_GOOD = frozenset({Applied.APPLIED, Applied.DROPPED, Applied.SKIPPED})
_TOLD = {
    Fate.APPLIED: "SUCCEEDED", Fate.UNCHANGED: "SUCCEEDED", Fate.DROPPED: "SKIPPED", Fate.FAILED: "FAILED",
    Fate.UNCOVERED: "DEFERRED", Fate.DEFERRED: "DEFERRED",
}  # fmt: skip
