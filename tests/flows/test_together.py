"""Several runs of one stack: newer pushes, one lock, a state that moves between plan and apply."""

import pytest

from flows.job import ENOUGH, Job
from flows.ledger import resources
from stackly_sdk import AsyncRun
from waiting import eventually

pytestmark = pytest.mark.flows

TWO = """
variable "x" { type = number }
resource "terraform_data" "a" { input = var.x }
"""
MORE = """
variable "x" { type = number }
resource "terraform_data" "a" {
  input = var.x
  lifecycle { ignore_changes = [input] }
}
resource "terraform_data" "b" { input = "b" }
"""


def tree(stack: str, root: str) -> dict[str, str]:
    return {"code/stackly.hcl": f'stack "{stack}" {{\n  variables {{\n    x = 1\n  }}\n}}\n', "code/main.tf": root}


async def statuses(job: Job, stack: str) -> dict[str, str]:
    """By run, oldest first."""
    found = [(run.id.rpartition("/")[2], run.status.name) async for run in job.owner.runs.list(stack)]
    return {name: str(status) for name, status in reversed(found)}


async def test_a_newer_push_supersedes_what_waits(job: Job) -> None:
    ledger = job.ledger(pause=0)
    first = await job.pushed(ledger)
    await first.wait("waiting", ENOUGH)
    second = await job.pushed(ledger, "2")
    await job.ended(first)
    assert (first.status.name, first.outcome.name) == ("SUPERSEDED", "SKIPPED")
    await job.applied(await job.confirmed(second))
    assert (await job.owner.stacks.get(ledger.stack)).raw.commit == second.to_commit


async def test_pushes_race(job: Job) -> None:
    """Whatever order their deliveries are handled in, the last commit's run is the one that is left."""
    ledger = job.ledger(pause=0)
    commits = [await job.push(ledger.tree(str(number))) for number in range(4)]
    last = await job.run_of(ledger.stack, commits[-1])
    await job.applied(await job.confirmed(last))
    await eventually(lambda: _all_done(job, ledger.stack), ENOUGH)
    found = await statuses(job, ledger.stack)
    assert list(found.values()) == ["SUPERSEDED"] * (len(found) - 1) + ["APPLIED"], found
    ledger.each_once()


async def test_an_apply_is_never_superseded(job: Job) -> None:
    """A run that applies is left alone; the next one in line names it, and plans anew on what it made."""
    ledger = job.ledger(steps=3, lanes=1, pause=0)
    held = ledger.hold(1)
    first = await job.pushed(ledger)
    second = await (await job.owner.stacks.get(ledger.stack)).deploy(message="the same once more")
    await second.wait("waiting", ENOUGH)
    await job.confirmed(first)
    await job.applying(first, ledger, 2)
    await second.approve()
    waits = (await second.refresh()).raw.waiting_on
    assert (second.status.name, waits and waits.blocking_run) == ("APPLY_QUEUED", first.name)
    third = await job.pushed(ledger, "2")
    assert (await first.refresh()).status.name == "APPLYING"
    held.unlink()
    await job.applied(first)
    await job.ended(second)
    assert (second.status.name, second.raw.plan_number) == ("PLANNED_AND_FINISHED", 2)  # nothing is left to do
    ledger.each_once()
    await job.applied(await job.confirmed(third))
    assert resources(await job.state(ledger.stack)) == ledger.addresses
    assert (await job.owner.stacks.get(ledger.stack)).raw.commit == third.to_commit


async def test_the_state_moves_and_the_plan_stays(job: Job) -> None:
    """The plan is made again on the new state; as it is the same plan, the word that was given on it holds."""
    first, second, lock_id = await _two_approved(job, MORE)
    digest = second.plan_digest
    await job.owner.state(first.stack_name).unlock(lock_id)
    await job.applied(first)
    await job.applied(second)
    assert (second.raw.plan_number, second.plan_digest) == (2, digest)
    assert [(approval.valid, approval.plan_digest) for approval in second.raw.approvals] == [(True, digest)]
    steps = [step.name.rpartition("/")[2] async for step in second.steps() if not step.unit]
    assert steps == ["plan-1-b1", "plan-2-b1", "apply-2-b1"]


async def test_the_state_moves_and_the_plan_too(job: Job) -> None:
    first, second, lock_id = await _two_approved(job, TWO.replace("var.x", "10 * var.x"))
    digest = second.plan_digest
    await job.owner.state(first.stack_name).unlock(lock_id)
    await job.applied(first)

    async def asks_again() -> bool:
        return (await second.refresh()).raw.plan_number == 2 and second.status.name == "AWAITING_APPROVAL"

    await eventually(asks_again, ENOUGH)
    assert second.plan_digest != digest
    assert [approval.valid for approval in second.raw.approvals] == [False]
    await job.applied(await second.approve())


async def _two_approved(job: Job, later: str) -> tuple[AsyncRun, AsyncRun, str]:
    """An applied stack with two approved runs behind a person's lock: one sets x to 2, one takes up later code."""
    name = job.platform.name("moved")
    base = await job.run_of(name, await job.push(tree(name, TWO)))
    await job.applied(await job.confirmed(base))
    lock = await job.owner.state(name).lock(reason="a test")
    stack = await job.owner.stacks.get(name)
    first = await stack.deploy(variables={"x": 2})
    second = await job.run_of(name, await job.push(tree(name, later)))
    for run in (first, second):
        await job.confirmed(run)
        assert run.status.name == "APPLY_QUEUED"
    return first, second, lock.lock_id


async def _all_done(job: Job, stack: str) -> bool:
    return all([run.done async for run in job.owner.runs.list(stack)])
