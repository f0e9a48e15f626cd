"""An apply that finds, before it begins, that what was planned on is not what is there: planned again, a few times at most."""

from uuid import uuid4

import pytest

from server.runs.desk import Desk
from server.runs.test_rounds import ROOT, WAITS, B, applying, chain, end, partly, plan, refused
from server.runs.test_units import Runner
from stackly.v1 import runs_pb2
from stackly.worker.v1 import runner_service_pb2 as wire
from stackly_server.access import system
from stackly_server.runs.model import Outcome, Phase, Status
from stackly_server.runs.rounds import too_stale
from stackly_server.runs.service import Shown

ERROR = runs_pb2.RunError(reason="PLAN_STALE", message="Nothing was applied.")
SAID = {"reason": "PLAN_STALE", "message": "Nothing was applied: the environment is another."}


async def stale(desk: Desk, run: Shown, number: int) -> Shown:
    """An approved plan whose apply does not begin."""
    runner = await desk.claim(run, Phase.APPLY, number)
    await desk.rooms.batches.finish(runner, Outcome.STALE, SAID, [], -1)
    return await desk.read(run)


async def approved(desk: Desk) -> Shown:
    run = await desk.create()
    await plan(desk, run, chain("one", [B]))
    return await desk.approve(run)


async def test_the_run_is_planned_again_and_keeps_its_approval_under_an_equal_digest(desk: Desk) -> None:
    run = await approved(desk)
    again = await stale(desk, run, 1)
    assert (again.run.status, again.run.plan_number, again.run.error) == (Status.QUEUED, 2, None)
    assert (await desk.world.stack_states())["hello"].head.lock_id is None
    assert (await plan(desk, run, chain("one", [B]), number=2)).run.status is Status.APPLY_QUEUED
    await end(desk, await applying(desk, run, number=2), WAITS)
    assert await desk.status(run) is Status.PARTIALLY_APPLIED
    told = [kind for kind, thing in await desk.world.events() if thing == run.name]
    first = ["run.created", "run.claimed", "run.planning", "run.approval_requested", "run.approved", "run.apply_queued"]
    second = ["run.claimed", "run.planning", "run.apply_queued", "run.claimed", "run.applying", "run.partially_applied"]
    assert told == [*first, "run.claimed", "run.queued", *second]


async def test_another_digest_is_asked_for(desk: Desk) -> None:
    run = await approved(desk)
    await stale(desk, run, 1)
    assert (await plan(desk, run, chain("two", [B]), number=2)).run.status is Status.AWAITING_APPROVAL


async def test_others_apply_meanwhile(desk: Desk) -> None:
    run = await approved(desk)
    other = await desk.create()
    await plan(desk, other, chain("one", [B]))
    await desk.approve(other)
    await stale(desk, run, 1)
    assert await desk.status(other) is Status.APPLY_QUEUED
    await applying(desk, other)  # it has the lock


async def test_it_is_told_once_and_nothing_begins_afterwards(desk: Desk) -> None:
    run = await approved(desk)
    runner = await desk.claim(run, Phase.APPLY)
    for _ in range(2):
        await desk.rooms.batches.finish(runner, Outcome.STALE, SAID, [], -1)
    assert (await desk.read(run)).run.plan_number == 2
    assert await desk.count("SELECT count(*) FROM outbox WHERE kind = 'plan'") == 2
    await refused(desk.rooms.batches.start_apply(runner, uuid4(), [ROOT]), "LEASE_LOST")
    await refused(desk.rooms.batches.finish(runner, Outcome.FAILED, None, [], 1), "LEASE_LOST")
    found = await desk.settling().input(desk.me.tenant, run.run.id, 1, Phase.APPLY)
    assert found is None, "its workflow finds nothing to do"


