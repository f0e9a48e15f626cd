"""Runs that are applied in rounds: what one leaves is planned, judged and applied again, and each round leaves less."""

import hashlib
from collections.abc import Sequence
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.runs.desk import NAME, Desk, plan_json
from server.runs.test_units import Runner
from server.runs.test_verdict import make_run, make_verdict
from stackly.v1 import runs_pb2
from stackly.worker.v1 import runner_service_pb2 as wire
from stackly.worker.v1 import tasks_pb2
from stackly_engine import plans
from stackly_engine.projected_chain import PlannedUnit, ProjectedChain, project_chain
from stackly_server.access import Subject, system
from stackly_server.errors import StacklyError
from stackly_server.runs.model import FOLLOWS, Left, NewRun, Outcome, Phase, Run, RunType, Status, Trigger
from stackly_server.runs.service import Shown
from stackly_server.runs.submitted import SubmittedPlan
from stackly_server.runs.verdict import after_apply, after_plan
from stackly_server.runs.wire import run_to_proto

ROOT, B, C, D = "root.terraform_data.x", "module.b", "module.c", "module.d"
WAITS, NEEDS = Left(B, "DEFERRED", "it can only be planned now"), Left(C, "NEEDS_OTHERS")


def chain(value: str, deferred: Sequence[str] = (), skipped: Sequence[str] = ()) -> ProjectedChain:
    """One unit that is planned, others that are deferred or skipped. Without a value nothing is left to do."""
    units = [PlannedUnit(ROOT, True, ("new",), 1)]
    units += [PlannedUnit(unit, True, ("new",), deferred=True, needs=(ROOT,)) for unit in deferred]
    units += [PlannedUnit(unit, False, ("unchanged",)) for unit in skipped]
    return project_chain(
        units, [([ROOT], plans.project(plan_json(value), b"k" * 32))], {"terraform_data.x": ROOT}, exports={}
    )


async def plan(desk: Desk, run: Shown, found: ProjectedChain, number: int = 1, serial: int = 0) -> Shown:
    """The whole of a plan by units."""
    runner, document, bundle = await desk.claim(run, Phase.PLAN, number), found.to_bytes(), b"the plans"
    submitted = SubmittedPlan(
        "terraform 1.11.4", "linux_amd64", "tree", serial, desk.lineage if serial else "",
        hashlib.sha256(document).hexdigest(), hashlib.sha256(bundle).hexdigest(), document, bundle,
        record_generations=await desk.count("SELECT coalesce(sum(generation), 0) FROM unit_records"),
    )  # fmt: skip
    await desk.rooms.batches.submit_plan(runner, submitted)
    await desk.rooms.batches.finish(runner, Outcome.SUCCEEDED, None, [], 0)
    return await desk.read(run)


async def end(desk: Desk, runner: Subject, *left: Left) -> None:
    await desk.rooms.batches.finish(runner, Outcome.PARTIAL if left else Outcome.SUCCEEDED, None, [], 0, left)


async def applying(desk: Desk, run: Shown, number: int = 1, serial: int = 1) -> Subject:
    """An apply that has begun and written a state."""
    runner = await desk.claim(run, Phase.APPLY, number)
    await desk.rooms.batches.start_apply(runner, uuid4(), [ROOT])
    assert await desk.write(runner, serial) is None
    return runner


async def partly(desk: Desk, *, auto_apply: bool = False) -> Shown:
    """A run whose first apply left something: one unit that was deferred and one that needs it."""
    run = await desk.create(auto_apply=auto_apply)
    found = await plan(desk, run, chain("one", [B, C], [D]))
    if found.run.status is Status.AWAITING_APPROVAL:
        await desk.approve(run)
    await end(desk, await applying(desk, run), WAITS, NEEDS)
    return await desk.read(run)


async def refused(call: object, reason: str) -> StacklyError:
    with pytest.raises(StacklyError) as refusal:
        await call  # type: ignore[misc]
    assert refusal.value.reason == reason
    return refusal.value


