"""Runs at the wrong time or by the wrong people: locks, digests, votes, groups. Each is refused with who, what and how."""

import pytest

from flows.job import ENOUGH, Job
from flows.refusals import refused
from stackly_sdk import AsyncRun
from waiting import eventually

pytestmark = pytest.mark.flows

CODE = 'variable "size" {\n  default = 1\n}\nresource "terraform_data" "it" {\n  input = var.size\n}\n'


async def waiting(job: Job, more: str = "") -> AsyncRun:
    """A run that waits for people."""
    name = job.platform.name("vote")
    files = {"code/stackly.hcl": f'stack "{name}" {{\n{more}\n}}\n', "code/main.tf": CODE}
    run = await job.run_of(name, await job.push(files))
    return await run.wait("waiting", ENOUGH)


async def policy(job: Job, rules: str) -> str:
    """What a stack block says so that the policy is in force for it, and for no stack of another test."""
    name = job.platform.name("rule")
    select = f'  select {{\n    labels = {{ rule = "{name}" }}\n  }}\n'
    await job.owner.policies.create(f'policy "{name}" {{\n{select}{rules}\n}}\n')
    return f'  labels = {{ rule = "{name}" }}'


async def test_a_lock_of_another_makes_an_apply_wait_and_says_whose_it_is(job: Job) -> None:
    run = await waiting(job)
    state = job.owner.state(run.stack_name)
    lock = await state.lock(reason="surgery by hand")
    key = await job.platform.member(job.owner, "admin")
    async with job.platform.client(key) as other:
        await refused(other.state(run.stack_name).lock(reason="mine"), "STACK_LOCKED", "members/dev", "surgery by hand")
        await refused(other.state(run.stack_name).unlock("wrong"), "LOCK_ID_MISMATCH")
    await run.approve()

    async def told() -> bool:
        waits = (await run.refresh()).raw.waiting_on
        return waits is not None and waits.lock_holder == "accounts/dev/members/dev"

    await eventually(told, ENOUGH)
    assert run.status.name == "APPLY_QUEUED"
    await state.unlock(lock.lock_id)
    await job.applied(run)


async def test_a_digest_that_is_not_the_current_one_approves_nothing(job: Job) -> None:
    run = await waiting(job)
    old = run.plan_digest
    stack = await job.owner.stacks.get(run.stack_name)
    await job.applied(await stack.deploy(variables={"size": 7}, auto_apply=True))  # the state moves: a new plan
    await refused(run.approve(plan_digest="0" * 64), "PLAN_CHANGED", "read it again")
    await run.approve(plan_digest=old)
    await eventually(lambda: _other_plan(run, old), ENOUGH)
    await run.wait("waiting", ENOUGH)
    error = await refused(run.approve(plan_digest=old), "PLAN_CHANGED")
    assert error.metadata["current"] == run.plan_digest
    assert (await run.refresh()).status.name == "AWAITING_APPROVAL"
    await run.approve()
    await job.applied(run)


async def _other_plan(run: AsyncRun, old: str) -> bool:
    return (await run.refresh()).plan_digest not in {"", old} and run.status.name == "AWAITING_APPROVAL"


async def test_two_votes_of_one_member_are_one(job: Job) -> None:
    rule = await policy(job, "  approval {\n    min_approvers = 2\n  }")
    run = await waiting(job, rule)
    await run.approve(comment="first")
    await run.approve(comment="again")
    await run.refresh()
    assert (run.status.name, len(run.raw.approvals)) == ("AWAITING_APPROVAL", 1)
    key = await job.platform.member(job.owner, "approver")
    async with job.platform.client(key) as other:
        await (await other.runs.get(run.name)).approve()
    await job.applied(run)
    await refused(run.approve(), "NOT_WAITING", "APPLIED")
    await refused(run.reject(), "NOT_WAITING", "APPLIED")
    await refused(run.cancel(), "RUN_DONE", "APPLIED")


async def test_the_author_may_not_approve_where_it_is_forbidden(job: Job) -> None:
    rule = await policy(job, "  approval {\n    min_approvers = 1\n    self = false\n  }")
    first = await waiting(job, rule)
    run = await (await job.owner.stacks.get(first.stack_name)).deploy()
    await run.wait("waiting", ENOUGH)
    await refused(run.approve(), "SELF_APPROVAL", "author")
    assert (await run.refresh()).status.name == "AWAITING_APPROVAL"
    key = await job.platform.member(job.owner, "approver")
    async with job.platform.client(key) as other:
        await (await other.runs.get(run.name)).approve()
    await job.applied(run)


async def test_an_approver_outside_of_the_group(job: Job) -> None:
    group, member = job.platform.name("sre"), job.platform.name("inside")
    await job.owner.members.set(member, roles=["approver"], groups=[group], add=True)
    rule = await policy(job, f'  approval {{\n    min_approvers = 1\n    allowed_groups = ["{group}"]\n  }}')
    run = await waiting(job, rule)
    outside = await job.platform.member(job.owner, "approver")
    async with job.platform.client(outside) as other:
        await refused((await other.runs.get(run.name)).approve(), "APPROVER_GROUP", group)
    inside = (await job.owner.keys.create(member=member)).secret
    viewer = await job.platform.member(job.owner, "viewer")
    async with job.platform.client(viewer) as other:
        await refused((await other.runs.get(run.name)).approve(), "PERMISSION_DENIED", "runs.approve")
    async with job.platform.client(inside) as other:
        await (await other.runs.get(run.name)).approve()
    await job.applied(run)
