"""Whether somebody carries on the workflows that should be open: SQL has the truth, a workflow only hands out tasks."""

from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

LATE_SECONDS = 60
"""What is younger is not looked after: it may be on its way."""


class Standing(Protocol):
    """How a workflow stands."""

    @property
    def running(self) -> bool:
        """Whether it is open."""
        ...

    @property
    def build(self) -> str:
        """The build that it is pinned to; empty before its first step."""
        ...


class Engine(Protocol):
    """The side of Temporal that is asked. Each method raises Unavailable when it does not answer."""

    async def standing(self, account_id: UUID, namespace: str, workflow_id: str) -> Standing:
        """How a workflow stands; one that is not known does not run."""
        ...

    async def serving_builds(self, account_id: UUID, namespace: str) -> frozenset[str]:
        """The builds whose workers live."""
        ...

    async def open_workflows(self, account_id: UUID, namespace: str, prefix: str, seconds: int) -> list[str]:
        """Ids with a prefix of workflows that began longer ago than that and have not ended."""
        ...

    async def end(self, account_id: UUID, namespace: str, workflow_id: str, reason: str) -> None:
        """Ends a workflow without its doing."""
        ...


@dataclass(slots=True)
class Watch:
    """One round through the workflows of an account."""

    engine: Engine
    account_id: UUID
    _serving: dict[str, frozenset[str]] = field(default_factory=dict)

    async def abandoned(self, namespace: str, workflow_id: str) -> bool:
        """Whether nobody carries a workflow on, so that it must be started anew.

        One that is pinned to a build without workers waits for ever, and is ended: it decides nothing, and what a task of
        it still does on a worker is fenced by its batch, which its successor looks at first.
        """
        standing = await self.engine.standing(self.account_id, namespace, workflow_id)
        if not standing.running:
            return True
        if not standing.build or await self._served(namespace, standing.build):
            return False
        await self.engine.end(
            self.account_id, namespace, workflow_id, f"build {standing.build} has no workers any more"
        )
        return True

    async def _served(self, namespace: str, build: str) -> bool:
        """True too while nobody polls at all: then it is not the build that is missing."""
        if namespace not in self._serving:
            self._serving[namespace] = await self.engine.serving_builds(self.account_id, namespace)
        serving = self._serving[namespace]
        return not serving or build in serving
