"""The sweep that makes audits of the engine: by the clock, and after an upgrade."""

import logging
from uuid import UUID

from stackly_server.accounts.namespaces import account_name
from stackly_server.clock import Clock
from stackly_server.database import Database
from stackly_server.errors import NotNow, TooMuch
from stackly_server.runs import audit_store
from stackly_server.runs.audit_model import why_due
from stackly_server.runs.service import RunService
from stackly_server.stacks.engine_build import BUILD
from stackly_server.stacks.service import StackService

_log = logging.getLogger(__name__)


class AuditSweep:
    """Makes the audits that are due. Safe to repeat; beside itself it may make one twice, which costs time alone."""

    def __init__(self, db: Database, stacks: StackService, runs: RunService, clock: Clock) -> None:
        self._db = db
        self._stacks = stacks
        self._runs = runs
        self._clock = clock

    async def due(self, account_id: UUID) -> None:
        """By the clock, and after an upgrade of the engine."""
        async with self._db.read(account_id) as conn:
            account = await account_name(conn)
            known = await audit_store.known(conn, account_id)
        for state_id, about in known.items():
            async with self._db.read(account_id) as conn:
                state = await self._stacks.state_by_id(conn, account_id, state_id)
                try:
                    blueprint = await self._stacks.blueprint(conn, state, state.commit_hash)
                except NotNow:
                    continue  # its code has errors, or is gone: it cannot be planned
            why = why_due(about, blueprint.options.audit, BUILD, self._clock.now())
            if not (blueprint.units and why):
                continue
            try:
                await self._runs.create_audit(account_id, account, state_id, f"audit: {why}")
            except (NotNow, TooMuch) as error:
                _log.warning("No audit of %s: %s", state.name, error.message)