async def test_a_worker_that_dies_before_it_tells_is_followed_by_another(desk: Desk) -> None:
    run = await approved(desk)
    found = await desk.settling().input(desk.me.tenant, run.run.id, 1, Phase.APPLY)
    dead = await desk.claim(run, Phase.APPLY)
    async with desk.world.ground.database.transaction(system(desk.me.tenant, "dev")) as tx:
        await tx.conn.execute("UPDATE run_batches SET lease_expires_at = now() - interval '1 hour'")
        await tx.conn.execute("UPDATE workers SET lease_expires_at = now() - interval '1 hour'")
    assert found
    assert (await desk.settling().settle(found[0])).word == "again"
    await refused(desk.rooms.batches.finish(dead, Outcome.STALE, SAID, [], -1), "LEASE_LOST")
    assert (await stale(desk, run, 1)).run.status is Status.QUEUED
    assert (await desk.settling().settle(found[0])).word == "done"


async def test_a_few_times_in_a_row_are_enough(desk: Desk) -> None:
    run = await approved(desk)
    for number in (1, 2, 3):
        assert (await stale(desk, run, number)).run.status is Status.QUEUED
        await plan(desk, run, chain("one", [B]), number=number + 1)
    ended = (await stale(desk, run, 4)).run
    assert ended.status is Status.FAILED
    assert ended.error
    assert ended.error["reason"] == "PLAN_STALE"
    assert "the environment is another. So it was 4 times in a row" in ended.error["message"]
    state = (await desk.world.stack_states())["hello"]
    assert (state.head.lock_id, state.state.last_run_failed) == (None, True)


async def test_an_apply_that_began_starts_the_count_anew(desk: Desk) -> None:
    run = await partly(desk)
    for number in (2, 3, 4):
        await plan(desk, run, chain("two", skipped=[B]), number=number, serial=1)
        if number == 2:
            await desk.approve(run)
        assert (await stale(desk, run, number)).run.status is Status.QUEUED
    await plan(desk, run, chain("two", skipped=[B]), number=5, serial=1)
    await end(desk, await applying(desk, run, number=5, serial=2), WAITS)
    await plan(desk, run, chain("three", skipped=[B]), number=6, serial=2)
    await desk.approve(run)
    assert (await stale(desk, run, 6)).run.status is Status.QUEUED
    assert too_stale(3, None) is None
    assert too_stale(4, None)


async def test_what_was_canceled_meanwhile_stays_so(desk: Desk) -> None:
    run = await approved(desk)
    runner = await desk.claim(run, Phase.APPLY)
    await desk.rooms.runs.cancel(desk.me, run.name, "no", force=False)
    await desk.rooms.batches.finish(runner, Outcome.STALE, SAID, [], -1)
    assert await desk.status(run) is Status.CANCELED
    assert await desk.count("SELECT count(*) FROM run_batches WHERE plan_number = 2") == 0


async def test_only_an_apply_by_units_that_did_not_begin_is_stale(desk: Desk) -> None:
    finish = desk.rooms.batches.finish
    run = await desk.create()
    await refused(finish(await desk.claim(run, Phase.PLAN), Outcome.STALE, SAID, [], -1), "VALIDATION_FAILED")
    run = await approved(desk)
    runner = await desk.claim(run, Phase.APPLY)
    await refused(finish(runner, Outcome.STALE, SAID, [], -1, [WAITS]), "VALIDATION_FAILED")
    await desk.rooms.batches.start_apply(runner, uuid4(), [ROOT])
    await refused(finish(runner, Outcome.STALE, SAID, [], -1), "VALIDATION_FAILED")
    await finish(runner, Outcome.FAILED, SAID, [], 1)
    whole = await desk.approve(await desk.planned())
    await refused(finish(await desk.claim(whole, Phase.APPLY), Outcome.STALE, SAID, [], -1), "VALIDATION_FAILED")


@pytest.mark.parametrize("message", ["", "Nothing was applied: the state is another."])
def test_the_end_says_why(message: str) -> None:
    found = too_stale(9, {"message": message} if message else None)
    assert found
    assert found["message"].startswith(message or "what the plan was made on")
    assert "9 times" in found["message"]


async def test_on_the_wire(desk: Desk) -> None:
    run = await approved(desk)
    report = wire.FinishBatchRequest(outcome="BATCH_OUTCOME_STALE", error=ERROR, exit_code=-1)
    await Runner(desk).servicer.FinishBatch(report, await desk.claim(run, Phase.APPLY))
    assert await desk.status(run) is Status.QUEUED
