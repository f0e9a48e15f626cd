"""Sweeps: what is done again and again to find what was left behind, and those that belong to no room."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from stackly_server import outbox
from stackly_server.access import system
from stackly_server.clock import Clock
from stackly_server.database import Database
from stackly_server.errors import Unavailable
from stackly_server.limits import REQUEST_ID_HOURS
from stackly_server.orchestrate import store
from stackly_server.orchestrate.namespaces import Home

LATE_SECONDS = 60
TOLD_SECONDS = 7 * 24 * 3600

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sweep:
    """Something done every so often. `run` may run beside itself in another process, and fail: it comes again."""

    name: str
    every_seconds: float
    run: Callable[[], Awaitable[None]]


async def repeat(sweep: Sweep, clock: Clock) -> None:
    """Runs a sweep until canceled. One that fails is told in the log and comes again at its time."""
    while True:
        try:
            await sweep.run()
        except Unavailable as error:
            _log.warning("Sweep %s: %s", sweep.name, error.message)
        except Exception:  # noqa: BLE001  (a sweep that fails must not end the others)
            _log.exception("Sweep %s failed.", sweep.name)
        await clock.sleep(sweep.every_seconds)


def in_each_account(
    accounts: Callable[[], Awaitable[list[UUID]]], run: Callable[[UUID], Awaitable[None]]
) -> Callable[[], Awaitable[None]]:
    """One round of a sweep through all tenants."""

    async def round_through() -> None:
        for account_id in await accounts():
            await run(account_id)

    return round_through


def in_each_home(
    homes: Callable[[], Awaitable[set[Home]]], run: Callable[[UUID, str], Awaitable[None]]
) -> Callable[[], Awaitable[None]]:
    """One round of a sweep through all namespaces of Temporal."""

    async def round_through() -> None:
        for home in await homes():
            await run(home.account_id, home.temporal_namespace)

    return round_through


def ledger_sweeps(database: Database, accounts: Callable[[], Awaitable[list[UUID]]]) -> list[Sweep]:
    """Lines of the outbox that nobody told, lines told long ago, and answers that may no longer be asked for."""

    async def late_lines() -> None:
        async with database.scope("relay") as conn:
            late = await outbox.late(conn, LATE_SECONDS)
        if late:
            _log.error("%d lines of the outbox are due for more than %d seconds.", late, LATE_SECONDS)

    async def told_lines() -> None:
        async with database.scope("relay") as conn:
            await outbox.forget(conn, TOLD_SECONDS)

    async def answers(account_id: UUID) -> None:
        async with database.transaction(system(account_id, method="sweep")) as tx:
            await store.forget_answers(tx.conn, REQUEST_ID_HOURS)

    return [
        Sweep("outbox.late", 30.0, late_lines),
        Sweep("outbox.told", 3600.0, told_lines),
        Sweep("idempotency", 3600.0, in_each_account(accounts, answers)),
    ]
