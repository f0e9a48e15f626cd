"""PushWorkflow on the real Temporal, fed by the real outbox and relay."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING

from temporalio.worker import Worker

from pushing import MODULE, STACK, World
from stackly_server.git.activities import PushActivities
from stackly_server.git.push import PushRef
from stackly_server.git.starting import PushStarter
from stackly_server.git.workflow import PushWorkflow
from stackly_server.outside.temporal import CONTROL_QUEUE, Temporal
from stackly_server.relay import Relay

if TYPE_CHECKING:
    import stackly_server.dev.parts.temporal as parts


@asynccontextmanager
async def orchestrating(world: World, address: str) -> AsyncIterator[Temporal]:
    """A relay, and a Temporal worker for the account's namespace."""
    ground = world.ground
    adapter = Temporal(address, ground.keys)
    namespace = (await ground.namespaces.by_name(world.subject)).temporal_namespace
    await adapter.provision(world.dev.account_id, namespace)
    client = await adapter.client(namespace, world.dev.account_id)
    relay = Relay(ground.database, ground.hub, {"push": PushStarter(ground.namespaces, adapter)}, Random(1))
    async with Worker(
        client, task_queue=CONTROL_QUEUE, workflows=[PushWorkflow], activities=PushActivities(world.git).all
    ):
        running = asyncio.create_task(relay.run())
        try:
            yield adapter
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await relay.finish(5)


async def outcome_of(world: World, push: PushRef) -> str:
    """What came of a delivery, once its transaction is committed."""
    with world.ground.hub.waiter(f"events/{push.account_id}") as waiter:
        while True:
            async with world.ground.database.read(world.dev.account_id) as conn:
                cursor = await conn.execute("SELECT outcome FROM inbox WHERE id = %s", (push.inbox_id,))
                row = await cursor.fetchone()
            if row and row[0] is not None:
                return str(row[0])
            assert await waiter.wait(30), "the delivery was not handled in time"


async def test_a_delivery_goes_from_the_inbox_to_runs(world: World, temporal: "parts.Temporal") -> None:
    commit = world.commit({"a/stackly.hcl": STACK, "a/main.tf": MODULE, "b/stackly.hcl": b'stack "b" {\n}\n'})
    async with orchestrating(world, temporal.address) as adapter:
        push = await world.deliver(commit)
        assert await outcome_of(world, push) == "2 stacks changed, 2 runs"
        states = await world.stack_states()
        assert sorted(states) == ["b", "hello"]
        assert {state for state, _, _ in world.runs.take()} == {one.state.id for one in states.values()}
        namespace = (await world.ground.namespaces.by_name(world.subject)).temporal_namespace
        client = await adapter.client(namespace, world.dev.account_id)
        assert await client.get_workflow_handle(f"push/{push.inbox_id}").result() == "2 stacks changed, 2 runs"
        payload = {"inbox_id": push.inbox_id}
        await PushStarter(world.ground.namespaces, adapter)(world.dev.account_id, payload)  # the relay says it twice
        assert world.runs.take() == []


async def test_many_deliveries_of_one_branch_end_at_its_head(world: World, temporal: "parts.Temporal") -> None:
    parent: tuple[str, ...] = ()
    pushes = []
    for number in range(5):
        parent = (world.commit({"stackly.hcl": STACK, "main.tf": MODULE + b"#" * number}, *parent),)
        pushes.append(await world.deliver(parent[0]))
    async with orchestrating(world, temporal.address):
        outcomes = [await outcome_of(world, push) for push in pushes]
    assert outcomes[-1] in {"1 stacks changed, 1 runs", "no stack changed"}
    assert (await world.codes())[""].current_commit == parent[0]
    assert {commit for _, commit, _ in world.runs.take()} == {parent[0]}


async def test_a_repository_that_is_away_is_tried_again(world: World, temporal: "parts.Temporal") -> None:
    commit = world.commit({"stackly.hcl": STACK, "main.tf": MODULE})
    hidden = world.repo.folder.with_name("hidden.git")
    world.repo.folder.rename(hidden)
    async with orchestrating(world, temporal.address) as adapter:
        push = await world.deliver(commit)
        namespace = (await world.ground.namespaces.by_name(world.subject)).temporal_namespace
        handle = (await adapter.client(namespace, world.dev.account_id)).get_workflow_handle(f"push/{push.inbox_id}")
        for _ in range(2000):
            try:
                description = await handle.describe()
            except Exception:  # noqa: BLE001  (the relay has not started it yet)
                await asyncio.sleep(0.01)
                continue
            if any(each.attempt > 1 for each in description.raw_description.pending_activities):
                break
            await asyncio.sleep(0.01)
        hidden.rename(world.repo.folder)
        assert await outcome_of(world, push) == "1 stacks changed, 1 runs"
