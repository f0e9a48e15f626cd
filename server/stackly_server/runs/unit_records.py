"""Records of units, for the runner that holds a batch of their stack state."""

from collections.abc import Sequence

from stackly_server.access import Subject
from stackly_server.database import Connection, Database
from stackly_server.errors import Conflict, Denied, Invalid, NotNow
from stackly_server.runs import store
from stackly_server.runs.batches import BatchService
from stackly_server.runs.model import BatchRow, Phase, Plan, Run, RunType
from stackly_server.stacks.service import StackState
from stackly_server.states.model import StateHead, UnitRecord
from stackly_server.states.records import RecordService
from stackly_server.states.service import StateService, visible


class UnitRecordService:
    """Reads at plan and apply. Writes while an apply is under way, by its runner alone; and after a plan of nothing to do."""

    def __init__(self, db: Database, batches: BatchService, states: StateService, records: RecordService) -> None:
        self._db = db
        self._batches = batches
        self._states = states
        self._records = records

    async def read(self, subject: Subject) -> list[UnitRecord]:
        """All records of the stack state of the batch."""
        async with self._db.read(subject.tenant) as conn:
            _, state, _ = await self._batches.held(conn, subject)
        return await self._records.read(subject.tenant, state.id)

    async def write(self, subject: Subject, records: Sequence[UnitRecord]) -> None:
        """Keeps all or none. What is stored as it is, is kept already: the same call again changes nothing."""
        try:
            await self._write(subject, records)
        except Conflict as conflict:
            if conflict.reason != "CONCURRENT_CHANGE":
                raise
            # perhaps these very records, sent again while their first sending was under way
            await self._write(subject, records)

    async def _write(self, subject: Subject, records: Sequence[UnitRecord]) -> None:
        async with self._db.read(subject.tenant) as conn:
            state, batch = await self._entitled(conn, subject, records)
        missing = await self._records.missing(subject.tenant, state.id, records)
        if not missing:
            return
        rows = await self._records.seal(subject.tenant, state.id, missing)
        async with self._db.transaction(subject) as tx:
            await self._entitled(tx.conn, subject, records, lock=True)
            await self._records.write(tx, state.id, rows, cleared=batch.phase is Phase.APPLY)

    async def _entitled(
        self, conn: Connection, subject: Subject, records: Sequence[UnitRecord], *, lock: bool = False
    ) -> tuple[StackState, BatchRow]:
        run, state, batch = await self._batches.held(conn, subject, lock=lock)
        head = await self._states.head(conn, subject.tenant, state.id, lock=lock)
        if batch.phase is Phase.APPLY:
            _require_applying(run, batch, head)
            _require_covered(batch, records)
        else:
            plan = await store.plan(conn, subject.tenant, run.id, batch.plan_number)
            _require_idle(run, plan, head, records)
        return state, batch


def _require_applying(run: Run, batch: BatchRow, head: StateHead) -> None:
    """The caller's batch applies: its epoch is that of the lock too."""
    if batch.helps:
        raise Denied("PERMISSION_DENIED", "The first batch of a run keeps records of all its units.")
    if batch.apply_started_at is None:
        raise Invalid("VALIDATION_FAILED", "An apply that did not begin has nothing to keep.")
    if (head.lock_run_id, head.lock_epoch) != (run.id, batch.epoch):
        raise Conflict("LEASE_LOST", "The run no longer holds the lock of its stack state.")


def _require_covered(batch: BatchRow, records: Sequence[UnitRecord]) -> None:
    """What was found to be more than what was approved was not to be applied, and so has nothing to keep."""
    if barred := {record.unit for record in records}.intersection(batch.uncovered):
        raise NotNow("PLAN_NOT_COVERED", f"{', '.join(sorted(barred))} was not covered by what was approved.")


def _require_idle(run: Run, plan: Plan | None, head: StateHead, records: Sequence[UnitRecord]) -> None:
    """The plan found that its units are as the code wants them, and nobody is at work since."""
    if plan is None or plan.has_changes or run.type is not RunType.APPLY:
        raise Invalid("VALIDATION_FAILED", "Only a plan that has nothing to do keeps records, and no plan-only run.")
    planned = {unit["unit"] for unit in plan.units if unit["run"]}
    if not planned.issuperset(record.unit for record in records):
        raise Invalid("VALIDATION_FAILED", "A plan keeps records of the units that it planned.")
    if visible(head).lock_id is not None or (head.serial, head.lineage) != (plan.state_serial, plan.state_lineage):
        raise Conflict("CONCURRENT_CHANGE", "The state moved since it was planned, or somebody holds its lock.")
