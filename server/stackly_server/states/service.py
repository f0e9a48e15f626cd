"""The state gateway: the one door for Terraform state, and its lock."""

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from stackly_engine import exact, slices
from stackly_engine.deltas import Delta
from stackly_server.access import Subject, require
from stackly_server.database import Connection, Database, Transaction
from stackly_server.errors import Conflict, Invalid, NotFound, NotNow
from stackly_server.limits import LOCK_SECONDS_MAX, STATE_BYTES
from stackly_server.states import store
from stackly_server.states.model import NewState, Output, Refusal, StateHead, StateVersion, judge
from stackly_server.states.moving import DeltaService
from stackly_server.states.outlining import OutlineService
from stackly_server.states.shelf import Blobs, Keys, Shelf


class StateService:
    """State by stack state id. Names and permissions on names are asked by `rpc` through `stacks`."""

    def __init__(self, db: Database, keys: Keys, blobs: Blobs) -> None:
        self._db = db
        self._keys = keys
        self._shelf = Shelf(keys, blobs)
        self._deltas = DeltaService(db, self._shelf)
        self._outlines = OutlineService(self._shelf)

    async def new_hash_key(self, account_id: UUID, stack_state_id: UUID) -> bytes:
        """A sealed key for the hashes of a new stack state's sensitive values."""
        return await self._keys.seal(account_id, "secret", _hash_place(stack_state_id), secrets.token_bytes(32))

    async def hash_key(self, account_id: UUID, head: StateHead) -> bytes:
        """The key of a stack state's hashes."""
        return await self._keys.open(account_id, "secret", _hash_place(head.stack_state_id), head.hash_key)

    async def begin(self, tx: Transaction, stack_state_id: UUID, tf_state_key: str, hash_key: bytes) -> None:
        """The head of a new stack state, without state yet."""
        await store.insert_head(tx.conn, tx.account_id, stack_state_id, tf_state_key, hash_key)

    async def write(self, subject: Subject, new: NewState, document: bytes) -> Refusal | None:
        """Takes a whole document. None: it is the current state now, or was before. Else it is kept in quarantine.

        Object first, row second: no row ever points at nothing.
        """
        await asyncio.to_thread(_check, new, document)
        refusal, known = await self._judged(subject.tenant, new)
        if refusal is None and not known and not await self._accept(subject, new, document):
            # somebody was faster: perhaps this very document, sent again while its first sending was under way
            refusal, known = await self._judged(subject.tenant, new)
            refusal = None if known else refusal or Refusal.SERIAL
        if refusal is not None:
            await self._quarantine(subject, new, document, refusal)
        return refusal

    async def write_slices(self, subject: Subject, new: NewState, delta: Delta) -> tuple[Refusal | None, int]:
        """Takes slices on top of the manifest of `new.serial`, and gives the serial that they have: `DeltaService.write`."""
        return await self._deltas.write(subject, new, delta)

    async def document(self, account_id: UUID, version: StateVersion) -> bytes:
        """The whole Terraform document of a stored serial, checked against its digests."""
        return await self._shelf.document(account_id, version)

    async def outline(self, account_id: UUID, version: StateVersion) -> bytes:
        """A stored serial without contents: `OutlineService.outline`."""
        return await self._outlines.outline(account_id, version)

    async def slices(self, account_id: UUID, version: StateVersion, units: Sequence[str]) -> bytes:
        """Some slices of a stored serial: `OutlineService.slices`."""
        return await self._outlines.slices(account_id, version, units)

    async def measured(self, account_id: UUID, version: StateVersion) -> StateVersion:
        """The version with the SHA-256 of its document: one that came in slices is put together for it."""
        if version.sha256:
            return version
        return replace(version, sha256=hashlib.sha256(await self.document(account_id, version)).hexdigest())

    async def outputs(self, account_id: UUID, version: StateVersion) -> list[Output]:
        """The root outputs of a stored serial, by name."""
        manifest = await self._shelf.manifest(account_id, version)
        found = manifest.head.get("outputs") or {}
        return [
            Output(name, exact.dumps(item["value"]).decode(), bool(item.get("sensitive", False)))
            for name, item in sorted(found.items())
        ]

    async def version(self, account_id: UUID, stack_state_id: UUID, serial: int | None) -> StateVersion:
        """One stored serial, or the newest; NotFound when there is none."""
        async with self._db.read(account_id) as conn:
            if serial is None:
                head = await store.head(conn, account_id, stack_state_id)
                serial = head.serial if head else 0
            found = await store.version(conn, account_id, stack_state_id, serial)
        if found is None:
            raise NotFound("state version", str(serial))
        return found

    async def versions(
        self, account_id: UUID, stack_state_id: UUID, before: int | None, limit: int
    ) -> list[StateVersion]:
        """Stored serials below `before`, newest first."""
        async with self._db.read(account_id) as conn:
            return await store.versions(conn, account_id, stack_state_id, before, limit)

    async def head(self, conn: Connection, account_id: UUID, stack_state_id: UUID, *, lock: bool = False) -> StateHead:
        """The head of a stack state."""
        found = await store.head(conn, account_id, stack_state_id, lock=lock)
        if found is None:
            raise NotFound("stack state", str(stack_state_id))
        return found

    async def heads(self, conn: Connection, account_id: UUID, ids: list[UUID]) -> dict[UUID, StateHead]:
        """The heads of many stack states, by id."""
        return await store.heads(conn, account_id, ids)

    async def acquire(self, tx: Transaction, stack_state_id: UUID, run_id: UUID, run_name: str) -> bool:
        """Takes the lock for a run; False when another holds it."""
        head = await store.acquire(
            tx.conn, tx.account_id, stack_state_id, holder=run_name, reason="applying", run_id=run_id
        )
        return head is not None

    async def fence(self, tx: Transaction, stack_state_id: UUID, run_id: UUID) -> int:
        """A new epoch for the next holder of a run's batch; Conflict when the run no longer holds the lock."""
        epoch = await store.fence(tx.conn, tx.account_id, stack_state_id, run_id)
        if epoch is None:
            raise Conflict("LEASE_LOST", "The run no longer holds the lock of its stack state.")
        return epoch

    async def run_locks(self, conn: Connection, account_id: UUID) -> list[tuple[UUID, UUID]]:
        """All locks that runs hold: stack state and run."""
        return await store.run_locks(conn, account_id)

    async def release(self, tx: Transaction, stack_state_id: UUID, run_id: UUID) -> None:
        """Gives the lock of a run back; nothing happens when it does not hold it."""
        head = await self.head(tx.conn, tx.account_id, stack_state_id, lock=True)
        if head.lock_run_id == run_id and head.lock_id is not None:
            await store.release(tx.conn, tx.account_id, stack_state_id, head.lock_id)

    async def lock(
        self, subject: Subject, stack_state_id: UUID, name: str, reason: str, ttl: timedelta | None
    ) -> StateHead:
        """Locks for a member; the same member's lock is given again."""
        require(subject, "state.write", name)
        if ttl is not None and not timedelta(0) < ttl <= timedelta(seconds=LOCK_SECONDS_MAX):
            raise Invalid("VALIDATION_FAILED", "ttl is more than nothing and at most 7 days.")
        async with self._db.transaction(subject) as tx:
            head = await store.acquire(
                tx.conn, tx.account_id, stack_state_id, holder=subject.actor, reason=reason, ttl=ttl
            )
            if head is not None:
                tx.tell("state.locked", name, reason=reason)
                return head
            head = await self.head(tx.conn, tx.account_id, stack_state_id)
        if head.lock_holder == subject.actor and head.lock_run_id is None:
            return head
        raise locked(head, name)

    async def unlock(self, tx: Transaction, stack_state_id: UUID, name: str, lock_id: UUID | None, force: bool) -> None:  # noqa: FBT001
        """Unlocks for a member; never a run's lock: cancel the run instead. Unlocking what is free changes nothing."""
        head = await self.head(tx.conn, tx.account_id, stack_state_id, lock=True)
        if head.lock_id is None:
            return
        if head.lock_run_id is not None:
            raise locked(head, name)
        if not force and head.lock_id != lock_id:
            raise Conflict("LOCK_ID_MISMATCH", f"The lock of {name} has another id.", holder=head.lock_holder or "")
        await store.release(tx.conn, tx.account_id, stack_state_id, head.lock_id)
        tx.tell("state.unlocked", name, holder=head.lock_holder or "")

    async def _judged(self, account_id: UUID, new: NewState) -> tuple[Refusal | None, bool]:
        """What the write meets now, and whether it is let in because its bytes are stored already."""
        async with self._db.read(account_id) as conn:
            head = await store.head(conn, account_id, new.stack_state_id)
            stored = await store.version(conn, account_id, new.stack_state_id, new.serial)
        if head is None:
            raise NotFound("stack state", str(new.stack_state_id))
        refusal = judge(head, new, stored.received_sha256 if stored else None)
        return refusal, refusal is None and stored is not None

    async def _accept(self, subject: Subject, new: NewState, document: bytes) -> bool:
        version = await self._store(subject.tenant, new, document)
        async with self._db.transaction(subject) as tx:
            # the head moves first: its row lock keeps a second writer of this serial out until the commit
            return await store.move(tx.conn, tx.account_id, new, version.resource_count) and await store.insert_version(
                tx.conn, tx.account_id, version
            )

    async def _store(self, account_id: UUID, new: NewState, document: bytes) -> StateVersion:
        manifest, parts = await asyncio.to_thread(slices.split, document)
        by_digest = {manifest.digests[unit]: part for unit, part in parts.items()}
        await self._shelf.put(account_id, new.stack_state_id, by_digest)
        exported = await asyncio.to_thread(slices.assemble, manifest, parts)
        return StateVersion(
            stack_state_id=new.stack_state_id,
            serial=new.serial,
            lineage=new.lineage,
            received_sha256=new.sha256,
            sha256=hashlib.sha256(exported).hexdigest(),
            size_bytes=len(exported),
            terraform_version=manifest.terraform_version,
            manifest=await self._shelf.sealed(account_id, new.stack_state_id, manifest),
            slices=tuple(sorted(parts)),
            resource_count=sum(_instances(part) for part in parts.values()),
            run_id=new.run_id,
            epoch=new.epoch,
            created_at=datetime.now(UTC),
        )

    async def _quarantine(self, subject: Subject, new: NewState, document: bytes, refusal: Refusal) -> None:
        key = await self._shelf.set_aside(subject.tenant, new.stack_state_id, new.sha256, document)
        async with self._db.transaction(subject) as tx:
            await store.quarantine(tx.conn, tx.account_id, new, len(document), key, refusal)
            tx.tell("state.quarantined", str(new.stack_state_id), reason=refusal.name, serial=str(new.serial))