async def test_what_was_left_is_planned_approved_and_applied_again(desk: Desk) -> None:
    run = await partly(desk)
    assert (run.run.status, run.run.plan_number, run.run.done) == (Status.PARTIALLY_APPLIED, 2, False)
    message = run_to_proto(run)
    assert [(one.unit, one.cause, one.detail) for one in message.left_units] == [
        (B, runs_pb2.LEFT_CAUSE_DEFERRED, WAITS.detail), (C, runs_pb2.LEFT_CAUSE_NEEDS_OTHERS, ""),
    ]  # fmt: skip
    assert (message.left_count, message.plan_number, message.workflow_id[-7:]) == (2, 0, "/plan/2")
    state = (await desk.world.stack_states())["hello"]
    assert (state.head.lock_id, state.state.commit_hash, state.head.serial) == (None, "", 1)
    second = await plan(desk, run, chain("two", skipped=[C, D]), number=2, serial=1)
    assert second.run.status is Status.AWAITING_APPROVAL
    assert [valid for _, valid in second.approvals] == [False]
    assert (await desk.approve(run)).run.status is Status.APPLY_QUEUED
    await end(desk, await applying(desk, run, number=2, serial=2))
    applied = await desk.read(run)
    assert (applied.run.status, applied.run.left_count, applied.run.left_units) == (Status.APPLIED, 0, [])
    state = (await desk.world.stack_states())["hello"]
    assert (state.state.commit_hash, state.state.last_run_failed, state.head.lock_id) == (
        run.run.to_commit,
        False,
        None,
    )
    told = [kind for kind, thing in await desk.world.events() if thing == run.name]
    once = ["run.claimed", "run.planning", "run.approval_requested", "run.approved", "run.apply_queued", "run.claimed", "run.applying"]  # fmt: skip
    assert told == ["run.created", *once, "run.partially_applied", *once, "run.applied"]


async def test_an_end_that_is_told_again_makes_no_second_round(desk: Desk) -> None:
    run = await desk.create()
    await plan(desk, run, chain("one", [B]))
    await desk.approve(run)
    runner = await applying(desk, run)
    for _ in range(2):
        await end(desk, runner, WAITS)
    assert (await desk.read(run)).run.plan_number == 2
    assert await desk.count("SELECT count(*) FROM run_batches WHERE phase = 'PLAN'") == 2
    assert await desk.count("SELECT count(*) FROM outbox WHERE kind = 'plan'") == 2


async def test_the_report_of_an_end_is_safe_to_repeat_with_all_that_it_tells(desk: Desk) -> None:
    run = await desk.create()
    await plan(desk, run, chain("one", [B]))
    await desk.approve(run)
    runner = await applying(desk, run)
    report = wire.FinishBatchRequest(
        outcome="BATCH_OUTCOME_PARTIAL", left_units=[runs_pb2.LeftUnit(unit=B, cause="LEFT_CAUSE_DEFERRED")],
        unit_batches=[wire.UnitBatch(number=1, units=[ROOT], status="UNIT_BATCH_STATUS_SUCCEEDED")],
    )  # fmt: skip
    servicer = Runner(desk).servicer
    await servicer.FinishBatch(report, runner)
    await servicer.FinishBatch(report, runner)
    assert await desk.status(run) is Status.PARTIALLY_APPLIED
    report.outcome = tasks_pb2.BATCH_OUTCOME_FAILED
    report.ClearField("left_units")
    await refused(servicer.FinishBatch(report, runner), "LEASE_LOST")


async def test_without_a_policy_auto_apply_goes_on(desk: Desk) -> None:
    run = await partly(desk, auto_apply=True)
    assert (await plan(desk, run, chain("two"), number=2, serial=1)).run.status is Status.APPLY_QUEUED


async def test_a_policy_asks_in_each_round(desk: Desk) -> None:
    await desk.rooms.policies.create(desk.me, "accounts/dev", 'policy "two" {\n  approval {\n    self = true\n  }\n}\n')
    run = await partly(desk, auto_apply=True)
    assert (await plan(desk, run, chain("two"), number=2, serial=1)).run.status is Status.AWAITING_APPROVAL


async def test_nothing_left_to_do_is_applied(desk: Desk) -> None:
    run = await partly(desk)
    done = await plan(desk, run, chain("", skipped=[B, C]), number=2, serial=1)
    assert (done.run.status, done.run.left_count) == (Status.APPLIED, 0)
    assert (await desk.world.stack_states())["hello"].state.commit_hash == run.run.to_commit


@pytest.mark.parametrize("deferred", [[B, C], [B, C, D]])
async def test_a_plan_that_would_leave_no_fewer_is_not_asked_for(desk: Desk, deferred: list[str]) -> None:
    run = await partly(desk)
    found = await plan(desk, run, chain("two", deferred), number=2, serial=1)
    assert found.run.status is Status.FAILED
    assert found.run.error
    assert found.run.error["reason"] == "NO_PROGRESS"
    assert "module.b, module.c" in found.run.error["message"]
    assert (await desk.world.stack_states())["hello"].state.last_run_failed
    facts = "SELECT count(*) FROM events WHERE type = 'run.failed' AND facts->>'reason' = 'NO_PROGRESS'"
    assert await desk.count(facts) == 1


