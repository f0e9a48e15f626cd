"""An apply is for the very engine of its plan; what becomes of a run whose engine is gone."""

from dataclasses import replace

import pytest
from psycopg.types.json import Jsonb

from server.runs.desk import Desk
from stackly_server.access import system
from stackly_server.errors import StacklyError
from stackly_server.runs.engines import pinned, requirement, wanted
from stackly_server.runs.model import Phase, Plan, Status
from stackly_server.runs.service import Shown
from stackly_server.stacks.service import Blueprint
from stackly_server.workers.model import Selector

EXACT = Selector("terraform", "= 1.11.4").hash


async def engines(desk: Desk, *names: str) -> None:
    """The only worker has these from now on."""
    change = "UPDATE workers SET verified = verified || %s"
    async with desk.world.ground.database.transaction(system(desk.me.tenant, "dev")) as tx:
        await tx.conn.execute(change, (Jsonb({"engines": list(names)}),))


async def about(desk: Desk, run: Shown) -> tuple[Blueprint, Plan]:
    state = (await desk.world.stack_states())["hello"].state
    async with desk.world.ground.database.read(desk.me.tenant) as conn:
        blueprint = await desk.rooms.stacks.blueprint(conn, state, run.run.to_commit)
    plan = (await desk.read(run)).plan
    assert plan is not None
    return blueprint, plan


async def test_an_apply_asks_for_the_engine_of_its_plan(desk: Desk) -> None:
    run = await desk.planned()
    blueprint, plan = await about(desk, run)
    assert (requirement(blueprint, None), requirement(blueprint, plan)) == ("terraform", "terraform = 1.11.4")
    tofu = replace(blueprint, engine="tofu", constraint="~> 1.12")
    assert requirement(tofu, None) == "tofu ~> 1.12"
    assert pinned(tofu, replace(plan, engine="tofu 1.12.6")) == replace(wanted(tofu), constraint="= 1.12.6")
    assert pinned(tofu, replace(plan, engine="")) == wanted(tofu)  # of a plan that does not say: as before
    await desk.approve(run)
    apply = f"SELECT count(*) FROM run_batches WHERE phase = 'APPLY' AND task_queue LIKE '%{EXACT}'"  # noqa: S608 - a constant of this file
    assert await desk.count(apply) == 1
    assert (await desk.apply(run)).run.status is Status.APPLIED


@pytest.mark.parametrize("queued", [False, True])
async def test_an_engine_that_is_gone_has_the_run_plan_again(desk: Desk, queued: bool) -> None:
    """Whether it went before the approval, or while the run already held the lock and nobody had taken it."""
    run = await desk.planned()
    if queued:
        await desk.approve(run)
    await engines(desk, "terraform 1.15.5")
    if queued:
        with pytest.raises(StacklyError, match=r"not proved: terraform = 1\.11\.4"):
            await desk.claim(run, Phase.APPLY)
        await desk.settling().advance(desk.me.tenant)
    else:
        await desk.approve(run)
    again = await desk.read(run)
    assert (again.run.status, again.run.plan_number, again.missing_capabilities) == (Status.QUEUED, 2, ())
    assert (await desk.world.stack_states())["hello"].head.lock_id is None
    assert await desk.count("SELECT count(*) FROM run_batches WHERE phase = 'APPLY' AND status = 'QUEUED'") == 0
    await desk.claim(run, Phase.PLAN, 2)


async def test_a_run_that_nobody_can_apply_waits_and_says_what_there_is(desk: Desk) -> None:
    run = await desk.planned()
    await engines(desk, "tofu 1.12.6", "tofu 1.9.0")
    waits = await desk.approve(run)
    assert waits.run.status is Status.APPLY_QUEUED
    assert waits.missing_capabilities == ("terraform = 1.11.4",)
    assert waits.offered_engines == ("tofu 1.9.0", "tofu 1.12.6")
    await desk.settling().advance(desk.me.tenant)
    assert await desk.status(run) is Status.APPLY_QUEUED
    await engines(desk, "terraform 1.11.4")
    assert (await desk.apply(run)).run.status is Status.APPLIED
