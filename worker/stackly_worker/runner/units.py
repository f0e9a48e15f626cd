"""A run cut into units: planned as one chain, applied batch by batch, by the engine's own loop."""

import asyncio
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from stackly_engine import exact, slices
from stackly_engine.driving.chain import Chain, plan_chain
from stackly_engine.driving.known import Known
from stackly_engine.driving.ports import Hands, StoppedError
from stackly_engine.driving.projecting import projected_chain, secrets_of
from stackly_engine.driving.resting import resting
from stackly_engine.outlines import Outline
from stackly_engine.projected_chain import ProjectedChain
from stackly_engine.source import Product
from stackly_worker.runner import units_known
from stackly_worker.runner.inspected import Inspections
from stackly_worker.runner.ports import PlanStaleError, UnitRow
from stackly_worker.runner.session import StepFailedError
from stackly_worker.runner.shipping import insist
from stackly_worker.runner.statewatch import StateVersion
from stackly_worker.runner.units_bundle import ChainBundle, PlannedOn
from stackly_worker.runner.units_hands import Desk, UnitsHands
from stackly_worker.runner.units_known import Given
from stackly_worker.runner.units_source import UnitSource
from stackly_worker.runner.units_whole import starting
from stackly_worker.runner.variables import UnknownVariablesError

NO_STATE = ""


class RunsWholeError(Exception):
    """The root is not cut; `reasons` say why, for people."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


@dataclass(frozen=True)
class ChainPlan:
    """A planned chain as it is handed in."""

    projected: ProjectedChain
    bundle: bytes
    secrets: tuple[str, ...]
    generations: int  # the sum over all records that it was made from
    rows: tuple[
        UnitRow, ...
    ] = ()  # of a plan that has nothing to do: what is to be kept of the units that it looked at


@dataclass
class Reading:
    """Reads everything that a run of units is made from, in a prepared place."""

    desk: Desk
    source: UnitSource
    given: Given
    rows: tuple[UnitRow, ...] = ()
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    @classmethod
    def of(cls, desk: Desk, key: bytes, replaced: tuple[str, ...]) -> "Reading":
        place, settings = desk.place, desk.settings
        given = Given(
            engine=desk.engine.name, key=key, variables=desk.variables, environment=settings.environment,
            notes=place.folder / "hashes", replace=replaced, options=desk.options, costs=desk.costs,
        )  # fmt: skip
        before, product = Inspections(place.folder / "inspected", key), Product(desk.engine.product)
        source = UnitSource(place.tree, settings.root, settings.data, product, before, place.sources())
        return cls(desk, source, given)

    @property
    def state(self) -> StateVersion | Outline | None:
        """As the control plane gave it; or what it gave instead."""
        return self.desk.outline or (self.desk.laid.version if self.desk.laid else None)

    def slices(self, units: Collection[str]) -> Mapping[str, bytes]:
        """Slices of the state that came as an outline; from a thread that is not the session's."""
        loop, state = self.loop, self.state
        if not isinstance(state, Outline):
            raise TypeError("the state is here as a whole")
        plane, clock = self.desk.session.plane, self.desk.session.clock
        asking = insist(lambda: plane.get_slices(state.serial, sorted(units)), clock)
        found = asyncio.run_coroutine_threadsafe(asking, loop).result()
        for data in found.values():
            self.desk.session.redactor.add(slices.sensitive_in({"resources": exact.loads(data)}))
        return found

    async def known(self, hands: Hands, *, at: datetime, lineage: str) -> Known:
        """RunsWholeError for a root that is not cut."""
        session = self.desk.session
        self.rows = await insist(session.plane.get_records, session.clock)
        return await asyncio.to_thread(self._known, hands, at, lineage)

    def _known(self, hands: Hands, at: datetime, lineage: str) -> Known:
        if reasons := units_known.whole_reasons(self.source):
            raise RunsWholeError(reasons)
        state = self.desk.outline
        if state is not None:
            known = units_known.read(self.source, self.given, state.document, self.rows, hands, at, state.digests)
            known.outlined, known.reader = state.units, self.slices
        else:
            document = starting(self.desk.laid, lineage, self.desk.engine.version)
            known = units_known.read(self.source, self.given, document, self.rows, hands, at)
        if reasons := units_known.whole_reasons(self.source, known):
            raise RunsWholeError(reasons)
        self._require_declared(known)
        self.desk.session.redactor.add(units_known.secrets_in(known.exports))
        return known

    def _require_declared(self, known: Known) -> None:
        nodes = known.graph.configuration.root.nodes.values()
        declared = {node.block.labels[0] for node in nodes if node.block.type == "variable"}
        if unknown := set(self.given.variables) - declared:
            raise UnknownVariablesError(unknown, declared)

    def on(self, known: Known, at: datetime) -> PlannedOn:
        version = self.state
        return PlannedOn(
            at=at, lineage=str(known.document["lineage"]), serial=version.serial if version else None,
            state_sha256=version.sha256 if version else NO_STATE, parts=units_known.parts_digest(known.parts),
            generations=units_known.generations(self.rows),
        )  # fmt: skip