async def test_an_apply_that_leaves_no_fewer_ends_the_run(desk: Desk) -> None:
    run = await partly(desk)
    await plan(desk, run, chain("two", skipped=[B, C]), number=2, serial=1)
    await desk.approve(run)
    await end(desk, await applying(desk, run, number=2, serial=2), Left(C, "NOT_COVERED"), Left(B, "NEEDS_OTHERS"))
    ended = (await desk.read(run)).run
    assert (ended.status, ended.error and ended.error["reason"]) == (Status.FAILED, "NO_PROGRESS")
    assert (await desk.world.stack_states())["hello"].head.lock_id is None


async def test_others_may_apply_between_two_rounds(desk: Desk) -> None:
    run = await partly(desk)
    await plan(desk, run, chain("two", skipped=[B, C]), number=2, serial=1)
    other = await desk.plan(await desk.create(), "three", serial=1)
    await desk.approve(other)
    await desk.apply(other, serial=2)
    await desk.approve(run)
    again = (await desk.read(run)).run
    assert (again.status, again.plan_number, again.left_count) == (Status.QUEUED, 3, 2)
    kept = await plan(desk, run, chain("two", skipped=[B, C]), number=3, serial=2)
    assert kept.run.status is Status.APPLY_QUEUED  # under an equal digest


async def test_what_others_applied_between_two_rounds_is_no_lack_of_progress(desk: Desk) -> None:
    """There is more to do now than this run had left; the round after that is held to it again."""
    run = await partly(desk)
    await desk.approve(await desk.plan(other := await desk.create(), "three", serial=1))
    await desk.apply(other, serial=2)
    more = await plan(desk, run, chain("two", [B, C, D]), number=2, serial=2)
    assert more.run.status is Status.AWAITING_APPROVAL
    await desk.approve(run)
    left = [WAITS, NEEDS, Left(D, "NEEDS_OTHERS")]
    await end(desk, await applying(desk, run, number=2, serial=3), *left)
    assert ((await desk.read(run)).run.status, (await desk.read(run)).run.left_count) == (Status.PARTIALLY_APPLIED, 3)
    await plan(desk, run, chain("four", skipped=[B, C, D]), number=3, serial=3)
    await desk.approve(run)
    await end(desk, await applying(desk, run, number=3, serial=4), *left)
    ended = (await desk.read(run)).run
    assert (ended.status, ended.error and ended.error["reason"]) == (Status.FAILED, "NO_PROGRESS")


async def test_others_that_applied_before_or_other_stacks_excuse_nothing(desk: Desk) -> None:
    before = await desk.plan(await desk.create(), "zero")
    await desk.approve(before)
    await desk.apply(before)
    run = await desk.create()
    await plan(desk, run, chain("one", [B, C], [D]), serial=1)
    await desk.approve(run)
    await end(desk, await applying(desk, run, serial=2), WAITS, NEEDS)
    waiting = await desk.plan(await desk.create(), "three", serial=2)  # it does not apply
    assert waiting.run.status is Status.AWAITING_APPROVAL
    assert (await plan(desk, run, chain("two", [B, C]), number=2, serial=2)).run.status is Status.FAILED


async def test_a_waiting_round_gives_way(desk: Desk) -> None:
    """To a person, to a newer push, to nobody's word; and the stack state says that it was left between two commits."""
    canceled = await partly(desk)
    assert (await desk.rooms.runs.cancel(desk.me, canceled.name, "no", force=False)).run.status is Status.CANCELED
    assert (await desk.world.stack_states())["hello"].state.last_run_failed
    assert await desk.count("SELECT count(*) FROM run_batches WHERE status = 'QUEUED'") == 0
    assert await desk.count("SELECT count(*) FROM outbox WHERE kind = 'stop_workflow'") == 1


async def test_a_newer_push_takes_the_place_of_a_waiting_round(desk: Desk) -> None:
    run = await desk.rooms.runs.create(desk.me, NAME, NewRun(RunType.APPLY, Trigger.PUSH))
    await plan(desk, run, chain("one", [B]))
    await desk.approve(run)
    await end(desk, await applying(desk, run), WAITS)
    await desk.rooms.runs.create(desk.me, NAME, NewRun(RunType.APPLY, Trigger.PUSH))
    assert await desk.status(run) is Status.SUPERSEDED
    assert (await desk.world.stack_states())["hello"].state.last_run_failed


