"""Records of units: what the engine keeps of each unit's last apply, sealed, one row and one compare-and-set a unit."""

from collections.abc import Collection, Sequence
from uuid import UUID

from stackly_server.database import Database, Transaction
from stackly_server.errors import Conflict, Invalid, TooMuch
from stackly_server.limits import EXPORTS_BYTES, RECORD_BYTES, RECORDS_CALL_BYTES, RECORDS_STATE_BYTES, UNIT_CHARACTERS
from stackly_server.states import record_store
from stackly_server.states.model import RecordRow, UnitRecord
from stackly_server.states.shelf import Keys


class RecordService:
    """Records by stack state id. Who may read and write them is asked by those who call."""

    def __init__(self, db: Database, keys: Keys) -> None:
        self._db = db
        self._keys = keys

    async def read(
        self, account_id: UUID, stack_state_id: UUID, units: Sequence[str] | None = None
    ) -> list[UnitRecord]:
        """Records of some units, or of all, by unit; cleared ones too, for their generation and exports."""
        async with self._db.read(account_id) as conn:
            rows = await record_store.rows(conn, account_id, stack_state_id, units)
        return [await self._opened(account_id, stack_state_id, row) for row in rows]

    async def clear(self, tx: Transaction, stack_state_id: UUID, units: Collection[str]) -> None:
        """Before an apply: what is named is not skipped again until it is written. Nothing named: all units."""
        if not units:
            await record_store.clear_all(tx.conn, tx.account_id, stack_state_id)
            return
        if not all(0 < len(unit) <= UNIT_CHARACTERS for unit in units):
            raise Invalid("VALIDATION_FAILED", f"The name of a unit has 1 to {UNIT_CHARACTERS} characters.")
        await record_store.clear(tx.conn, tx.account_id, stack_state_id, units)

    async def missing(self, account_id: UUID, stack_state_id: UUID, records: Sequence[UnitRecord]) -> list[UnitRecord]:
        """Those of some records that are not stored as they are. Never call it inside a transaction.

        Raises:
            Invalid, TooMuch: they are no records, or too large.
        """
        _check(records)
        stored = await self.read(account_id, stack_state_id, [record.unit for record in records])
        known = {record.unit: record for record in stored}
        return [record for record in records if known.get(record.unit) != record]

    async def seal(self, account_id: UUID, stack_state_id: UUID, records: Sequence[UnitRecord]) -> list[RecordRow]:
        """Rows to write. Never call it inside a transaction."""
        return [await self._sealed(account_id, stack_state_id, record) for record in records]

    async def generations(self, tx: Transaction, stack_state_id: UUID) -> int:
        """The sum of all generations of a stack state: it only grows, with each clearing and each writing."""
        return await record_store.generations(tx.conn, tx.account_id, stack_state_id)

    async def write(self, tx: Transaction, stack_state_id: UUID, rows: Sequence[RecordRow], *, cleared: bool) -> None:
        """Writes all or raises: Conflict when a unit has moved on, TooMuch when it is all too large.

        `cleared`: into rows that were cleared; else each is cleared and written in one.
        """
        into = record_store.write if cleared else record_store.replace
        if await into(tx.conn, tx.account_id, stack_state_id, rows) != len(rows):
            raise Conflict("CONCURRENT_CHANGE", "A unit was not named by the apply, or its record has moved on.")
        if await record_store.size(tx.conn, tx.account_id, stack_state_id) > RECORDS_STATE_BYTES:
            raise _too_much(RECORDS_STATE_BYTES, "RECORDS_STATE_BYTES")

    async def _sealed(self, account_id: UUID, stack_state_id: UUID, record: UnitRecord) -> RecordRow:
        what, exports = _places(stack_state_id, record.unit)
        return RecordRow(
            record.unit,
            record.generation,
            await self._keys.seal(account_id, "state", what, record.record),
            await self._keys.seal(account_id, "state", exports, record.exports),
        )

    async def _opened(self, account_id: UUID, stack_state_id: UUID, row: RecordRow) -> UnitRecord:
        parts = zip(_places(stack_state_id, row.unit), (row.record, row.exports), strict=True)
        opened = [
            b"" if sealed is None else await self._keys.open(account_id, "state", place, bytes(sealed))
            for place, sealed in parts
        ]
        return UnitRecord(row.unit, row.generation, *opened)


def _check(records: Sequence[UnitRecord]) -> None:
    if len({record.unit for record in records}) != len(records):
        raise Invalid("VALIDATION_FAILED", "A unit stands twice in one call.")
    if not all(record.record and record.exports for record in records):
        raise Invalid("VALIDATION_FAILED", "A record to be kept is not empty, and its exports are a document.")
    for record in records:
        _bounded(len(record.record), RECORD_BYTES, "RECORD_BYTES")
        _bounded(len(record.exports), EXPORTS_BYTES, "EXPORTS_BYTES")
    _bounded(sum(len(one.record) + len(one.exports) for one in records), RECORDS_CALL_BYTES, "RECORDS_CALL_BYTES")


def _bounded(size: int, limit: int, name: str) -> None:
    if size > limit:
        raise _too_much(limit, name)


def _too_much(limit: int, name: str) -> TooMuch:
    return TooMuch("LIMIT_EXCEEDED", f"Records of units: more than {limit} bytes.", limit=name)


def _places(stack_state_id: UUID, unit: str) -> tuple[str, str]:
    return f"unit-record/{stack_state_id}/{unit}", f"unit-exports/{stack_state_id}/{unit}"
