"""The life of runs: what each step asks for, what it leaves behind, and what it refuses."""

import hashlib
from uuid import uuid4

import pytest

from server.runs.desk import NAME, Desk, state_json
from stackly_engine import exact
from stackly_server.access import system
from stackly_server.errors import Conflict, Denied, NotNow, StacklyError
from stackly_server.runs.model import NewRun, Outcome, Phase, RunType, Status
from stackly_server.states.model import Refusal


async def _refused(call: object, reason: str) -> StacklyError:
    with pytest.raises(StacklyError) as refusal:
        await call  # type: ignore[misc]
    assert refusal.value.reason == reason
    return refusal.value


async def test_a_run_is_planned_approved_applied(desk: Desk) -> None:
    run = await desk.create()
    assert run.run.status is Status.QUEUED
    planned = await desk.plan(run)
    assert planned.run.status is Status.AWAITING_APPROVAL
    assert planned.plan
    assert planned.plan.summary["add"] == 1
    assert (await desk.approve(run)).run.status is Status.APPLY_QUEUED
    applied = await desk.apply(run)
    assert applied.run.status is Status.APPLIED
    state = (await desk.world.stack_states())["hello"]
    assert (state.state.status, state.head.serial, state.head.lock_id) == ("ACTIVE", 1, None)
    assert state.state.commit_hash == run.run.to_commit
    told = [kind for kind, thing in await desk.world.events() if thing == run.name]
    assert told == [
        "run.created", "run.claimed", "run.planning", "run.approval_requested", "run.approved", "run.apply_queued",
        "run.claimed", "run.applying", "run.applied",
    ]  # fmt: skip


async def test_what_is_exported_is_what_its_version_says(desk: Desk) -> None:
    run = await desk.planned()
    await desk.approve(run)
    await desk.apply(run)
    state = (await desk.world.stack_states())["hello"].state
    version = await desk.rooms.states.version(desk.me.tenant, state.id, None)
    exported = await desk.rooms.states.document(desk.me.tenant, version)
    assert (len(exported), hashlib.sha256(exported).hexdigest()) == (version.size_bytes, version.sha256)
    assert exact.loads(exported) == exact.loads(state_json(1, desk.lineage))


async def test_a_plan_without_changes_and_a_plan_only_run_end_there(desk: Desk) -> None:
    assert (await desk.planned("")).run.status is Status.PLANNED_AND_FINISHED
    only = await desk.plan(await desk.create(RunType.PLAN_ONLY))
    assert only.run.status is Status.PLANNED_AND_FINISHED
    await _refused(desk.approve(only), "NOT_WAITING")


async def test_auto_apply_goes_on_where_no_policy_asks(desk: Desk) -> None:
    assert (await desk.planned(auto_apply=True)).run.status is Status.APPLY_QUEUED


async def test_an_approval_names_the_plan(desk: Desk) -> None:
    run = await desk.planned()
    await _refused(desk.rooms.runs.approve(desk.me, run.name, "0" * 64, ""), "PLAN_CHANGED")
    await desk.approve(run)
    await _refused(desk.approve(run), "NOT_WAITING")
    assert await desk.count("SELECT count(*) FROM approvals") == 1


async def test_a_rejected_run_is_at_its_end(desk: Desk) -> None:
    run = await desk.planned()
    assert (await desk.rooms.runs.reject(desk.me, run.name, "no")).run.status is Status.REJECTED
    await _refused(desk.approve(run), "NOT_WAITING")
    assert (await desk.planned()).run.status is Status.AWAITING_APPROVAL


