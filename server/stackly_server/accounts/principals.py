"""Who stands behind a sign-in, held for 30 seconds, and dropped at once when grants of the account change."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from uuid import UUID

from stackly_server.accounts import key_store
from stackly_server.accounts.model import Principal
from stackly_server.clock import Clock
from stackly_server.database import Database
from stackly_server.hub import Hub, Waiter

_HELD_SECONDS = 30.0
_HELD_OF_ACCOUNT = 10_000


@dataclass(slots=True)
class _Held:
    changes: Waiter
    principals: dict[UUID, tuple[float, Principal]] = field(default_factory=dict)
    drops: int = 0


class Principals:
    """Hears of changed grants by the topic `access/<account>`."""

    def __init__(self, database: Database, hub: Hub, clock: Clock) -> None:
        self._db = database
        self._hub = hub
        self._clock = clock
        self._accounts: dict[UUID, _Held] = {}
        self._waiters = ExitStack()

    def close(self) -> None:
        """Stops hearing."""
        self._waiters.close()

    async def find(self, account_id: UUID, family_id: UUID) -> Principal | None:
        """The principal; None when the sign-in, its key or its member is ended or gone."""
        held = self._held(account_id)
        until, principal = held.principals.get(family_id, (0.0, None))
        if principal is not None and self._clock.monotonic() < until:
            return principal
        drops = held.drops
        async with self._db.read(account_id) as conn:
            found = await key_store.find_principal(conn, family_id)
        held.principals.pop(family_id, None)
        if found is not None and drops == held.drops:  # else what was read may be older than the change
            held.principals[family_id] = (self._clock.monotonic() + _HELD_SECONDS, found)
        return found

    def drop(self, account_id: UUID) -> None:
        """Forgets the principals of an account at once, without waiting to hear of the change."""
        if account_id in self._accounts:
            self._accounts[account_id].changes.wake()

    def _held(self, account_id: UUID) -> _Held:
        held = self._accounts.get(account_id)
        if held is None:
            changes = self._waiters.enter_context(self._hub.waiter(f"access/{account_id}"))
            held = self._accounts[account_id] = _Held(changes)
        if held.changes.take() or len(held.principals) >= _HELD_OF_ACCOUNT:
            held.principals.clear()
            held.drops += 1
        return held
