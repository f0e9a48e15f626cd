"""What must not be is put right: open batches without a workflow, builds without workers, a Temporal that lost its data."""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from uuid import UUID

import psycopg
import pytest
from temporalio import activity
from temporalio.worker import Worker

from api import FreshDatabase
from server.orchestrate.conftest import namespace, sealed
from server.runs.desk import Desk
from stackly.worker.v1 import tasks_pb2
from stackly_server.access import system
from stackly_server.app import WORKFLOWS, activities
from stackly_server.clock import SystemClock
from stackly_server.dev.home import open_home
from stackly_server.dev.part import bring_up
from stackly_server.dev.parts.temporal import Temporal as TemporalServer
from stackly_server.dev.ports import free_ports
from stackly_server.git.reconciling import PushReconciler
from stackly_server.git.starting import PushStarter
from stackly_server.orchestrate.fleet import Fleet
from stackly_server.orchestrate.namespaces import Namespaces
from stackly_server.orchestrate.program import Orchestrator
from stackly_server.orchestrate.sweeps import Sweep, in_each_home
from stackly_server.outside.temporal import Standing, Temporal
from stackly_server.relay import Handler, Relay
from stackly_server.runs.dispatch import RunDispatch
from stackly_server.runs.model import Outcome, Phase, Status
from stackly_server.runs.reconciling import RunReconciler
from stackly_server.runs.service import Shown
from waiting import eventually

__all__ = ["namespace", "sealed"]


class Control:
    """The orchestrator's parts around a desk, on a Temporal of the test's choice."""

    def __init__(self, desk: Desk, temporal: Temporal, database: FreshDatabase) -> None:
        ground = desk.world.ground
        self.desk, self.temporal, self.database = desk, temporal, database
        self.homes = Namespaces(ground.database, temporal)
        settling = desk.settling()
        dispatch = RunDispatch(ground.database, temporal, settling)
        handlers: dict[str, Handler] = {
            "namespace": self.homes.provision, "plan": dispatch.plan, "apply": dispatch.apply,
            "push": PushStarter(ground.namespaces, temporal),
        }  # fmt: skip
        self.relay = Relay(ground.database, ground.hub, handlers, Random(1))
        self.activities = activities(desk.world.git, settling)
        self.runs = self.reconciler(temporal)
        self.pushes = PushReconciler(ground.database, temporal, ground.namespaces)

    def fleet(self) -> Fleet:
        hub = self.desk.world.ground.hub
        return Fleet(self.temporal, self.homes, hub, WORKFLOWS, self.activities, look_seconds=0.2)

    def reconciler(self, temporal: Temporal) -> RunReconciler:
        rooms = self.desk.rooms
        return RunReconciler(
            self.desk.world.ground.database, temporal, rooms.stacks, rooms.states, rooms.progress
        )  # fmt: skip

    @property
    def account_id(self) -> UUID:
        return self.desk.me.tenant

    def age(self) -> None:
        """Lets all that is be two minutes old."""
        with psycopg.connect(self.database.super_url, autocommit=True) as conn:
            conn.execute("UPDATE run_batches SET created_at = created_at - interval '2 minutes'")
            conn.execute("UPDATE run_batches SET finished_at = finished_at - interval '2 minutes'")
            conn.execute("UPDATE inbox SET received_at = received_at - interval '2 minutes'")
            conn.execute("UPDATE runs SET done_at = done_at - interval '2 minutes'")

    @asynccontextmanager
    async def running(self, fleet: Fleet | None = None, *sweeps: Sweep) -> AsyncIterator[Fleet]:
        fleet = fleet or self.fleet()
        program = Orchestrator(fleet, self.relay, sweeps, SystemClock())
        task = asyncio.create_task(program.run())
        try:
            async with asyncio.timeout(60):
                await fleet.ready.wait()
            yield fleet
        finally:
            program.stop()
            await task

    async def standing(self, workflow_id: str) -> Standing:
        return await self.temporal.standing(self.account_id, await self.namespace(), workflow_id)

    async def namespace(self) -> str:
        found = await self.desk.world.ground.namespaces.by_name(system(self.account_id))
        return found.temporal_namespace

    async def until_running(self, workflow_id: str, build: str | None = None) -> None:
        async def there() -> bool:
            found = await self.standing(workflow_id)
            return found.running and build in {None, found.build}

        await eventually(there, 60)

    async def end(self, workflow_id: str) -> None:
        await self.temporal.end(self.account_id, await self.namespace(), workflow_id, "a test")