def locked(head: StateHead, name: str) -> NotNow:
    """The refusal that names who holds the lock."""
    return NotNow(
        "STACK_LOCKED", f"{name} is locked by {head.lock_holder}: {head.lock_reason}", holder=head.lock_holder or ""
    )


def visible(head: StateHead) -> StateHead:
    """The head without a lock that has ended."""
    if head.lock_expires_at is None or head.lock_expires_at > datetime.now(UTC):
        return head
    return replace(head, lock_id=None, lock_holder=None, lock_reason=None, locked_at=None, lock_expires_at=None)


def _check(new: NewState, document: bytes) -> None:
    """Refuses bytes that are not what their header says."""
    if len(document) > STATE_BYTES:
        raise Invalid("LIMIT_EXCEEDED", "A state is at most 256 MiB.", limit="STATE_BYTES")
    if hashlib.sha256(document).hexdigest() != new.sha256:
        raise Invalid("VALIDATION_FAILED", "The state does not have the SHA-256 of its header.")
    try:
        state = slices.parse(document)
    except exact.FormatError as error:
        raise Invalid("VALIDATION_FAILED", f"This is no Terraform state: {error}") from None
    if (state.get("serial"), state.get("lineage")) != (new.serial, new.lineage):
        raise Invalid("VALIDATION_FAILED", "The state does not have the serial and lineage of its header.")


def _instances(part: bytes) -> int:
    return sum(len(item.get("instances") or []) for item in exact.loads(part) if item.get("mode") == "managed")


def _hash_place(stack_state_id: UUID) -> str:
    return f"hash-key/{stack_state_id}"
