"""What the run workflows do in the control plane: settle a batch whose task did not end well."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from temporalio import activity

if TYPE_CHECKING:
    from stackly_server.runs.settling import SettleService


@dataclass(frozen=True)
class BatchInput:
    """One phase of one batch; ids only. Without a nonce a worker has it, and what became of it is asked first."""

    account_id: str
    run_id: str
    run_name: str
    plan_number: int
    batch: str
    phase: str
    task_queue: str
    nonce: str
    timeout_seconds: int


@dataclass(frozen=True)
class Settled:
    """What to do next: `done`, `wait`, `again` (with a new nonce) or `attach` (on the queue of its worker)."""

    word: str
    nonce: str = ""
    attach_queue: str = ""


class RunActivities:
    """Activities of the run workflows, in the orchestrator."""

    def __init__(self, service: "SettleService") -> None:
        self._service = service

    @activity.defn(name="runs.settle")
    async def settle(self, batch: BatchInput) -> Settled:
        """Looks at the batch in SQL and says what to do; records it as lost when nothing is to be hoped for."""
        return await self._service.settle(batch)