async def test_a_policy_asks_for_others_and_its_change_voids_what_was_said(desk: Desk) -> None:
    await desk.rooms.policies.create(desk.me, "accounts/dev", 'policy "two" {\n  approval { min_approvers = 2 }\n}\n')
    run = await desk.planned(auto_apply=True)
    assert run.run.status is Status.AWAITING_APPROVAL
    await _refused(desk.approve(run), "SELF_APPROVAL")
    assert (await desk.approve(run, desk.member("bob"))).run.status is Status.AWAITING_APPROVAL
    assert (await desk.approve(run, desk.member("bob"))).run.status is Status.AWAITING_APPROVAL
    policy = await desk.rooms.policies.get(desk.me, "accounts/dev/policies/two")
    changed = 'policy "two" {\n  approval {\n    min_approvers = 2\n    self = false\n  }\n}\n'
    await desk.rooms.policies.update(desk.me, "accounts/dev/policies/two", changed, policy.etag)
    assert [valid for _, valid in (await desk.read(run)).approvals] == [False]
    assert (await desk.approve(run, desk.member("cat"))).run.status is Status.AWAITING_APPROVAL
    assert (await desk.approve(run, desk.member("bob"))).run.status is Status.APPLY_QUEUED


async def test_a_policy_that_is_gone_lets_the_waiting_go_on(desk: Desk) -> None:
    await desk.rooms.policies.create(desk.me, "accounts/dev", 'policy "one" {\n  approval {}\n}\n')
    run = await desk.planned(auto_apply=True)
    await desk.settling().rejudge(desk.me.tenant)
    assert await desk.status(run) is Status.AWAITING_APPROVAL
    await desk.rooms.policies.delete(desk.me, "accounts/dev/policies/one", "", force=True)
    await desk.settling().rejudge(desk.me.tenant)
    assert await desk.status(run) is Status.APPLY_QUEUED


async def test_the_second_run_waits_and_plans_again_and_an_equal_plan_keeps_its_approval(desk: Desk) -> None:
    first, second, third = [await desk.planned("one"), await desk.planned("two"), await desk.planned("three")]
    for run in (first, second, third):
        await desk.approve(run)
    waiting = await desk.read(second)
    assert (waiting.run.status, waiting.head and waiting.head.lock_holder) == (Status.APPLY_QUEUED, first.name)
    await desk.apply(first)
    assert [await desk.status(run) for run in (second, third)] == [Status.QUEUED, Status.QUEUED]
    again = await desk.plan(second, "two", serial=1, number=2)
    assert (again.run.status, again.run.plan_number) == (Status.APPLY_QUEUED, 2)
    other = await desk.plan(third, "changed", serial=1, number=2)
    assert other.run.status is Status.AWAITING_APPROVAL
    assert [valid for _, valid in other.approvals] == [False]
    assert (await desk.apply(second, serial=2, number=2)).run.status is Status.APPLIED


async def test_who_waits_for_an_apply_plans_again_when_that_has_ended(desk: Desk) -> None:
    """Not on each state that is written on the way: such a plan would be stale before people have read it."""
    first, second = await desk.planned(), await desk.planned("two")
    await desk.approve(first)
    runner = await desk.started(first)
    assert await desk.write(runner, 1) is None
    waits = await desk.approve(second)
    assert (waits.run.status, waits.run.plan_number) == (Status.APPLY_QUEUED, 1)
    assert await desk.write(runner, 2) is None
    await desk.rooms.batches.finish(runner, Outcome.SUCCEEDED, None, [], 0)
    again = await desk.read(second)
    assert (again.run.status, again.run.plan_number) == (Status.QUEUED, 2)


async def test_a_lock_of_a_person_holds_an_apply_back(desk: Desk) -> None:
    state = (await desk.world.stack_states())["hello"].state
    head = await desk.rooms.states.lock(desk.me, state.id, NAME, "by hand", None)
    run = await desk.planned()
    shown = await desk.approve(run)
    assert (shown.run.status, shown.head and shown.head.lock_reason) == (Status.APPLY_QUEUED, "by hand")
    assert await desk.count("SELECT count(*) FROM run_batches WHERE phase = 'APPLY'") == 0
    async with desk.world.ground.database.transaction(desk.me) as tx:
        await desk.rooms.states.unlock(tx, state.id, NAME, head.lock_id, False)
        await desk.rooms.progress.advance(tx, state)
    assert (await desk.apply(run)).run.status is Status.APPLIED


