"""How a run by units goes on, as its runner tells it: kept for steps and prices, told as events, counted in the log."""

import logging
from collections.abc import Sequence

from stackly_server.access import Subject
from stackly_server.database import Database, Transaction
from stackly_server.runs import unit_store
from stackly_server.runs.batches import BatchService
from stackly_server.runs.model import BatchRow, Run
from stackly_server.runs.progress import run_name
from stackly_server.runs.unit_batches import Report, UnitStatus, newest
from stackly_server.stacks.service import StackState

UNITS = logging.getLogger("stackly.units")
_NAMED = 20  # units of a batch in an event


class UnitProgressService:
    """Reports of the runner that holds a batch."""

    def __init__(self, db: Database, batches: BatchService) -> None:
        self._db = db
        self._batches = batches

    async def report(self, subject: Subject, reports: Sequence[Report]) -> None:
        """Notes what is new in these reports, all or nothing; each change is an event and, at its end, a line in the log."""
        last = newest(reports)
        async with self._db.transaction(subject) as tx:
            run, state, batch = await self._batches.held(tx.conn, subject, lock=True)
            changed = await unit_store.put(tx.conn, tx.account_id, state.id, batch, last)
            news = [(one, changed[one.number]) for one in last if one.number in changed]
            for one, new in news:
                self._tell(tx, run, state, batch, one, new=new)
        for one, _ in news:
            if one.status is not UnitStatus.RUNNING:
                UNITS.info("%s of units %s", batch.phase.value.lower(), one.status.value.lower(),
                           extra={"facts": _measured(subject, batch, one)})  # fmt: skip

    @staticmethod
    def _tell(tx: Transaction, run: Run, state: StackState, batch: BatchRow, one: Report, *, new: bool) -> None:
        name = run_name(tx.subject.account, state.name, run.number)
        facts = {"step": batch.step, "batch": str(one.number), "units": _named(one.units)}
        if new:
            tx.tell("run.activity_started", name, **facts)
        if one.status is not UnitStatus.RUNNING:
            took = f"{one.took_ms / 1000:.1f}"
            tx.tell("run.activity_completed", name, **facts, status=one.status.value, seconds=took)


def _named(units: Sequence[str]) -> str:
    more = len(units) - _NAMED
    return ", ".join(units[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _measured(subject: Subject, batch: BatchRow, one: Report) -> dict[str, object]:
    return {
        "account": subject.account, "run": str(batch.run_id), "step": batch.step, "batch": one.number,
        "units": len(one.units), "status": one.status.value, "resources": one.resources, "ms": one.took_ms,
    }  # fmt: skip
