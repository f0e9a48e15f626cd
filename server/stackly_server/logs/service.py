"""Appending to the log of a run and reading it. Plain text is never stored."""

from typing import Protocol
from uuid import UUID

from stackly_server.access import Subject
from stackly_server.database import Database
from stackly_server.errors import NotFound
from stackly_server.logs import store
from stackly_server.logs.model import Chunk, Piece, fresh_part

_CHUNKS_AT_ONCE = 16


class Keys(Protocol):
    """Seals and opens under the account's data keys."""

    async def seal(self, account_id: UUID, purpose: str, place: str, data: bytes) -> bytes:
        """Seals."""
        ...

    async def open(self, account_id: UUID, purpose: str, place: str, sealed: bytes) -> bytes:
        """Opens."""
        ...


class LogService:
    """Logs, by run id. Who may read is asked by the room that knows the run."""

    def __init__(self, db: Database, keys: Keys) -> None:
        self._db = db
        self._keys = keys

    async def append(self, subject: Subject, run_id: UUID, offset: int, data: bytes, step: str) -> int:
        """Appends and gives the new end. What is there already is not written again."""
        while True:
            async with self._db.read(subject.tenant) as conn:
                size = await store.size(conn, subject.tenant, run_id)
            if size is None:
                raise NotFound("run", str(run_id))
            fresh = fresh_part(size, offset, data)
            if not fresh:
                return size
            sealed = await self._keys.seal(subject.tenant, "log", _place(run_id, size), fresh)
            async with self._db.transaction(subject) as tx:
                if await store.append(tx.conn, subject.tenant, run_id, Chunk(size, len(fresh), step, sealed)):
                    tx.wake(f"run/{run_id}")
                    return size + len(fresh)

    async def read(self, account_id: UUID, run_id: UUID, offset: int) -> list[Piece]:
        """The next pieces from an offset; empty when the log ends there."""
        async with self._db.read(account_id) as conn:
            chunks = await store.chunks(conn, account_id, run_id, offset, _CHUNKS_AT_ONCE)
        return [await self._piece(account_id, run_id, chunk, offset) for chunk in chunks]

    async def _piece(self, account_id: UUID, run_id: UUID, chunk: Chunk, offset: int) -> Piece:
        data = await self._keys.open(account_id, "log", _place(run_id, chunk.log_offset), chunk.sealed)
        skip = max(0, offset - chunk.log_offset)
        return Piece(chunk.log_offset + skip, chunk.step, data[skip:], chunk.received_at)


def _place(run_id: UUID, offset: int) -> str:
    return f"log/{run_id}/{offset}"