async def test_nobody_approves_the_rest(desk: Desk) -> None:
    run = await partly(desk)
    await plan(desk, run, chain("two"), number=2, serial=1)
    async with desk.world.ground.database.transaction(system(desk.me.tenant, "dev")) as tx:
        await tx.conn.execute("UPDATE runs SET expires_at = now() - interval '1 second'")
    await desk.settling().expire(desk.me.tenant)
    ended = (await desk.read(run)).run
    assert (ended.status, ended.left_count) == (Status.EXPIRED, 2)
    assert (await desk.world.stack_states())["hello"].state.last_run_failed


async def test_a_run_that_was_to_be_stopped_has_no_second_round(desk: Desk) -> None:
    run = await desk.create()
    await plan(desk, run, chain("one", [B]))
    await desk.approve(run)
    runner = await applying(desk, run)
    await desk.rooms.runs.cancel(desk.me, run.name, "no", force=False)
    await end(desk, runner, WAITS)
    ended = (await desk.read(run)).run
    assert (ended.status, ended.left_count, ended.plan_number) == (Status.CANCELED, 1, 1)


async def test_a_round_that_loses_its_worker_is_planned_by_another(desk: Desk) -> None:
    run = await partly(desk)
    await desk.claim(run, Phase.PLAN, 2)
    async with desk.world.ground.database.transaction(system(desk.me.tenant, "dev")) as tx:
        await tx.conn.execute("UPDATE run_batches SET lease_expires_at = now() - interval '1 hour'")
        await tx.conn.execute("UPDATE workers SET lease_expires_at = now() - interval '1 hour'")
    found = await desk.settling().input(desk.me.tenant, run.run.id, 2, Phase.PLAN)
    assert found
    assert (await desk.settling().settle(found[0])).word == "again"
    assert (await plan(desk, run, chain("two"), number=2, serial=1)).run.status is Status.AWAITING_APPROVAL


async def test_ends_that_cannot_be_are_refused(desk: Desk) -> None:
    run = await desk.create()
    planning = await desk.claim(run, Phase.PLAN)
    await refused(end(desk, planning, WAITS), "VALIDATION_FAILED")
    async with desk.world.ground.database.transaction(system(desk.me.tenant, "dev")) as tx:
        await tx.conn.execute("UPDATE run_batches SET status = 'QUEUED', worker_id = NULL, epoch = 0")
    await plan(desk, run, chain("one", [B]))
    await desk.approve(run)
    runner = await desk.claim(run, Phase.APPLY)
    await refused(end(desk, runner, WAITS), "VALIDATION_FAILED")  # it has not begun
    await desk.rooms.batches.start_apply(runner, uuid4(), [ROOT])
    finish = desk.rooms.batches.finish
    for outcome, left in (
        (Outcome.PARTIAL, []), (Outcome.SUCCEEDED, [WAITS]), (Outcome.FAILED, [WAITS]),
        (Outcome.PARTIAL, [WAITS, WAITS]), (Outcome.PARTIAL, [Left("module.strange", "DEFERRED")]),
    ):  # fmt: skip
        await refused(finish(runner, outcome, None, [], 0, left), "VALIDATION_FAILED")
    await end(desk, runner, WAITS)
    assert await desk.status(run) is Status.PARTIALLY_APPLIED


def run_in(status: Status, left: int) -> Run:
    found = make_run(status)
    return Run(**{**{name: getattr(found, name) for name in Run.__dataclass_fields__}, "left_count": left})


@given(st.integers(0, 5), st.lists(st.integers(1, 5), max_size=20))
def test_rounds_end(first: int, lefts: list[int]) -> None:
    """Whatever applies leave, each that another round follows left less than the one before."""
    rounds = [first] if first else []
    for now in lefts:
        target = after_apply(run_in(Status.APPLYING, rounds[-1] if rounds else 0), Outcome.PARTIAL, now)
        assert target in FOLLOWS[Status.APPLYING]
        if target is Status.FAILED:
            break
        rounds.append(now)
    assert rounds == sorted(set(rounds), reverse=True)


@given(st.integers(0, 3), st.integers(0, 3), st.booleans(), st.booleans())
def test_a_plan_of_a_round_goes_where_a_plan_may_go(left: int, deferred: int, changes: bool, satisfied: bool) -> None:
    target = after_plan(run_in(Status.PLANNING, left), changes, make_verdict(satisfied=satisfied), deferred)
    assert target in FOLLOWS[Status.PLANNING]
    if left and deferred >= left and changes:
        assert target is Status.FAILED
        again = after_plan(
            run_in(Status.PLANNING, left), changes, make_verdict(satisfied=satisfied), deferred, others=True
        )
        assert again in {Status.APPLY_QUEUED, Status.AWAITING_APPROVAL}
    if not changes:
        assert target is (Status.APPLIED if left else Status.PLANNED_AND_FINISHED)
