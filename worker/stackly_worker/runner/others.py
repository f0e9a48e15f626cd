"""Other workers on the same apply: batches that are ready go to them when this machine has its hands full."""

import asyncio
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from stackly_engine import deltas, slices
from stackly_engine.cutting import REMOVED
from stackly_engine.driving.ports import Job, Outcome, Planned
from stackly_worker.runner import limits, units_share
from stackly_worker.runner.events import Events, TerraformError
from stackly_worker.runner.orders import Order, Result
from stackly_worker.runner.ports import (
    BundleError,
    LeaseLostError,
    Offered,
    OthersPlane,
    PlanBundle,
    PlaneRefusedError,
)
from stackly_worker.runner.session import Session
from stackly_worker.runner.shipping import insist
from stackly_worker.runner.units_hands import Desk
from stackly_worker.runner.units_whole import NotTakenError, WholeState

_LOST = "The worker that had these modules was lost before it said how they came out."


@dataclass
class Helpers:
    """At most `count` batches at a time are with other workers; each is applied there as it would be here."""

    plane: OthersPlane
    count: int
    session: Session
    whole: WholeState
    lock: bytes
    secrets: tuple[str, ...]
    titles: Mapping[str, str]
    out: int = 0
    _names: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def of(
        cls, plane: OthersPlane | None, count: int, desk: Desk, whole: WholeState, bundle: PlanBundle
    ) -> "Helpers | None":  # fmt: skip
        """None when there are none."""
        if plane is None or not count:
            return None
        return cls(plane, count, desk.session, whole, bundle.lock or b"", tuple(bundle.secrets), desk.titles)

    def would(self, job: Job) -> bool:
        """Whether one of them could take it now: what it writes must be whole slices, which nobody else writes."""
        own = all(deltas.unit_of_top(top) != slices.ROOT for top in job.share.tops)
        return self.out < self.count and own and not job.share.outputs and REMOVED not in job.units

    async def apply(self, planned: Planned, parallelism: int) -> "tuple[Outcome, Events, int] | None":
        """What came of it: outcome, what Terraform said, exit code. None: nobody took it; then it is done here."""
        self.out += 1
        try:
            return await self._apply(f"h{next(self._names)}", planned, parallelism)
        finally:
            self.out -= 1

    async def _apply(self, name: str, planned: Planned, parallelism: int) -> "tuple[Outcome, Events, int] | None":
        try:
            if not await self._offered(name, planned, parallelism):
                return None
        except (NotTakenError, PlaneRefusedError):
            return None  # nobody has it: what went wrong is met again here, where it is told
        except LeaseLostError:
            return self._gone()
        try:  # from here on somebody may have it: unless it is taken back, it is never begun here
            return await self._came_out(name)
        except (PlaneRefusedError, BundleError) as error:
            return _unknown(f"It is not known how these modules came out on another worker: {error}")
        except LeaseLostError:
            return self._gone()

    def _gone(self) -> "tuple[Outcome, Events, int]":
        self.session.standing.lost = True
        return Outcome(good=False, output="the lease was lost", state=None), Events(), 1

    async def _offered(self, name: str, planned: Planned, parallelism: int) -> bool:
        serial = await self.whole.opened()
        job = planned.job
        order = Order(
            planned=planned, share=units_share.pack(job.share, self.whole.dependencies), serial=serial,
            parallelism=parallelism, lock=self.lock, secrets=self.secrets,
            title=", ".join(self.titles.get(unit, unit) for unit in job.units),
        )  # fmt: skip
        data = await asyncio.to_thread(order.pack)
        parts = sorted({deltas.unit_of_top(top) for top in job.share.tops})
        return await insist(lambda: self.plane.offer_batch(name, parts, data), self.session.clock)

    async def _came_out(self, name: str) -> "tuple[Outcome, Events, int] | None":
        """None: it was taken back."""
        if not await self._ended(name):
            return None
        found = await insist(lambda: self.plane.get_result(name), self.session.clock)
        return await self._taken(Result.unpack(found)) if found else _unknown(_LOST)

    async def _ended(self, name: str) -> bool:
        """Wait for its end; False when nobody had taken it in time, and nobody will."""
        clock, known = self.session.clock, dict[str, Offered]()
        until = clock.monotonic() + limits.CLAIM_PATIENCE
        while True:
            claimed = name in known and known[name].claimed
            wait = limits.WATCH_PATIENCE if claimed else max(0.0, until - clock.monotonic())
            told = tuple(known.values())
            found = await insist(lambda: self.plane.watch_batches(wait, told), clock)  # noqa: B023 - awaited at once
            known = {one.name: one for one in found}
            mine = known.get(name)
            if mine is not None and mine.done:
                return mine.claimed
            unclaimed = mine is None or not mine.claimed
            late = clock.monotonic() >= until or self.session.cancelled
            if unclaimed and late and await insist(lambda: self.plane.withdraw_batch(name), clock):
                return False

    async def _taken(self, result: Result) -> tuple[Outcome, Events, int]:
        """Its slices are in the state; what is said of it goes on from there."""
        self.whole.overtaken(result.serial)
        self.session.log.spool.append(result.log)
        self.session.log.poke()
        said = Events(
            errors=list(result.errors), errors_total=len(result.errors), suspects=dict(result.suspects),
            failed=dict(result.failed),
        )  # fmt: skip
        document = None if result.state is None else await asyncio.to_thread(slices.parse, result.state)
        return Outcome(good=result.good, output=f"exit code {result.code}", state=document), said, result.code


def _unknown(words: str) -> tuple[Outcome, Events, int]:
    return Outcome(good=False, output=words, state=None), Events(errors=[TerraformError(words)], errors_total=1), 1
