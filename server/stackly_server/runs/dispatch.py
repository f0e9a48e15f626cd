"""Outbox lines of runs as calls on Temporal: a line is told at least once, a workflow started once."""

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from stackly_server.accounts.namespaces import namespace_in
from stackly_server.database import Database
from stackly_server.runs.model import BATCH, Phase
from stackly_server.runs.progress import workflow_id
from stackly_server.runs.settling import SettleService


class Workflows(Protocol):
    """Starts and stops workflows."""

    async def start(
        self, account_id: UUID, namespace: str, name: str, argument: Any, workflow_id: str, *, anew: bool = False
    ) -> None:
        """Starts a workflow by name under a natural id; harmless when it runs, and without `anew` when it ended well before."""
        ...

    async def stop(self, account_id: UUID, namespace: str, workflow_id: str) -> None:
        """Cancels a workflow; harmless when it has ended or never was."""
        ...


class RunDispatch:
    """The handlers of the relay for runs."""

    def __init__(self, db: Database, workflows: Workflows, settling: SettleService) -> None:
        self._db = db
        self._workflows = workflows
        self._settling = settling

    async def plan(self, account_id: UUID, payload: Mapping[str, Any]) -> None:
        """A plan is wanted."""
        await self._start(account_id, payload, Phase.PLAN, "PlanWorkflow")

    async def apply(self, account_id: UUID, payload: Mapping[str, Any]) -> None:
        """An apply may begin."""
        await self._start(account_id, payload, Phase.APPLY, "ApplyWorkflow")

    async def stop_workflow(self, account_id: UUID, payload: Mapping[str, Any]) -> None:
        """A task that no worker took is no longer wanted."""
        async with self._db.read(account_id) as conn:
            namespace = await namespace_in(conn, UUID(payload["namespace_id"]))
        await self._workflows.stop(account_id, namespace.temporal_namespace, payload["workflow_id"])

    async def _start(self, account_id: UUID, payload: Mapping[str, Any], phase: Phase, workflow: str) -> None:
        run_id, number = UUID(payload["run_id"]), int(payload["number"])
        batch = str(payload.get("batch", BATCH))
        found = await self._settling.input(account_id, run_id, number, phase, batch)
        if found is None:
            return
        wanted, temporal_namespace = found
        name = workflow_id(run_id, phase, number, batch)
        anew = bool(payload.get("anew"))
        await self._workflows.start(account_id, temporal_namespace, workflow, wanted, name, anew=anew)