async def plan(desk: Desk, key: bytes, secrets: Sequence[str], replaced: tuple[str, ...]) -> ChainPlan:
    """Plan the chain; RunsWholeError, or StepFailedError with what Terraform said in the session's events."""
    session, reading, at = desk.session, Reading.of(desk, key, replaced), units_known.now()
    if reasons := units_known.cheaper_whole(reading.source):
        raise RunsWholeError(reasons)
    hands = UnitsHands(desk)
    known = await reading.known(hands, at=at, lineage=str(uuid.uuid4()))
    await asyncio.to_thread(desk.place.set_sources, reading.source.files)
    try:
        chain = await asyncio.to_thread(_planned, known)
    except StoppedError:
        session.stop_if_cancelled("plan")
        raise
    session.stop_if_cancelled("plan")
    if chain.errors:
        for units in sorted(chain.errors):
            session.transcript.events.absorb(hands.said[units])
        raise StepFailedError("plan", 1)
    session.transcript.say(_told(chain))
    return await asyncio.to_thread(_plan_of, reading, known, chain, reading.on(known, at), secrets)


def _planned(known: Known) -> Chain:
    """What the engine itself cannot do must not stop a run: Terraform can, on the whole root."""
    try:
        return plan_chain(known)
    except (ValueError, RuntimeError) as error:
        raise RunsWholeError((f"engine: {type(error).__name__}: {error}",)) from error


def _plan_of(reading: Reading, known: Known, chain: Chain, on: PlannedOn, secrets: Sequence[str]) -> ChainPlan:
    hidden = {*secrets, *secrets_of(chain), *slices.sensitive_in(known.document)}
    context = units_known.context(reading.source, reading.given)
    projected = projected_chain(known, chain, sorted(hidden), providers=context.packages, identity=context.environment)
    bundle = ChainBundle.of(on, chain).pack()
    rows = _resting(known, chain, on) if projected.empty else ()
    chain.close(known.hands)
    return ChainPlan(projected, bundle, tuple(sorted(hidden)), sum(on.generations.values()), rows)


def _resting(known: Known, chain: Chain, on: PlannedOn) -> tuple[UnitRow, ...]:
    records, exports = resting(known, chain, on.at)
    return units_known.rows_of(known.graph, records, exports, on.generations)


def _told(chain: Chain) -> str:
    """Which units run and why, in the order of their batches; the others are only counted."""
    decisions = chain.outcome.decisions
    lines = [""]
    for piece in chain.pieces:
        later = "" if piece.planned is not None else " (planned once what it needs is applied)"
        lines += [f"{unit}: {'; '.join(map(str, decisions[unit].reasons[:3]))}{later}" for unit in piece.units]
    skipped = len(decisions) - sum(len(piece.units) for piece in chain.pieces)
    return "\n".join([*lines, f"{skipped} of {len(decisions)} units are unchanged and skipped."])


def titles(chain: Chain) -> dict[str, str]:
    """Each unit that runs, with the first reason."""
    decisions = chain.outcome.decisions
    return {unit: f"{unit}: {decisions[unit].reasons[0]}" for piece in chain.pieces for unit in piece.units}


async def ready(desk: Desk, key: bytes, replaced: tuple[str, ...], bundle: ChainBundle) -> tuple[Reading, Known, Chain]:
    """The planned chain on what is there now; PlanStaleError when that is not what it was planned on."""
    reading, on = Reading.of(desk, key, replaced), bundle.on
    hands = UnitsHands(desk)
    try:
        known = await reading.known(hands, at=on.at, lineage=on.lineage)
    except RunsWholeError as error:
        raise PlanStaleError(f"Nothing was applied: the root can no longer be cut ({error}).") from error
    now = reading.on(known, on.at)
    for what, planned_on, found in (
        ("state's bytes", (on.serial, on.lineage, on.state_sha256), (now.serial, now.lineage, now.state_sha256)),
        ("units' records", dict(on.generations), dict(now.generations)),
        ("code, variables, engine, providers or environment", on.parts, now.parts),
    ):
        if planned_on != found:
            raise PlanStaleError(f"Nothing was applied: the {what} are not those that the plan was made on.")
    return reading, known, await asyncio.to_thread(bundle.chain, known)


def with_titles(desk: Desk, chain: Chain) -> Desk:
    return replace(desk, titles=titles(chain))