@pytest.fixture
async def control(desk: Desk, sealed: Temporal, namespace: str, fresh_database: FreshDatabase) -> Control:
    return Control(desk, sealed, fresh_database)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What reconcilers had to do since the last look."""
    words = [record.getMessage() for record in caplog.records if "reconciling" in record.name]
    caplog.clear()
    return words


def plan_of(run: Shown) -> str:
    return f"run/{run.run.id}/plan/1"


async def test_an_open_batch_whose_workflow_was_lost_gets_another(
    control: Control, caplog: pytest.LogCaptureFixture
) -> None:
    run = await control.desk.create()
    async with control.running():
        await control.until_running(plan_of(run))
        await control.end(plan_of(run))
        await control.runs.hand_out(control.account_id)  # too young
        assert not (await control.standing(plan_of(run))).running
        control.age()
        await control.runs.hand_out(control.account_id)
        await control.until_running(plan_of(run))
        assert told(caplog) == ["1 open batches had no workflow; they are handed out again."]
        await control.runs.hand_out(control.account_id)
        assert told(caplog) == []
        assert (await control.desk.plan(run)).run.status is Status.AWAITING_APPROVAL
        await control.runs.hand_out(control.account_id)
        assert told(caplog) == []


async def test_a_workflow_that_ended_well_and_left_its_batch_open_is_no_end(
    control: Control, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker that says that it is done, when it is not."""

    @activity.defn(name="stackly.worker.v1.Tasks.PlanBatch")
    async def lie(_request: tasks_pb2.PlanBatchRequest) -> tasks_pb2.PlanBatchResponse:
        return tasks_pb2.PlanBatchResponse(outcome=tasks_pb2.BATCH_OUTCOME_SUCCEEDED)

    run = await control.desk.create()
    async with control.running():
        await control.until_running(plan_of(run))
        name = await control.namespace()
        client = await control.temporal.client(name, control.account_id)
        async with Worker(client, task_queue=f"{name}.{run.run.selector_hash}", activities=[lie]):
            await eventually(lambda: _ended(control, plan_of(run)))
        control.age()
        await control.runs.hand_out(control.account_id)
        await control.until_running(plan_of(run))
        assert len(told(caplog)) == 1


async def _ended(control: Control, workflow_id: str) -> bool:
    return not (await control.standing(workflow_id)).running


async def test_a_workflow_whose_batch_has_ended_is_no_more(control: Control, caplog: pytest.LogCaptureFixture) -> None:
    gone, kept = await control.desk.create(), await control.desk.create()
    async with control.running():
        for run in (gone, kept):
            await control.until_running(plan_of(run))
    with psycopg.connect(control.database.super_url, autocommit=True) as conn:
        conn.execute(
            "UPDATE run_batches SET finished_at = now(), status = 'CANCELED' WHERE run_id = %s", (gone.run.id,)
        )
    later = After(control.temporal, 120)
    reconciler = control.reconciler(later)  # type: ignore[arg-type]
    name = await control.namespace()
    await eventually(lambda: _listed(control, name, 2))
    await control.runs.stop(control.account_id, name)
    await reconciler.stop(control.account_id, name)
    assert told(caplog) == []  # both are young: the workflows, or the end of the batch
    control.age()
    await reconciler.stop(control.account_id, name)
    assert told(caplog) == ["1 workflows had no open batch; they are ended."]
    assert not (await control.standing(plan_of(gone))).running
    assert (await control.standing(plan_of(kept))).running


async def _listed(control: Control, namespace: str, count: int) -> bool:
    return len(await control.temporal.open_workflows(control.account_id, namespace, "run/", -60)) == count


class After:
    """The same Temporal, some seconds later."""

    def __init__(self, temporal: Temporal, seconds: int) -> None:
        self._temporal = temporal
        self._seconds = seconds

    async def open_workflows(self, account_id: UUID, namespace: str, prefix: str, seconds: int) -> list[str]:
        return await self._temporal.open_workflows(account_id, namespace, prefix, seconds - self._seconds)

    def __getattr__(self, name: str) -> object:
        return getattr(self._temporal, name)


class AfterRelease(Temporal):
    """Says that workers of the new build alone are there; Temporal remembers those of the old one for a while."""

    new = ""

    async def serving_builds(self, account_id: UUID, namespace: str) -> frozenset[str]:
        builds = await super().serving_builds(account_id, namespace)
        assert self.new in builds
        return frozenset({self.new})


async def test_what_a_build_left_goes_on_under_the_next_and_disturbs_no_runner(
    control: Control, temporal: TemporalServer, caplog: pytest.LogCaptureFixture
) -> None:
    desk = control.desk
    run = await desk.create()
    old = control.fleet()
    old.build = "old"
    async with control.running(old):
        await control.until_running(plan_of(run), "old")
        runner = await desk.claim(run, Phase.PLAN)
    control.age()
    async with control.running() as new:
        after = AfterRelease(temporal.address, desk.world.ground.keys)
        after.new = new.build
        await eventually(lambda: _serves(after, control))
        await control.runs.hand_out(control.account_id)  # the old build may still be there, as far as Temporal knows
        assert (await control.standing(plan_of(run))).build == "old"
        assert told(caplog) == []
        await control.reconciler(after).hand_out(control.account_id)
        assert told(caplog) == ["1 open batches had no workflow; they are handed out again."]
        await control.until_running(plan_of(run), new.build)
        await desk.submit(runner, "one")
        await desk.rooms.batches.finish(runner, Outcome.SUCCEEDED, None, [], 0)  # its lease was never taken from it
        assert await desk.status(run) is Status.AWAITING_APPROVAL
        await eventually(lambda: _ended(control, plan_of(run)))


