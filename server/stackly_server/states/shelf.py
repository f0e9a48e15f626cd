"""Where the bytes of states lie, sealed: slices by digest, manifests by serial, and what was refused."""

import asyncio
from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

from stackly_engine import slices
from stackly_engine.slices import Manifest
from stackly_server.states.model import StateVersion


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


class Shelf:
    """Bytes of one stack state are found by nobody who asks for another's: each place is bound into its seal."""

    def __init__(self, keys: Keys, blobs: Blobs) -> None:
        self._keys = keys
        self._blobs = blobs

    async def put(self, account_id: UUID, stack_state_id: UUID, parts: Mapping[str, bytes]) -> None:
        """Keeps slices by digest; those that are there already are not written again."""
        await asyncio.gather(*(self._put(account_id, stack_state_id, digest, data) for digest, data in parts.items()))

    async def get(self, account_id: UUID, stack_state_id: UUID, digests: Mapping[str, str]) -> dict[str, bytes]:
        """Slices by what names their digests."""
        parts = await asyncio.gather(*(self._get(account_id, stack_state_id, digest) for digest in digests.values()))
        return dict(zip(digests, parts, strict=True))

    async def manifest(self, account_id: UUID, version: StateVersion) -> Manifest:
        """The manifest of a stored serial, opened."""
        place = _manifest_place(version.stack_state_id, version.serial)
        return Manifest.from_bytes(await self._keys.open(account_id, "state", place, version.manifest))

    async def sealed(self, account_id: UUID, stack_state_id: UUID, manifest: Manifest) -> bytes:
        """A manifest, to be stored under its serial."""
        place = _manifest_place(stack_state_id, manifest.serial)
        return await self._keys.seal(account_id, "state", place, manifest.to_bytes())

    async def set_aside(self, account_id: UUID, stack_state_id: UUID, digest: str, data: bytes) -> str:
        """Keeps refused bytes; where they lie."""
        key = f"{account_id}/quarantine/{stack_state_id}/{digest}"
        await self._blobs.put_new(key, await self._keys.seal(account_id, "state", key, data))
        return key

    async def document(self, account_id: UUID, version: StateVersion) -> bytes:
        """The whole Terraform document of a stored serial, checked against its digests."""
        manifest = await self.manifest(account_id, version)
        parts = await self.get(account_id, version.stack_state_id, manifest.digests)
        return await asyncio.to_thread(slices.assemble, manifest, parts)

    async def _put(self, account_id: UUID, stack_state_id: UUID, digest: str, part: bytes) -> None:
        key = _slice_key(account_id, stack_state_id, digest)
        await self._blobs.put_new(key, await self._keys.seal(account_id, "state", key, part))

    async def _get(self, account_id: UUID, stack_state_id: UUID, digest: str) -> bytes:
        key = _slice_key(account_id, stack_state_id, digest)
        return await self._keys.open(account_id, "state", key, await self._blobs.get(key))


def _slice_key(account_id: UUID, stack_state_id: UUID, digest: str) -> str:
    return f"{account_id}/slices/{stack_state_id}/{digest}"


def _manifest_place(stack_state_id: UUID, serial: int) -> str:
    return f"manifest/{stack_state_id}/{serial}"