@pytest.mark.parametrize("phase", ["queued", "planning", "awaiting", "apply_queued", "applying"])
async def test_a_run_is_canceled_in_every_phase(desk: Desk, phase: str) -> None:
    run = await desk.create() if phase in {"queued", "planning"} else await desk.planned()
    runner = await desk.claim(run, Phase.PLAN) if phase == "planning" else None
    if phase in {"apply_queued", "applying"}:
        await desk.approve(run)
    if phase == "applying":
        runner = await desk.started(run)
    canceled = await desk.rooms.runs.cancel(desk.me, run.name, "enough", force=False)
    if runner is None:
        assert canceled.run.status is Status.CANCELED
    else:
        assert canceled.run.status is Status.CANCELING
        _, stop, force = await desk.rooms.batches.renew(runner, 0)
        assert (stop, force) == (True, False)
        await desk.rooms.runs.cancel(desk.me, run.name, "now", force=True)
        assert (await desk.rooms.batches.renew(runner, 0))[1:] == (True, True)
        await desk.rooms.batches.finish(runner, Outcome.GONE, None, [], 1)
    assert await desk.status(run) is Status.CANCELED
    assert (await desk.rooms.runs.cancel(desk.me, run.name, "again", force=False)).run.status is Status.CANCELED
    follower = await desk.planned("other")
    await desk.approve(follower)
    assert (await desk.apply(follower)).run.status is Status.APPLIED, "no lock is left behind"


async def test_what_is_done_cannot_be_canceled(desk: Desk) -> None:
    await _refused(desk.rooms.runs.cancel(desk.me, (await desk.planned("")).name, "", force=False), "RUN_DONE")


async def test_an_apply_begins_once(desk: Desk) -> None:
    run = await desk.planned()
    await desk.approve(run)
    runner = await desk.claim(run, Phase.APPLY)
    token = uuid4()
    await desk.rooms.batches.start_apply(runner, token)
    await desk.rooms.batches.start_apply(runner, token)
    await _refused(desk.rooms.batches.start_apply(runner, uuid4()), "ALREADY_STARTED")
    await _refused(desk.claim(run, Phase.APPLY), "ALREADY_STARTED")


async def test_who_was_fenced_changes_nothing_and_loses_no_byte(desk: Desk) -> None:
    run = await desk.planned()
    await desk.approve(run)
    old = await desk.started(run)
    lease = await desk.rooms.batches.reclaim(desk.worker, desk.ref(run, Phase.APPLY))
    new = await desk.rooms.batches.identify(lease.run_token)
    assert await desk.write(old, 1) is Refusal.NOT_HOLDER
    for call in (desk.rooms.batches.renew(old, 0), desk.rooms.batches.finish(old, Outcome.SUCCEEDED, None, [], 0)):
        await _refused(call, "LEASE_LOST")
    assert await desk.write(new, 1) is None
    await desk.rooms.batches.finish(new, Outcome.LOST, None, ["terraform_data.y"], -1)
    shown = await desk.read(run)
    assert (shown.run.status, shown.run.suspects) == (Status.FAILED, ("terraform_data.y",))
    assert await desk.count("SELECT count(*) FROM state_quarantine") == 1
    assert await desk.write(new, 2) is Refusal.NOT_HOLDER, "the lock was given back"


async def test_a_newer_push_takes_the_place_of_older_ones(desk: Desk) -> None:
    state = (await desk.world.stack_states())["hello"].state
    make = desk.rooms.runs.create_for_push
    account = desk.me.tenant
    hand = await desk.planned()
    first = await make(account, "dev", state.id, state.desired_commit, "d-1", auto_apply=False)
    assert await make(account, "dev", state.id, state.desired_commit, "d-1", auto_apply=False) == first
    await make(account, "dev", state.id, state.desired_commit, "d-2", auto_apply=False)
    assert (await desk.rooms.runs.get(desk.me, first)).run.status is Status.SUPERSEDED
    assert await desk.status(hand) is Status.AWAITING_APPROVAL


