"""Apply a planned chain: the engine decides step by step, hands carry it out."""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from stackly_engine.addresses import top
from stackly_engine.applying import Applied, Applying, Left, Step
from stackly_engine.configured import require_configured
from stackly_engine.coverage import Finding, uncovered
from stackly_engine.cutting import REMOVED, Cut, cut
from stackly_engine.driving import state
from stackly_engine.driving.chain import Chain, Piece
from stackly_engine.driving.known import Known
from stackly_engine.driving.pending import changed
from stackly_engine.driving.ports import Job, Planned
from stackly_engine.exports import Recorded, planned, recorded
from stackly_engine.marks import some


class Fate(StrEnum):
    """How a batch ended."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"  # its plan had nothing to do: no apply
    DROPPED = "dropped"  # what it was planned for did not come true
    FAILED = "failed"
    UNCOVERED = "not covered"  # its plan with real values does more than was shown
    DEFERRED = "deferred"  # it could not be planned before: plan again


@dataclass(frozen=True)
class Ended:
    """The end of one batch: `output` is Terraform's, `findings` what was not covered, `plan` what was looked at last.

    `state` is the document that an apply left, None when there was none.
    """

    units: tuple[str, ...]
    fate: Fate
    output: str = ""
    findings: tuple[Finding, ...] = ()
    plan: Planned | None = None
    state: dict[str, Any] | None = None


class Apply:
    """The batches of a chain on their way; this thread decides and records, others wait for Terraform."""

    def __init__(self, known: Known, chain: Chain, tell: Callable[[Ended], None]) -> None:
        self.known, self.chain, self.tell = known, chain, tell
        self.applying = Applying(known.facts, chain.outcome)
        self.pieces = {tuple(sorted(piece.units)): piece for piece in chain.pieces}
        self.running: dict[Future[Ended], Piece] = {}
        self.unfinished = False
        self.width = 1  # how many work side by side
        self.begun: set[tuple[str, ...]] = set()
        self._broken: Exception | None = None

    def run(self) -> bool:
        """Apply everything that can be; True when all of it came out as planned.

        What goes wrong outside of Terraform is raised, after every batch that runs has ended and was taken in.
        """
        with ThreadPoolExecutor(self.known.workers) as pool:
            while self.start_all(pool) or self.running:
                if self.running:
                    self.known.dependencies_key  # noqa: B018 - will be asked for; now Terraform works and we wait
                    done, _ = wait(self.running, return_when=FIRST_COMPLETED)
                    for future in sorted(done, key=lambda one: self.running[one].units):
                        self.finish(future)
        if self._broken is not None:
            raise self._broken
        return all(status in _GOOD for status in self.applying.statuses.values())

    @property
    def asks(self) -> bool:
        """Whether something is left that has to be planned, and approved, once more."""
        return self.unfinished or bool(self.applying.surprises())

    @property
    def progressed(self) -> bool:
        """Whether any unit was applied, or found to need nothing."""
        return Applied.APPLIED in self.applying.statuses.values()

    def start_all(self, pool: ThreadPoolExecutor) -> bool:
        """Start what is ready; True when something was, so that others may be ready now."""
        ready = () if self.known.hands.stopping or self._broken is not None else self.applying.ready()
        self.width = min(self.known.workers, len(self.running) + len(ready))
        for units in ready:
            self.start(pool, self.pieces[units])
        return bool(ready)

    def start(self, pool: ThreadPoolExecutor, piece: Piece) -> None:
        step = self.applying.step(piece.units)
        if step is Step.DROP:
            self.applying.drop(piece.units)
            self.tell(Ended(piece.units, Fate.DROPPED))
            return
        self.applying.start(piece.units)
        if step is Step.ASK or piece.planned is None:
            self.applying.failed(piece.units)
            self.unfinished = True
            self.tell(Ended(piece.units, Fate.DEFERRED))
            return
        again = None if step is Step.SAVED and not piece.stands_in else self.job(piece)
        self.running[pool.submit(self.carry_out, piece.units, piece.planned, again)] = piece

    def job(self, piece: Piece) -> Job:
        """The same batch with real values."""
        known, units = self.known, piece.units
        replaced = tuple(sorted(address for unit in units for address in known.replace.get(unit, ())))
        return Job(
            units, cut(known.graph, units, known.exports), state.part(known, units),
            state.declared(known.graph, units), state.share(known, units), replaced, self.width,
        )  # fmt: skip

    def carry_out(self, units: tuple[str, ...], approved: Planned, again: Job | None) -> Ended:
        """In a thread of its own: plan again where that is needed, hold it to what was shown, apply."""
        plan = approved
        if again is not None:
            plan = self.known.hands.plan(again)
            if plan.error:
                return Ended(units, Fate.FAILED, plan.error, plan=plan)
            require_configured(self.known.graph, units, plan.document)
            findings = uncovered(approved.document, plan.document, generated=plan.cut.prefix)
            if findings:
                return Ended(units, Fate.UNCOVERED, findings=findings, plan=plan)
        # a data source that is gone from the code is in no plan, and only an apply takes it out of the state
        if REMOVED not in units and _quiet(plan.document, plan.cut) and _known(self.planned(plan)):
            return Ended(units, Fate.UNCHANGED, plan=plan)
        self.begun.add(units)
        done = self.known.hands.apply(plan, self.width)
        return Ended(units, Fate.APPLIED if done.good else Fate.FAILED, done.output, plan=plan, state=done.state)

    def finish(self, future: Future[Ended]) -> None:
        """One batch has ended; others may still work, so that nothing may be raised here."""
        piece = self.running.pop(future)
        try:
            self.end(piece, future.result())
        except Exception as error:  # noqa: BLE001 - raised again when nothing runs any more
            self._broken = self._broken or error

    def end(self, piece: Piece, ended: Ended) -> None:
        """Take in what a batch left, however it ended; only a good end is recorded."""
        if ended.state is not None:
            take_in(self.known, piece.units, ended.state)
        if ended.plan is None or ended.fate in {Fate.FAILED, Fate.UNCOVERED}:
            self.applying.failed(piece.units)
        elif ended.state is not None:
            self.record(ended, ended.plan, recorded(self.known.graph, piece.units, ended.state))
        else:
            self.record(ended, ended.plan, self.planned(ended.plan))
        for plan in {id(plan): plan for plan in (piece.planned, ended.plan) if plan is not None}.values():
            self.known.hands.discard(plan)
        self.unfinished |= ended.fate is Fate.UNCOVERED
        self.tell(ended)

    def planned(self, plan: Planned) -> Recorded:
        return planned(self.known.graph, plan.job.units, plan.data, self.known.exports)

    def record(self, ended: Ended, plan: Planned, exports: Recorded) -> None:
        known = self.known
        moved = changed(plan.document, plan.cut.prefix) if ended.fate is Fate.APPLIED else frozenset[str]()
        left = {unit: self.left_by(unit, moved) for unit in ended.units}
        records = self.applying.succeeded(ended.units, known.all_hashes(exports), left)
        known.records.update(records)
        known.exports.update(exports)
        known.hands.learn(records, exports)

    def left_by(self, unit: str, moved: frozenset[str]) -> Left:
        tops = state.tops(self.known, (unit,))
        digests = {top: self.known.slices[top] for top in sorted(tops) if top in self.known.slices}
        return Left(digests, bool(moved & tops), datetime.now(UTC))


def take_in(known: Known, units: tuple[str, ...], left: dict[str, Any]) -> None:
    """Put a batch's state into the stack's, durable before anything is said about it."""
    share = state.share(known, units)
    document = state.merged(known.document, share, left)
    known.document = state.tidied(known.graph, state.settled_again(known, document, share.tops))
    others = {top: digest for top, digest in known.slices.items() if top not in share.tops}
    known.slices = others | state.digests(known.document, share.tops)
    known.hands.keep(known.document)


def _quiet(plan: Mapping[str, Any], made: Cut) -> bool:
    """Whether an apply would leave the state as it is; with data sources it may not, so those are applied."""
    changes = plan.get("resource_changes") or []
    late = any(change["mode"] == "data" and top(change["address"]) not in made.copied for change in changes)
    return still(plan, made) and not late and not _reads(plan.get("prior_state") or {}, made.copied)


def still(plan: Mapping[str, Any], made: Cut) -> bool:
    """Whether an apply would leave all but data sources as it is; of checks nobody knows."""
    changes = [
        change
        for change in plan.get("resource_changes") or []
        if not change["name"].startswith(made.prefix) and top(change["address"]) not in made.copied
    ]
    quiet = all(
        change["change"]["actions"] == ["no-op"]
        and "previous_address" not in change
        and "importing" not in change["change"]
        for change in changes
    )
    outputs = (
        change for name, change in (plan.get("output_changes") or {}).items() if not name.startswith(made.prefix)
    )
    others = ("resource_drift", "deferred_changes", "checks", "action_invocations")
    return quiet and all(one["actions"] == ["no-op"] for one in outputs) and not any(map(plan.get, others))


def _reads(prior: Mapping[str, Any], copied: Collection[str]) -> bool:
    waiting = [prior.get("values", {}).get("root_module", {})]
    while waiting:
        module = waiting.pop()
        data = (one["address"] for one in module.get("resources") or [] if one["mode"] == "data")
        if any(top(address) not in copied for address in data):
            return True
        waiting.extend(module.get("child_modules") or [])
    return False


def _known(exports: Recorded) -> bool:
    return not any(some(export.unknown) for named in exports.values() for export in named.values())


_GOOD = frozenset({Applied.APPLIED, Applied.DROPPED, Applied.SKIPPED})
