"""Outlines of states: what a run needs of slices that it does not touch, kept in memory by the digest of each slice."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from uuid import UUID

from stackly_engine import exact, outlines
from stackly_server.errors import NotFound
from stackly_server.limits import OUTLINES_BYTES
from stackly_server.states.model import StateVersion
from stackly_server.states.shelf import Shelf


class OutlineService:
    """An outline holds addresses and no values, and is not kept on disk; a slice that did not move is not opened again."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._known: OrderedDict[tuple[UUID, UUID, str], bytes] = OrderedDict()
        self._size = 0

    async def outline(self, account_id: UUID, version: StateVersion) -> bytes:
        """The outline of a stored serial, as `stackly_engine.outlines.read` reads it."""
        manifest = await self._shelf.manifest(account_id, version)
        keys = {digest: (account_id, version.stack_state_id, digest) for digest in manifest.digests.values()}
        found = {digest: self._known[key] for digest, key in keys.items() if key in self._known}
        unknown = {digest: digest for digest in keys.keys() - found.keys()}
        for digest, data in (await self._shelf.get(account_id, version.stack_state_id, unknown)).items():
            found[digest] = await asyncio.to_thread(outlines.of_slice, data)
            self._remember(keys[digest], found[digest])
        return outlines.put_together(manifest.head, (found[digest] for digest in manifest.digests.values()))

    async def slices(self, account_id: UUID, version: StateVersion, units: Sequence[str]) -> bytes:
        """Some slices of a stored serial as one JSON object, by unit; NotFound for a unit that it does not have."""
        manifest = await self._shelf.manifest(account_id, version)
        if missing := sorted(set(units) - manifest.digests.keys()):
            raise NotFound("slice", missing[0])
        wanted = {unit: manifest.digests[unit] for unit in sorted(set(units))}
        parts = await self._shelf.get(account_id, version.stack_state_id, wanted)
        return b"{" + b",".join(exact.dumps(unit) + b":" + data for unit, data in parts.items()) + b"}"

    def _remember(self, key: tuple[UUID, UUID, str], data: bytes) -> None:
        if key not in self._known:
            self._known[key] = data
            self._size += len(data)
        while self._size > OUTLINES_BYTES:
            _, gone = self._known.popitem(last=False)
            self._size -= len(gone)
