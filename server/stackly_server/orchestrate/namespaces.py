"""Namespaces: which are ready, and making those that are not."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from stackly_server import outbox
from stackly_server.access import system
from stackly_server.database import Database
from stackly_server.orchestrate import store

TOPIC = "namespaces"

_log = logging.getLogger(__name__)


class Provisioner(Protocol):
    """The side of Temporal that makes namespaces."""

    async def provision(self, account_id: UUID, namespace: str) -> None:
        """Makes a namespace, if it is not there, and runs a workflow in it; Unavailable when that does not work yet."""
        ...

    async def has_namespace(self, namespace: str, account_id: UUID) -> bool:
        """Whether Temporal knows a namespace."""
        ...


@dataclass(frozen=True, slots=True)
class Home:
    """A namespace of Temporal that is ready, and whose it is."""

    account_id: UUID
    temporal_namespace: str


class Namespaces:
    """Of all tenants."""

    def __init__(self, database: Database, provisioner: Provisioner) -> None:
        self._database = database
        self._provisioner = provisioner

    async def accounts(self) -> list[UUID]:
        """All tenants."""
        async with self._database.scope("routing") as conn:
            return await store.accounts(conn)

    async def active(self) -> set[Home]:
        """Those that are ready."""
        homes: set[Home] = set()
        for account_id in await self.accounts():
            async with self._database.read(account_id) as conn:
                homes |= {Home(account_id, name) for name in await store.active_namespaces(conn)}
        return homes

    async def restore(self, account_id: UUID) -> None:
        """Has namespaces made again that Temporal no longer knows: its data were lost. Nothing to do when all is well."""
        async with self._database.read(account_id) as conn:
            ready = await store.active_namespace_ids(conn)
        lost = [id_ for id_, name in ready.items() if not await self._provisioner.has_namespace(name, account_id)]
        for namespace_id in lost:
            async with self._database.transaction(system(account_id, method="namespaces.restore")) as tx:
                if not await outbox.waits(tx.conn, "namespace", str(namespace_id)):
                    tx.send("namespace", str(namespace_id), {"namespace_id": str(namespace_id)})
        if lost:
            _log.error("%d namespaces were lost by Temporal; they are made again.", len(lost))

    async def provision(self, account_id: UUID, payload: Mapping[str, Any]) -> None:
        """Handles a line `namespace` of the outbox: makes it in Temporal, and when a workflow ran there, ACTIVE."""
        namespace_id = UUID(payload["namespace_id"])
        async with self._database.read(account_id) as conn:
            temporal_namespace = await store.temporal_namespace(conn, namespace_id)
        if temporal_namespace is None:
            return  # deleted meanwhile
        await self._provisioner.provision(account_id, temporal_namespace)
        async with self._database.transaction(system(account_id, method="provision")) as tx:
            name = await store.activate(tx.conn, namespace_id)
            if name is not None:
                tx.tell("namespace.activated", name)
                tx.wake(TOPIC)
