"""Records of units, for the runner that holds a batch of their stack state."""

from collections.abc import Sequence

from stackly_server.access import Subject
from stackly_server.database import Connection, Database
from stackly_server.errors import Conflict, Denied, Invalid
from stackly_server.runs.batches import BatchService
from stackly_server.runs.model import Phase
from stackly_server.stacks.service import StackState
from stackly_server.states.model import UnitRecord
from stackly_server.states.records import RecordService
from stackly_server.states.service import StateService


class UnitRecordService:
    """Reads at plan and apply; writes only between the begin and the end of an apply, under its lock and epoch."""

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
        if subject.batch is not None and subject.batch.phase != Phase.APPLY:
            raise Denied("PERMISSION_DENIED", "Only an apply keeps records.")
        try:
            await self._write(subject, records)
        except Conflict as conflict:
            if conflict.reason != "CONCURRENT_CHANGE":
                raise
            # perhaps these very records, sent again while their first sending was under way
            await self._write(subject, records)

    async def _write(self, subject: Subject, records: Sequence[UnitRecord]) -> None:
        async with self._db.read(subject.tenant) as conn:
            state = await self._applying(conn, subject)
        missing = await self._records.missing(subject.tenant, state.id, records)
        if not missing:
            return
        rows = await self._records.seal(subject.tenant, state.id, missing)
        async with self._db.transaction(subject) as tx:
            await self._applying(tx.conn, subject, lock=True)
            await self._records.write(tx, state.id, rows)

    async def _applying(self, conn: Connection, subject: Subject, *, lock: bool = False) -> StackState:
        """The stack state, while the caller's batch applies it: its epoch is that of the lock too."""
        run, state, batch = await self._batches.held(conn, subject, lock=lock)
        if batch.apply_started_at is None:
            raise Invalid("VALIDATION_FAILED", "An apply that did not begin has nothing to keep.")
        head = await self._states.head(conn, subject.tenant, state.id, lock=lock)
        if (head.lock_run_id, head.lock_epoch) != (run.id, batch.epoch):
            raise Conflict("LEASE_LOST", "The run no longer holds the lock of its stack state.")
        return state
