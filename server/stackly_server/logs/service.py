"""Appending to the log of a run and reading it. Plain text is never stored."""

from typing import Protocol
from uuid import UUID

from stackly_server.access import Subject, system
from stackly_server.database import Database
from stackly_server.errors import NotFound
from stackly_server.logs import store
from stackly_server.logs.model import Chunk, Piece, fresh_part, mergeable

_CHUNKS_AT_ONCE = 16
_RUNS_AT_ONCE = 20
_ROWS_AT_ONCE = 200
_BLOB_BYTES = 4 * 1024**2


class Keys(Protocol):
    """Seals and opens under the account's data keys."""

    async def seal(self, account_id: UUID, purpose: str, place: str, data: bytes) -> bytes:
        """Seals."""
        ...

    async def open(self, account_id: UUID, purpose: str, place: str, sealed: bytes) -> bytes:
        """Opens."""
        ...


class Blobs(Protocol):
    """Large objects by key."""

    async def put_new(self, key: str, data: bytes) -> bool:
        """Stores; False when the key is there."""
        ...

    async def get(self, key: str, version: int | None = None) -> bytes:
        """Reads; KeyError when there is none."""
        ...


class LogService:
    """Logs, by run id. Who may read is asked by the room that knows the run."""

    def __init__(self, db: Database, keys: Keys, blobs: Blobs) -> None:
        self._db = db
        self._keys = keys
        self._blobs = blobs

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

    async def move_ended(self, account_id: UUID) -> None:
        """Moves the logs of ended runs from rows to blobs of up to 4 MiB. Safe to repeat, and beside itself."""
        async with self._db.read(account_id) as conn:
            runs = await store.ended(conn, account_id, _RUNS_AT_ONCE)
        for run_id in runs:
            while await self._move(account_id, run_id):
                pass

    async def _move(self, account_id: UUID, run_id: UUID) -> bool:
        async with self._db.read(account_id) as conn:
            chunks = mergeable(await store.rows(conn, account_id, run_id, _ROWS_AT_ONCE), _BLOB_BYTES)
        if not chunks:
            return False
        data = b"".join([await self._plain(account_id, run_id, chunk) for chunk in chunks])
        first = chunks[0]
        key = f"{account_id}/logs/{run_id}/{first.log_offset}-{len(data)}"
        # blob first, rows second; a blob left by a process that died between holds the same text and is used
        await self._blobs.put_new(key, await self._keys.seal(account_id, "log", _place(run_id, first.log_offset), data))
        moved = Chunk(first.log_offset, len(data), first.step, None, key, first.received_at)
        async with self._db.transaction(system(account_id, method="logs.move")) as tx:
            await store.replace(tx.conn, account_id, run_id, [chunk.log_offset for chunk in chunks], moved)
        return True

    async def _piece(self, account_id: UUID, run_id: UUID, chunk: Chunk, offset: int) -> Piece:
        data = await self._plain(account_id, run_id, chunk)
        skip = max(0, offset - chunk.log_offset)
        return Piece(chunk.log_offset + skip, chunk.step, data[skip:], chunk.received_at)

    async def _plain(self, account_id: UUID, run_id: UUID, chunk: Chunk) -> bytes:
        sealed = await self._blobs.get(chunk.blob) if chunk.blob is not None else chunk.sealed or b""
        return await self._keys.open(account_id, "log", _place(run_id, chunk.log_offset), sealed)


def _place(run_id: UUID, offset: int) -> str:
    return f"log/{run_id}/{offset}"
