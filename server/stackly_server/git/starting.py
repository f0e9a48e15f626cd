"""From a line `push` of the outbox to its workflow."""

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from stackly_server.access import Subject, system
from stackly_server.git.push import PushRef


class Workflows(Protocol):
    """The side of Temporal that starts workflows."""

    async def start(
        self, account_id: UUID, namespace: str, name: str, argument: Any, workflow_id: str, *, anew: bool = False
    ) -> None:
        """Starts a workflow; one of that id that runs is left as it is, and without `anew` one that has ended well too."""
        ...


class NamespaceLike(Protocol):
    """What of a namespace is read here."""

    @property
    def temporal_namespace(self) -> str:
        """Its Temporal namespace."""
        ...


class Namespaces(Protocol):
    """Namespaces of an account."""

    async def by_name(self, subject: Subject, name: str = "default") -> NamespaceLike:
        """A namespace."""
        ...


class PushStarter:
    """Handles lines of the kind `push`."""

    def __init__(self, namespaces: Namespaces, workflows: Workflows) -> None:
        self._namespaces = namespaces
        self._workflows = workflows

    async def __call__(self, account_id: UUID, payload: Mapping[str, Any]) -> None:
        """Starts the workflow of a delivery; a repeated start is harmless."""
        inbox_id = str(payload["inbox_id"])
        namespace = await self._namespaces.by_name(system(account_id, method="relay"))
        push = PushRef(str(account_id), inbox_id)
        await self._workflows.start(
            account_id, namespace.temporal_namespace, "PushWorkflow", push, f"push/{inbox_id}",
            anew=bool(payload.get("anew")),
        )  # fmt: skip
