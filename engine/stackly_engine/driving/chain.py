"""The plan of the whole chain before anything is applied: batches in waves, planned exports handed down."""

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from stackly_engine import ordering
from stackly_engine.arranging import joined
from stackly_engine.batches import Batching
from stackly_engine.configured import require_configured
from stackly_engine.coupling import Couple, coupled
from stackly_engine.cutting import Cut, cut
from stackly_engine.dispatching import Dispatch
from stackly_engine.driving import state
from stackly_engine.driving.known import Known
from stackly_engine.driving.pending import changed, changed_resources, pending
from stackly_engine.driving.ports import Hands, Job, Planned, StoppedError
from stackly_engine.exports import Recorded, planned, unknown_of
from stackly_engine.records import Place
from stackly_engine.schedule import UNKNOWN, Outcome, Planning
from stackly_engine.sizing import sizes_of
from stackly_engine.slices import split_by_top

Units = frozenset[str]


@dataclass(frozen=True)
class Piece:
    """One batch of the chain. Deferred: it can only be planned after what it needs is applied, and has no plan."""

    units: tuple[str, ...]
    exports: Recorded
    planned: Planned | None = None

    @property
    def document(self) -> Mapping[str, Any]:
        return self.planned.document if self.planned is not None else {}

    @property
    def stands_in(self) -> bool:
        """Whether resources of ours stand for values that are not known yet: such a plan is never applied."""
        return self.planned is not None and self.planned.cut.preview


@dataclass(frozen=True)
class Chain:
    """All batches in an order in which they may be applied, and what was decided about every unit.

    `expected` is what was reckoned before anything was planned; None when nothing had to run.
    """

    pieces: tuple[Piece, ...]
    outcome: Outcome
    errors: Mapping[tuple[str, ...], str]
    couples: tuple[Couple, ...] = ()
    expected: Batching | None = None

    @property
    def changes(self) -> bool:
        """Whether an apply would do anything."""
        return any(
            piece.planned is None
            or any(one["change"]["actions"] != ["no-op"] for one in piece.document.get("resource_changes") or [])
            for piece in self.pieces
        )

    def close(self, hands: Hands, begun: Collection[tuple[str, ...]] = ()) -> None:
        """Let go of the plans of all batches but those whose apply was begun: what that left may not be kept yet."""
        for piece in self.pieces:
            if piece.planned is not None and piece.units not in begun:
                hands.discard(piece.planned)


@dataclass
class _Joined:
    """What must run as one, learned from attempts; `tried` maps a set joined for a deferral to the batch it was for."""

    sets: list[Units]
    apart: bool = False  # after a batch made for its price could not be planned: which of its units is it?
    tried: dict[Units, Units] = field(default_factory=dict)
    deferred: set[str] = field(default_factory=set)
    couples: list[Couple] = field(default_factory=list)
    plans: dict[tuple[object, ...], Planned] = field(default_factory=dict)
    expected: Batching | None = None


def plan_chain(known: Known) -> Chain:
    """Plan until no two batches must be one; a plan whose inputs did not change is used again."""
    joined = _Joined(list(known.routes.together))
    used: Collection[Piece] = ()
    try:
        while True:
            attempt = _Attempt(known, joined)
            attempt.run()
            if not attempt.again and not attempt.couple() and not attempt.join():
                used = attempt.pieces
                return attempt.chain()
    finally:
        _discard_unused(known.hands, joined, used)


def _discard_unused(hands: Hands, joined: _Joined, pieces: Iterable[Piece]) -> None:
    used = {id(piece.planned) for piece in pieces}
    for one in joined.plans.values():
        if id(one) not in used:
            hands.discard(one)


