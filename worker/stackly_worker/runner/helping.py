"""The runner that helps another: applies one batch that was offered to its worker, and hands its slices and its result in."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from stackly_engine import slices
from stackly_engine.driving.ports import Job, Planned
from stackly_engine.exports import Recorded
from stackly_engine.records import Record
from stackly_worker.runner import limits, units_share
from stackly_worker.runner.logspool import LogSpool
from stackly_worker.runner.orders import Order, Result
from stackly_worker.runner.place import write_atomically
from stackly_worker.runner.ports import Grant, OthersPlane, Outcome, PlaneRefusedError
from stackly_worker.runner.shipping import insist
from stackly_worker.runner.statewatch import StateVersion
from stackly_worker.runner.units_folder import OUTLINED, UNITS, WHOLE
from stackly_worker.runner.units_hands import Desk, UnitsHands
from stackly_worker.runner.units_whole import WholeState


@dataclass
class Alone:
    """The port Applies of one batch: its slices; the whole state and what is kept are the other runner's."""

    order: Order
    whole: WholeState
    last: StateVersion | None = None

    @property
    def refused(self) -> bool:
        return self.whole.refused

    def announcement(self, job: Job) -> bytes:
        del job  # there is but the one
        return self.order.share

    def found(self, number: int, job: Job, version: StateVersion) -> None:
        self.last = version
        self.whole.found(number, job.share, version)

    def forget(self, number: int) -> None:
        raise RuntimeError(f"a batch that helps lets go of nothing: {number}")

    async def covered(self, planned: Planned) -> bool:
        raise RuntimeError(f"a batch that helps is not planned: {len(planned.job.units)}")

    async def keep(self, document: Mapping[str, Any]) -> None:
        raise RuntimeError(f"a batch that helps takes nothing in: {len(document)}")

    async def learn(self, records: Mapping[str, Record], exports: Recorded) -> None:
        raise RuntimeError(f"a batch that helps keeps no records: {sorted(records)}, {len(exports)}")


async def apply(
    desk: Desk, order: Order, others: OthersPlane | None, started: Callable[[], Awaitable[Grant]]
) -> Outcome:  # fmt: skip
    """In a prepared place: `started` makes the beginning known; what came out is handed in when this returns."""
    if others is None:
        raise PlaneRefusedError("this runner cannot help another one")
    session = desk.session
    desk.place.state.unlink(missing_ok=True)  # what `init` needed of it is no state
    whole = await begin(desk, order)
    desk.place.require_room()
    granted = await started()
    desk = replace(desk, environment={**desk.environment, **granted.environment})
    result, outcome = await carry_out(desk, order, whole)
    data = result.pack()
    if not session.lost:
        await insist(lambda: others.submit_result(data), session.clock)
    return outcome


async def begin(desk: Desk, order: Order) -> WholeState:
    """What whoever comes back after a crash begins with, before anything can have changed."""
    session = desk.session
    folder = session.folder / UNITS
    await asyncio.to_thread(folder.mkdir, mode=0o700, exist_ok=True)
    await asyncio.to_thread(write_atomically, folder / WHOLE, order.planned.job.state)
    await asyncio.to_thread(write_atomically, folder / OUTLINED, b"")
    document = slices.parse(order.planned.job.state)
    return WholeState(
        known=document, serial=order.serial, document=document, place=desk.place, plane=session.plane, clock=session.clock,
        dependencies=units_share.dependencies_of(order.share), outlined=True, headless=True,
    )  # fmt: skip


async def carry_out(desk: Desk, order: Order, whole: WholeState) -> tuple[Result, Outcome]:
    """Apply; the last slices are with the control plane when this returns."""
    session, applies = desk.session, Alone(order, whole)
    desk = replace(desk, titles={order.planned.job.units[0]: order.title}, parallelism=order.parallelism)
    hands = UnitsHands(desk, applies)
    begun = session.log.spool.size
    sending = asyncio.create_task(whole.run())
    try:
        done = await asyncio.to_thread(hands.apply, order.planned, 1)
    finally:
        whole.end()
        await asyncio.gather(sending, return_exceptions=True)
    serial, _ = await whole.final()
    units = order.planned.job.units
    if units in hands.said:
        session.transcript.events.absorb(hands.said[units])
    good = done.good and not whole.refused and not whole.stray
    code = hands.codes.get(units, 1)
    status = "lost" if session.lost else "applied" if good else "cancelled" if session.cancelled else "failed"
    outcome = session.outcome(status, step="apply", rc=code or int(not good), reason="\n".join(whole.stray))
    outcome = replace(outcome, state_serial=serial, state_refused=whole.refused)
    result = Result(
        good=good, code=outcome.rc or 0, state=applies.last.document if applies.last else None, serial=serial,
        log=_said(session.log.spool, begun), errors=outcome.errors, suspects=outcome.suspects,
        failed=outcome.failed,
    )  # fmt: skip
    return result, outcome


def _said(spool: LogSpool, begun: int) -> bytes:
    """What the log got since; the end of it, when that is much."""
    at, parts = max(begun, spool.size - limits.LOG_RESULT), list[bytes]()
    while part := spool.read(at):
        parts.append(part)
        at += len(part)
    return b"".join(parts)
