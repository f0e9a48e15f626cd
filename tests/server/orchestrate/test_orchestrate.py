"""The whole program: from a line in the outbox to a namespace that works and a workflow that ran in it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from temporalio.client import WorkflowHandle

from api import FreshDatabase, Tenant
from echoing import EchoWorkflow, echo
from stackly_server.access import system
from stackly_server.clock import SystemClock
from stackly_server.errors import Unavailable
from stackly_server.orchestrate.fleet import Fleet
from stackly_server.orchestrate.namespaces import Home, Namespaces
from stackly_server.orchestrate.program import Orchestrator
from stackly_server.orchestrate.sweeps import Sweep, ledger_sweeps
from stackly_server.outside.temporal import Temporal
from stackly_server.relay import Relay
from waiting import until

if TYPE_CHECKING:
    from stackly_server.app import Ground


async def test_a_new_namespace_gets_its_workers_while_the_program_runs(
    ground: "Ground", dev: Tenant, sealed: Temporal, tmp_path: Path
) -> None:
    namespaces = Namespaces(ground.database, sealed)
    swept: list[str] = []

    async def start(account_id: UUID, payload: Mapping[str, Any]) -> None:
        home = next(iter(await namespaces.active()))
        await sealed.start(account_id, home.temporal_namespace, "EchoWorkflow", "a word", payload["workflow_id"])

    async def broken() -> None:
        swept.append("broken")
        raise ValueError

    relay = Relay(ground.database, ground.hub, {"namespace": namespaces.provision, "echo": start}, Random(1))
    fleet = Fleet(sealed, namespaces, ground.hub, [EchoWorkflow], [echo])
    sweeps = [*ledger_sweeps(ground.database, namespaces.accounts), Sweep("broken", 0.05, broken)]
    program = Orchestrator(fleet, relay, sweeps, SystemClock(), tmp_path / "ready")
    running = asyncio.create_task(program.run())
    homes: set[Home] = set()
    async with asyncio.timeout(30):
        while not homes:  # founding the account left the line that makes its namespace
            homes = await namespaces.active()
            await asyncio.sleep(0.01)
    await until((tmp_path / "ready").exists)
    (home,) = homes
    async with ground.database.transaction(system(dev.account_id)) as tx:
        tx.send("echo", "run/1", {"workflow_id": "run/1/plan/1"})
    client = await sealed.client(home.temporal_namespace, dev.account_id)
    handle = client.get_workflow_handle("run/1/plan/1", result_type=str)
    await exists(handle)
    assert await handle.result() == "a word"
    info = (await handle.describe()).raw_description.workflow_execution_info
    assert info.versioning_info.deployment_version.deployment_name == "stackly"
    await until(lambda: len(swept) > 1)  # a sweep that fails comes again
    program.stop()
    async with asyncio.timeout(5):
        await running
    assert not (tmp_path / "ready").exists()
    async with ground.database.read(dev.account_id) as conn:
        told = await (await conn.execute("SELECT subject FROM events WHERE type = 'namespace.activated'")).fetchall()
    assert told == [("accounts/dev/namespaces/default",)]


async def exists(handle: WorkflowHandle[Any, Any]) -> None:
    from temporalio.service import RPCError

    for _ in range(2000):
        try:
            await handle.describe()
        except RPCError:
            await asyncio.sleep(0.01)
        else:
            return
    raise AssertionError("no workflow was started")


async def test_a_namespace_that_temporal_does_not_know_yet_gets_its_workers_later(
    ground: "Ground", dev: Tenant, sealed: Temporal, fresh_database: FreshDatabase
) -> None:
    with psycopg.connect(fresh_database.super_url, autocommit=True) as conn:
        conn.execute("UPDATE namespaces SET status = 'ACTIVE'")
        conn.execute("DELETE FROM outbox")
        row = conn.execute("SELECT temporal_namespace FROM namespaces").fetchone()
    assert row is not None
    fleet = Fleet(sealed, Namespaces(ground.database, sealed), ground.hub, [EchoWorkflow], [echo], look_seconds=0.2)
    running = asyncio.create_task(fleet.run())
    await until(lambda: fleet.failures > 1)
    assert not fleet.ready.is_set()
    for _ in range(200):
        if await made(sealed, dev, row[0]):
            break
        await asyncio.sleep(0.05)
    await until(fleet.ready.is_set)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await fleet.stop()


async def made(sealed: Temporal, tenant: Tenant, namespace: str) -> bool:
    try:
        await sealed.provision(tenant.account_id, namespace)
    except Unavailable:
        return False
    return True
