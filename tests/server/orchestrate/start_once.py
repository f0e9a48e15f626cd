"""A relay in a process of its own, to be killed: `start_once.py DATABASE TEMPORAL NAMESPACE`."""

import asyncio
import sys
from collections.abc import Mapping
from random import Random
from typing import Any
from uuid import UUID

from stackly_server.database import Database
from stackly_server.hub import Hub
from stackly_server.outside.temporal import Temporal
from stackly_server.relay import Relay
from stackly_server.sealing import DataKey


class FixedKeys:
    """One key; what it seals is never opened."""

    async def all(self, account_id: UUID, purpose: str) -> list[DataKey]:
        return [DataKey(account_id, purpose, 1, b"k" * 32)]


async def main(url: str, target: str, namespace: str) -> None:
    database, hub, temporal = Database(url), Hub(url), Temporal(target, FixedKeys())
    await database.open()
    await hub.open()

    async def start(account_id: UUID, payload: Mapping[str, Any]) -> None:
        await temporal.start(account_id, namespace, "EchoWorkflow", "word", f"run/{payload['number']}/plan/1")

    await Relay(database, hub, {"start": start}, Random(1)).run()


asyncio.run(main(*sys.argv[1:]))
