"""Deliveries that nobody takes up: their workflow was lost, or belongs to a build that is gone."""

import logging
from uuid import UUID

from stackly_server import outbox
from stackly_server.access import system
from stackly_server.database import Database
from stackly_server.git import store
from stackly_server.git.starting import Namespaces
from stackly_server.runs.watch import LATE_SECONDS, Engine, Watch

_log = logging.getLogger(__name__)


class PushReconciler:
    """Has them taken up, and says in the log how often: never, when all is well."""

    def __init__(self, db: Database, engine: Engine, namespaces: Namespaces) -> None:
        self._db = db
        self._engine = engine
        self._namespaces = namespaces

    async def take_up(self, account_id: UUID) -> None:
        """Starts a workflow for each delivery that is old, not handled and without one."""
        async with self._db.read(account_id) as conn:
            late = await store.late_deliveries(conn, LATE_SECONDS)
        if not late:
            return
        namespace = await self._namespaces.by_name(system(account_id, method="push.take_up"))
        watch, again = Watch(self._engine, account_id), 0
        for row in late:
            if await watch.abandoned(namespace.temporal_namespace, f"push/{row.id}"):
                again += await self._send(account_id, row)
        if again:
            _log.error("%d deliveries had no workflow; they are taken up again.", again)

    async def _send(self, account_id: UUID, row: store.InboxRow) -> bool:
        key = f"{row.repository_id}/{row.ref}"
        async with self._db.transaction(system(account_id, method="push.take_up")) as tx:
            now = await store.inbox_row(tx.conn, row.id)
            if now is None or now.handled or await outbox.waits(tx.conn, "push", key):
                return False
            tx.send("push", key, {"inbox_id": str(row.id), "anew": True})
        return True