async def test_a_destroy_that_is_not_to_be_leaves_the_stack_state_as_it_was(desk: Desk) -> None:
    run = await desk.planned()
    await desk.approve(run)
    await desk.apply(run)
    doomed = await desk.create(RunType.DESTROY)
    assert (await desk.world.stack_states())["hello"].state.status == "DESTROYING"
    await desk.plan(doomed, serial=1)
    await desk.rooms.runs.reject(desk.me, doomed.name, "")
    assert (await desk.world.stack_states())["hello"].state.status == "ACTIVE"
    doomed = await desk.plan(await desk.create(RunType.DESTROY), serial=1)
    await desk.approve(doomed)
    await desk.apply(doomed, serial=2)
    assert (await desk.world.stack_states())["hello"].state.status == "DESTROYED"


async def test_a_plan_that_nobody_can_take_waits_for_ever(desk: Desk) -> None:
    """Its workers cannot reach the API, say: that is no reason to give it up, and its task stays good."""
    run = await desk.create()
    wanted, _ = await desk.settling().input(desk.me.tenant, run.run.id, 1, Phase.PLAN) or pytest.fail("no batch")
    settled = [await desk.settling().settle(wanted) for _ in range(20)]
    assert {(one.word, one.nonce) for one in settled} == {("again", wanted.nonce)}
    assert (await desk.plan(run)).run.status is Status.AWAITING_APPROVAL


async def test_an_apply_is_lost_only_while_the_api_is_up(desk: Desk) -> None:
    run = await desk.planned()
    await desk.approve(run)
    await desk.started(run)
    found = await desk.settling().input(desk.me.tenant, run.run.id, 1, Phase.APPLY)
    assert found is not None
    async with desk.world.ground.database.transaction(system(desk.me.tenant, "dev")) as tx:
        await tx.conn.execute("UPDATE workers SET lease_expires_at = now() - interval '1 hour'")
        await tx.conn.execute("UPDATE run_batches SET lease_expires_at = now() - interval '1 hour'")
    assert (await desk.settling().settle(found[0])).word == "wait"
    assert await desk.status(run) is Status.APPLYING


async def test_nobody_answers_in_time(desk: Desk) -> None:
    run = await desk.planned()
    async with desk.world.ground.database.transaction(system(desk.me.tenant, "dev")) as tx:
        await tx.conn.execute("UPDATE runs SET expires_at = now() - interval '1 second'")
    await desk.settling().expire(desk.me.tenant)
    assert await desk.status(run) is Status.EXPIRED


async def test_who_may_not_is_told_which_permission(desk: Desk) -> None:
    nobody = desk.world.dev.subject("runs.read", member="eve")
    with pytest.raises(Denied, match=r"runs\.create"):
        await desk.rooms.runs.create(nobody, NAME, NewRun(RunType.APPLY))
    run = await desk.planned()
    with pytest.raises(Denied, match=r"runs\.approve"):
        await desk.rooms.runs.approve(nobody, run.name, run.run.plan_digest, "")


async def test_a_batch_of_a_worker_that_is_another_is_not_given(desk: Desk) -> None:
    run = await desk.create()
    with pytest.raises(Conflict, match="nonce"):
        await desk.rooms.batches.claim(desk.worker, desk.ref(run, Phase.PLAN), "x" * 32)
    async with desk.world.ground.database.transaction(system(desk.me.tenant, "dev")) as tx:
        await tx.conn.execute("UPDATE workers SET verified = '{}'")
    with pytest.raises(NotNow, match="terraform"):
        await desk.claim(run, Phase.PLAN)
    assert (await desk.read(run)).missing_capabilities