async def _serves(temporal: AfterRelease, control: Control) -> bool:
    for home in await control.homes.active():
        return temporal.new in await Temporal.serving_builds(temporal, home.account_id, home.temporal_namespace)
    return False


async def test_a_delivery_whose_line_was_lost_is_taken_up(control: Control, caplog: pytest.LogCaptureFixture) -> None:
    world = control.desk.world
    push = await world.deliver(world.commit({"other/stackly.hcl": b'stack "other" {\n}\n'}))
    with psycopg.connect(control.database.super_url, autocommit=True) as conn:
        conn.execute("DELETE FROM outbox WHERE kind = 'push'")
    async with control.running():
        await control.pushes.take_up(control.account_id)  # too young
        assert told(caplog) == []
        control.age()
        await control.pushes.take_up(control.account_id)
        assert told(caplog) == ["1 deliveries had no workflow; they are taken up again."]
        await eventually(lambda: _handled(control, push.inbox_id))
        await control.pushes.take_up(control.account_id)
        assert told(caplog) == []
    assert "other" in await world.stack_states()


async def _handled(control: Control, inbox_id: str) -> bool:
    async with control.desk.world.ground.database.read(control.account_id) as conn:
        cursor = await conn.execute("SELECT handled_at IS NOT NULL FROM inbox WHERE id = %s", (inbox_id,))
        return (await cursor.fetchone()) == (True,)


async def test_what_an_ended_run_still_holds_is_taken_back(control: Control, caplog: pytest.LogCaptureFixture) -> None:
    desk = control.desk
    run = await desk.create()
    await desk.claim(run, Phase.PLAN)
    with psycopg.connect(control.database.super_url, autocommit=True) as conn:
        conn.execute("UPDATE runs SET status = 'SUPERSEDED', done_at = now()")
        conn.execute(
            "UPDATE state_heads SET lock_id = gen_random_uuid(), lock_holder = 'x', lock_reason = 'x',"
            " locked_at = now(), lock_run_id = %s",
            (run.run.id,),
        )
        await control.runs.close(control.account_id)
        assert told(caplog) == []  # it has just ended
        control.age()
        await control.runs.close(control.account_id)
        assert told(caplog) == [
            "0 open batches and 1 locks of ended runs were taken back."
        ]  # its runner is still there
        conn.execute("UPDATE run_batches SET lease_expires_at = now() - interval '2 minutes'")
        await control.runs.close(control.account_id)
        assert told(caplog) == ["1 open batches and 0 locks of ended runs were taken back."]
    await control.runs.close(control.account_id)
    assert told(caplog) == []
    assert (await desk.world.stack_states())["hello"].head.lock_id is None


async def test_when_all_is_well_nothing_is_done(control: Control, caplog: pytest.LogCaptureFixture) -> None:
    desk = control.desk
    run = await desk.planned()
    await desk.approve(run)
    await desk.started(run)
    async with control.running() as fleet:
        await control.until_running(f"run/{run.run.id}/apply/1")
        control.age()
        caplog.set_level(logging.INFO)
        for sweep in _all(control, fleet):
            await sweep()
        assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []
        assert await desk.status(run) is Status.APPLYING


def _all(control: Control, fleet: Fleet) -> list[Callable[[], Awaitable[None]]]:
    account_id = control.account_id
    return [
        lambda: control.homes.restore(account_id), fleet.restore, lambda: control.runs.hand_out(account_id),
        in_each_home(control.homes.active, control.runs.stop),
        lambda: control.runs.close(account_id), lambda: control.pushes.take_up(account_id),
    ]  # fmt: skip


async def test_all_goes_on_when_temporal_lost_its_data(
    desk: Desk, fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    server = TemporalServer(open_home(tmp_path / "home"), free_ports())
    bring_up(server)
    control = Control(desk, Temporal(server.address, desk.world.ground.keys), fresh_database)
    fleet = control.fleet()
    sweeps = [Sweep(f"sweep {at}", 0.3, run) for at, run in enumerate(_all(control, fleet))]
    run = await desk.create()
    try:
        async with control.running(fleet, *sweeps):
            await control.until_running(plan_of(run))
            runner = await desk.claim(run, Phase.PLAN)
            server.stop()
            shutil.rmtree(server.home.data("temporal"))
            push = await desk.world.deliver(desk.world.commit({"other/stackly.hcl": b'stack "other" {\n}\n'}))
            bring_up(server)
            assert not (await control.standing(plan_of(run))).running, "its data are gone"
            control.age()
            await control.until_running(plan_of(run), fleet.build)
            await desk.submit(runner, "one")
            await desk.rooms.batches.finish(runner, Outcome.SUCCEEDED, None, [], 0)
            assert await desk.status(run) is Status.AWAITING_APPROVAL
            await eventually(lambda: _ended(control, plan_of(run)))
            await desk.approve(run)
            await control.until_running(f"run/{run.run.id}/apply/1", fleet.build)
            await eventually(lambda: _handled(control, push.inbox_id), 60)
    finally:
        server.stop()
