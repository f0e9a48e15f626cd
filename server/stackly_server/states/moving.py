"""Writes of slices: each moves the manifest by compare-and-set, and costs what moved."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from stackly_engine import deltas
from stackly_engine.deltas import Delta
from stackly_engine.exact import FormatError
from stackly_engine.slices import Manifest
from stackly_server.access import Subject
from stackly_server.database import Database
from stackly_server.errors import Invalid, NotFound, TooMuch
from stackly_server.limits import STATE_BYTES
from stackly_server.states import store
from stackly_server.states.model import BatchFence, NewState, Refusal, StateHead, StateVersion, judge_delta
from stackly_server.states.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Found:
    """What a write of slices meets: the newest version and the one that it builds on (None: no state was there then)."""

    head: StateHead
    now: StateVersion | None
    base: StateVersion | None
    taken: int | None  # the serial of this very write, when it was taken before
    held: bool


class DeltaService:
    """Writers of different slices do not wait for one another; of two writers of one slice the second is refused."""

    def __init__(self, db: Database, shelf: Shelf) -> None:
        self._db = db
        self._shelf = shelf

    async def write(self, subject: Subject, new: NewState, delta: Delta) -> tuple[Refusal | None, int]:
        """Takes slices. None with the serial that they have now, or had before; else they are kept in quarantine.

        `new.serial` is that of the manifest that they build on. Objects first, row second: no row ever points at nothing.
        """
        weights = await asyncio.to_thread(_weighed, new, delta)
        while True:
            found = await self._find(subject.tenant, new)
            refusal = judge_delta(found.head, new, held=found.held)
            if refusal is None and found.taken is not None:
                return None, found.taken
            manifests = await self._manifests(subject.tenant, found)
            manifest = None if refusal else _moved(*manifests, delta)
            if manifest is None:
                refusal = refusal or Refusal.MOVED
                await self._set_aside(subject, new, delta, refusal)
                return refusal, 0
            version = await self._version(subject.tenant, new, found, manifests[0], manifest, delta, weights)
            if await self._accept(subject, version, found.head, new.fence):
                return None, version.serial  # else somebody else moved the manifest: look again

    async def _find(self, account_id: UUID, new: NewState) -> Found:
        async with self._db.read(account_id) as conn:
            head = await store.head(conn, account_id, new.stack_state_id)
            if head is None:
                raise NotFound("stack state", str(new.stack_state_id))
            taken = await store.taken(conn, account_id, new)
            held = new.fence is None or await store.held(conn, account_id, new)
            now = await store.version(conn, account_id, new.stack_state_id, head.serial) if head.serial else None
            base = now
            if new.serial != head.serial:
                base = await store.version(conn, account_id, new.stack_state_id, new.serial) if new.serial else None
        return Found(head, now, base, taken, held)

    async def _manifests(self, account_id: UUID, found: Found) -> tuple[Manifest | None, Manifest | None]:
        now = await self._shelf.manifest(account_id, found.now) if found.now else None
        if found.base is None or (found.now is not None and found.base.serial == found.now.serial):
            return now, now if found.base else None
        return now, await self._shelf.manifest(account_id, found.base)

    async def _version(
        self, account_id: UUID, new: NewState, found: Found, now: Manifest | None, manifest: Manifest, delta: Delta,
        weights: deltas.Weight,
    ) -> StateVersion:  # fmt: skip
        parts = {str(digest): delta.slices[unit] or b"" for unit, digest in delta.digests.items() if digest}
        await self._shelf.put(account_id, new.stack_state_id, parts)
        known = now.digests if now else {}
        gone = await self._shelf.get(
            account_id, new.stack_state_id, {unit: known[unit] for unit in delta.slices if unit in known}
        )
        size, instances = await asyncio.to_thread(_weight_of, found.now, now, gone)
        size += weights.size + deltas.head_size(manifest.head) - bool(manifest.digests)
        if size > STATE_BYTES:
            raise TooMuch("LIMIT_EXCEEDED", "A state is at most 256 MiB.", limit="STATE_BYTES")
        return StateVersion(
            stack_state_id=new.stack_state_id, serial=manifest.serial, lineage=manifest.lineage,
            received_sha256=new.sha256, sha256="", size_bytes=size, terraform_version=manifest.terraform_version,
            manifest=await self._shelf.sealed(account_id, new.stack_state_id, manifest),
            slices=tuple(sorted(manifest.digests)), resource_count=instances + weights.instances, run_id=new.run_id,
            epoch=new.epoch, created_at=datetime.now(UTC),
        )  # fmt: skip

    async def _accept(
        self, subject: Subject, version: StateVersion, head: StateHead, fence: BatchFence | None
    ) -> bool:  # fmt: skip
        if version.run_id is None:
            raise ValueError("slices are written by runs")
        new = NewState(
            version.stack_state_id, version.run_id, head.lock_epoch if fence else version.epoch, version.serial,
            version.lineage, version.received_sha256, fence,
        )  # fmt: skip
        async with self._db.transaction(subject) as tx:
            if fence is not None and not await store.held(tx.conn, tx.account_id, new, lock=True):
                return False  # the batch is another's now: that is said at the next look
            count = version.resource_count
            return await store.move(
                tx.conn, tx.account_id, new, count, before=head.serial
            ) and await store.insert_version(tx.conn, tx.account_id, version)  # fmt: skip

    async def _set_aside(self, subject: Subject, new: NewState, delta: Delta, refusal: Refusal) -> None:
        data = await asyncio.to_thread(delta.to_bytes)
        key = await self._shelf.set_aside(subject.tenant, new.stack_state_id, new.sha256, data)
        async with self._db.transaction(subject) as tx:
            await store.quarantine(tx.conn, tx.account_id, new, len(data), key, refusal)
            tx.tell("state.quarantined", str(new.stack_state_id), reason=refusal.name, serial=str(new.serial))


def _weighed(new: NewState, delta: Delta) -> deltas.Weight:
    """The weight of all that is new; refuses what is not what its header says."""
    if delta.sha256 != new.sha256:
        raise Invalid("VALIDATION_FAILED", "The slices do not have the SHA-256 of their header.")
    try:
        weights = [deltas.weigh(unit, data) for unit, data in delta.slices.items()]
    except FormatError as error:
        raise Invalid("VALIDATION_FAILED", f"These are no slices of a Terraform state: {error}") from None
    return deltas.Weight(sum(one.instances for one in weights), sum(one.size for one in weights))


def _moved(now: Manifest | None, base: Manifest | None, delta: Delta) -> Manifest | None:
    try:
        return deltas.moved(now, base, delta)
    except FormatError as error:
        raise Invalid("VALIDATION_FAILED", f"These slices make no state: {error}") from None


def _weight_of(version: StateVersion | None, manifest: Manifest | None, gone: dict[str, bytes]) -> tuple[int, int]:
    """Bytes of the slices of a version, and its instances, without those that are replaced or gone."""
    if version is None or manifest is None:
        return 0, 0
    old = [deltas.weigh(unit, data) for unit, data in gone.items()]
    size = version.size_bytes - deltas.head_size(manifest.head) + bool(manifest.digests)
    return size - sum(one.size for one in old), version.resource_count - sum(one.instances for one in old)