class _Attempt:
    """One way through the units with what is known to belong together."""

    def __init__(self, known: Known, joined: _Joined) -> None:
        self.known, self.joined = known, joined
        self.planning = Planning(known.facts)
        self.upstream = self.planning.upstream
        known.require(state.tops(known, self.planning.definite()))  # in one go; what comes to it is read as it comes
        self.dispatch = None if known.apart or joined.apart else self.dispatcher()
        if joined.expected is None and self.dispatch is not None and self.planning.definite():
            joined.expected = self.dispatch.expected
        self.pieces: list[Piece] = []
        self.errors: dict[tuple[str, ...], str] = {}
        self.changed: set[str] = set()
        self.again = False

    def run(self) -> None:
        running: dict[Future[Planned], tuple[str, ...]] = {}
        with ThreadPoolExecutor(self.known.workers) as pool:
            while not self.planning.done and not (self.again and not running):
                ready = self.startable() if not self.again else []
                for units in ready:
                    self.start(pool, running, units, len(ready))
                if not running:
                    self.require_progress()
                    continue
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in sorted(done, key=lambda one: running[one]):
                    self.settle(running.pop(future), future.result())

    def require_progress(self) -> None:
        """A loop that waits for nothing would never end; this is a defect, told as one."""
        if not self.planning.done and not self.again and not any(map(self.planning.ready, self.startable())):
            stuck = sorted(self.planning.definite())
            raise RuntimeError(f"the planning stands still before {', '.join(stuck)}; please report this root")

    def dispatcher(self) -> Dispatch:
        known = self.known
        _, slices = split_by_top(known.document)
        sizes = sizes_of(known.graph, slices)
        return Dispatch(
            self.planning, sizes=sizes, price=known.price, workers=known.workers, together=self.joined.sets
        )  # fmt: skip

    def startable(self) -> list[tuple[str, ...]]:
        if self.dispatch is not None:
            return list(self.dispatch.ready())
        return [units for units in self.single(self.planning.definite()) if self.planning.ready(units)]

    def single(self, definite: Units) -> list[tuple[str, ...]]:
        """Each unit by itself but for those that must be together."""
        items = joined(self.upstream, self.joined.sets)
        return [tuple(sorted(items.members[name])) for name in sorted(items.of(definite))]

    def start(
        self,
        pool: ThreadPoolExecutor,
        running: dict[Future[Planned], tuple[str, ...]],
        units: tuple[str, ...],
        beside: int,
    ) -> None:
        """`beside` says how many are about to be started, this one too: all of them share one budget."""
        if self.wait_together(units):
            return
        self.planning.start(units)
        if self.joined.deferred & set(units):
            self.defer(units)
            return
        job, key = self.job(units, min(self.known.workers, max(beside, len(running) + 1)))
        running[pool.submit(self.plan, job, key)] = units

    def wait_together(self, units: tuple[str, ...]) -> bool:
        """Join the batch with what its data sources wait for where only Terraform itself can tell; True when that is new."""
        beside = pending(self.known.graph, self.changed).beside(units) - set(units)
        if beside:
            self.joined.sets.append(self.hull(beside.union(units)))
            self.again = True
        return bool(beside)

    def plan(self, job: Job, key: tuple[object, ...]) -> Planned:
        if key not in self.joined.plans:
            self.joined.plans[key] = self.known.hands.plan(job)
        return self.joined.plans[key]

    def job(self, units: tuple[str, ...], width: int) -> tuple[Job, tuple[object, ...]]:
        known = self.known
        awaits = pending(known.graph, self.changed)
        made = cut(known.graph, units, self.exports(), pending=awaits)
        replace = tuple(sorted(address for unit in units for address in known.replace.get(unit, ())))
        document = state.part(known, units)
        declared, share = state.declared(known.graph, units), state.share(known, units)
        job = Job(units, made, document, declared, share, replace, width)
        return job, (units, made.generated, made.variables, tuple(made.files.items()), replace, document)

    def settle(self, units: tuple[str, ...], result: Planned) -> None:
        if result.error:
            if self.known.hands.stopping:
                raise StoppedError("stopped while it was planned")
            self.fail(units, result)
            return
        known = self.known
        require_configured(known.graph, units, result.document)
        exports = planned(known.graph, units, result.data, known.exports)
        moved = changed(result.document, result.cut.prefix)
        self.pieces.append(Piece(units, exports, result))
        self.changed |= changed_resources(result.document, result.cut.prefix)
        for unit in units:
            tops = state.tops(known, (unit,))
            mine = known.all_hashes({address: exports[address] for address in exports if address in tops})
            self.planning.planned(unit, mine, changes=bool(moved & tops))

    def fail(self, units: tuple[str, ...], result: Planned) -> None:
        """An error beside unknown inputs may be one that the whole root does not have: plan it with what it waits for."""
        key = frozenset(units)
        unknown = {
            self.known.graph.owner[place[0]] for place, digest in self.consumed(result.cut).items() if digest == UNKNOWN
        }
        if key in self.joined.tried:
            self.joined.deferred |= self.joined.tried[key]
            self.joined.sets.remove(key)
            self.again = True
        elif len(units) > 1 and self.dispatch is not None:
            self.joined.apart = self.again = True
        elif unknown:
            hull = self.hull(key | unknown)
            self.joined.tried[hull] = key
            self.joined.sets.append(hull)
            self.again = True
        else:
            self.errors[units] = result.error
            for unit in units:
                self.planning.failed(unit)

    def defer(self, units: tuple[str, ...]) -> None:
        self.pieces.append(Piece(units, unknown_of(self.known.graph, units)))
        for unit in units:
            self.planning.deferred(unit)

    def couple(self) -> bool:
        """Join what must be destroyed in one order; True when that is new."""
        known = self.known
        plans = {piece.units: piece.document for piece in self.pieces if piece.planned is not None}
        if not any(_destroys(plan) for plan in plans.values()):
            return False  # and Terraform's graph of the whole root is not asked for
        owner = {unit: piece.units for piece in self.pieces for unit in piece.units}
        found = coupled(known.graph, plans, known.document, known.dependencies, known.routes.slices)
        apart = [one for one in found if owner.get(one.first, one.first) != owner.get(one.second, one.second)]
        self.joined.couples.extend(apart)
        self.joined.sets.extend(self.hull((one.first, one.second)) for one in apart)
        return bool(apart)

    def join(self) -> bool:
        """Join impure units with what they wait for: planned again at the apply they would come out otherwise."""
        found = [one for one in self.planning.joins() if one not in self.joined.sets]
        self.joined.sets.extend(found)
        return bool(found)

    def hull(self, units: Iterable[str]) -> Units:
        return frozenset(ordering.between(self.upstream, units))

    def exports(self) -> Recorded:
        """What is recorded, and over it what this attempt planned."""
        found = dict(self.known.exports)
        for piece in self.pieces:
            found.update(piece.exports)
        return found

    def consumed(self, made: Cut) -> dict[Place, str]:
        exports = self.exports()
        return self.known.all_hashes({address: exports[address] for address in made.external if address in exports})

    def chain(self) -> Chain:
        joined = self.joined
        return Chain(tuple(self.pieces), self.planning.outcome(), self.errors, tuple(joined.couples), joined.expected)


def _destroys(plan: Mapping[str, Any]) -> bool:
    return any("delete" in change["change"]["actions"] for change in plan.get("resource_changes") or [])
