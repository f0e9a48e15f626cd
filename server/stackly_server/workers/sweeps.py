"""What is left behind by workers: those that fell silent, certificates that ended, tokens that nobody used."""

from uuid import UUID

from stackly_server import limits
from stackly_server.access import system
from stackly_server.database import Database
from stackly_server.workers import store, token_store
from stackly_server.workers.model import WorkerStatus

_OLD_TOKEN_SECONDS = 7 * 24 * 3600


class WorkerSweeps:
    """Each is safe to repeat, and to run beside itself."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def silent(self, account_id: UUID) -> None:
        """Workers not heard from: UNREACHABLE when their lease is over, OFFLINE after ten minutes more."""
        async with self._db.transaction(system(account_id, method="sweep")) as tx:
            for worker in await store.silent(tx.conn, limits.OFFLINE_SECONDS):
                gone = worker.status is WorkerStatus.OFFLINE
                tx.tell("worker.offline" if gone else "worker.lost", worker.name)
                tx.wake(f"worker/{worker.id}")

    async def old(self, account_id: UUID) -> None:
        """Certificates that have ended, and tokens that can no longer be used."""
        async with self._db.transaction(system(account_id, method="sweep")) as tx:
            await store.forget_certificates(tx.conn)
            await token_store.forget(tx.conn, _OLD_TOKEN_SECONDS)
