"""The data keys of accounts: made and wrapped by Transit, kept wrapped in Postgres, held open for five minutes."""

import asyncio
from collections import defaultdict
from typing import Protocol
from uuid import UUID

from stackly_server import limits
from stackly_server.access import system
from stackly_server.accounts import key_store
from stackly_server.clock import Clock
from stackly_server.database import Connection, Database
from stackly_server.errors import NotNow
from stackly_server.sealing import DataKey, seal, unseal, version_of

PURPOSES = ("payload", "state", "log", "plan", "secret")


class KeyService(Protocol):
    """Who makes and opens data keys (Vault Transit)."""

    async def new_data_key(self, context: bytes) -> tuple[bytes, str]: ...
    async def unwrap(self, context: bytes, wrapped: str) -> bytes: ...


class Keys:
    """Seals and opens bytes for accounts. Never call it inside a transaction: it may ask Vault and Postgres."""

    def __init__(self, database: Database, vault: KeyService, clock: Clock) -> None:
        self._db = database
        self._vault = vault
        self._clock = clock
        self._open: dict[tuple[UUID, str], tuple[float, list[DataKey]]] = {}
        self._locks: dict[tuple[UUID, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def seal(self, account_id: UUID, purpose: str, place: str, data: bytes) -> bytes:
        """Seals under the newest key."""
        return seal(await self.current(account_id, purpose), place, data)

    async def open(self, account_id: UUID, purpose: str, place: str, sealed: bytes) -> bytes:
        """Opens what was sealed for the place; BrokenSealError when it was not, NotNow KEY_VERSION_GONE without key."""
        version = version_of(sealed)
        for fresh in (False, True):
            for key in await self._load(account_id, purpose, fresh=fresh):
                if key.version == version:
                    return unseal(key, place, sealed)
        raise NotNow("KEY_VERSION_GONE", f"The {purpose} key of version {version} is gone.", version=str(version))

    async def current(self, account_id: UUID, purpose: str) -> DataKey:
        """The newest key."""
        return (await self.all(account_id, purpose))[0]

    async def all(self, account_id: UUID, purpose: str) -> list[DataKey]:
        """All keys that still open something, newest first."""
        keys = await self._load(account_id, purpose, fresh=False)
        if not keys:
            raise NotNow("KEY_VERSION_GONE", f"The account has no {purpose} key.")
        return keys

    async def rotate(self, account_id: UUID, purpose: str) -> int:
        """Makes a new key, used from now on here and within five minutes everywhere; gives its version."""
        _, wrapped = await self._vault.new_data_key(account_id.bytes)
        async with self._db.transaction(system(account_id, method="keys.rotate")) as tx:
            rows = await key_store.wrapped_keys(tx.conn, purpose)
            version = 1 + (int(rows[0][0]) if rows else 0)
            if not await key_store.insert_wrapped_key(tx.conn, account_id, purpose, version, wrapped):
                raise NotNow("CONCURRENT_CHANGE", "Somebody else rotates this key.")
            tx.tell("key.rotated", f"keys/{purpose}/{version}")
        self._open.pop((account_id, purpose), None)
        return version

    async def make(self, account_id: UUID) -> dict[str, str]:
        """Wrapped first keys for a new account, by purpose."""
        return {purpose: (await self._vault.new_data_key(account_id.bytes))[1] for purpose in PURPOSES}

    async def _load(self, account_id: UUID, purpose: str, *, fresh: bool) -> list[DataKey]:
        place = (account_id, purpose)
        if not fresh and (held := self._held(place)) is not None:
            return held
        async with self._locks[place]:  # one of many callers asks, the others find
            if not fresh and (held := self._held(place)) is not None:
                return held
            async with self._db.read(account_id) as conn:
                rows = await key_store.wrapped_keys(conn, purpose)
            keys = [
                DataKey(account_id, purpose, version, await self._vault.unwrap(account_id.bytes, wrapped))
                for version, wrapped in rows
            ]
            self._open[place] = (self._clock.monotonic() + limits.DATA_KEY_CACHE_SECONDS, keys)
            return keys

    def _held(self, place: tuple[UUID, str]) -> list[DataKey] | None:
        until, keys = self._open.get(place, (0.0, []))
        return keys if self._clock.monotonic() < until else None


async def keep_first_keys(conn: Connection, account_id: UUID, wrapped: dict[str, str]) -> None:
    """Stores what `Keys.make` made."""
    for purpose, text in wrapped.items():
        await key_store.insert_wrapped_key(conn, account_id, purpose, 1, text)
