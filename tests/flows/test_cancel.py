"""Cancel in every phase: the run ends CANCELED, nothing is left locked, and the next run goes on."""

from pathlib import Path

import pytest

from flows.gated import GatedPlan
from flows.job import ENOUGH, Job
from flows.ledger import Ledger, resources
from stackly_sdk import AsyncRun, StacklyError
from waiting import eventually

pytestmark = pytest.mark.flows

NOBODY = 'requires {\n labels = { zone = "nowhere" }\n}'


async def canceled(job: Job, run: AsyncRun, stack: str) -> None:
    """AssertionError unless it is canceled, once and for all, and the stack is free."""
    ended = await job.ended(run)
    assert (ended.status.name, ended.outcome.name) == ("CANCELED", "CANCELED")
    assert (await run.cancel()).status.name == "CANCELED"  # once more changes nothing
    assert (await job.owner.stacks.get(stack)).raw.lock is None


async def goes_on(job: Job, ledger: Ledger, folder: Path) -> None:
    """AssertionError unless the next run of the stack makes everything."""
    stack = await job.owner.stacks.get(ledger.stack)
    await job.applied(await job.confirmed(await stack.deploy()))
    state = await job.state(ledger.stack)
    assert resources(state) == ledger.addresses
    assert "No changes." in await ledger.plain_plan(state, folder)


async def test_queued_with_no_worker(job: Job) -> None:
    ledger = job.ledger(more=NOBODY)
    run = await job.pushed(ledger)
    assert run.status.name == "QUEUED"
    assert (await run.cancel(reason="nobody comes")).status.name == "CANCELED"
    await canceled(job, run, ledger.stack)


async def test_planning(job: Job, tmp_path: Path) -> None:
    gated = GatedPlan(job.platform.name("gated"), tmp_path)
    run = await job.run_of(gated.stack, await job.push(gated.tree()))
    async with gated.waiting():
        assert (await run.refresh()).status.name == "PLANNING"
        assert (await run.cancel()).status.name == "CANCELING"
    await canceled(job, run, gated.stack)


async def test_planning_behind_an_apply_of_the_same_stack(job: Job) -> None:
    """A machine has one place for a stack: the plan waits there, says so, and lets itself be canceled meanwhile."""
    ledger = job.ledger(steps=2, lanes=1, pause=0)
    held = ledger.hold(0)
    first = await job.confirmed(await job.pushed(ledger))
    await job.applying(first, ledger, 1)
    second = await (await job.owner.stacks.get(ledger.stack)).plan()

    async def waits() -> bool:
        return any(["Another run of this stack" in line async for line in second.logs(follow=False)])

    await eventually(waits, ENOUGH)
    await second.cancel()
    await job.ended(second)
    assert (second.status.name, (await first.refresh()).status.name) == ("CANCELED", "APPLYING")
    held.unlink()
    await job.applied(first)
    ledger.each_once()


async def test_awaiting_approval(job: Job, tmp_path: Path) -> None:
    ledger = job.ledger(pause=0)
    run = await job.pushed(ledger)
    await run.wait("waiting", ENOUGH)
    digest = run.plan_digest
    assert (await run.cancel()).status.name == "CANCELED"
    await canceled(job, run, ledger.stack)
    with pytest.raises(StacklyError) as refused:
        await run.approve(plan_digest=digest)
    assert refused.value.reason == "NOT_WAITING"
    await goes_on(job, ledger, tmp_path / "plain")


async def test_waiting_for_the_lock(job: Job, tmp_path: Path) -> None:
    ledger = job.ledger(pause=0)
    run = await job.pushed(ledger)
    lock = await job.owner.state(ledger.stack).lock(reason="a test")
    await job.confirmed(run)
    assert run.status.name == "APPLY_QUEUED"
    assert (await run.refresh()).raw.waiting_on is not None
    assert run.raw.waiting_on.lock_holder == "accounts/dev/members/dev"  # type: ignore[union-attr]
    assert (await run.cancel()).status.name == "CANCELED"
    await job.owner.state(ledger.stack).unlock(lock.lock_id)
    await canceled(job, run, ledger.stack)
    assert not ledger.begun()
    await goes_on(job, ledger, tmp_path / "plain")


async def test_applying(job: Job, tmp_path: Path) -> None:
    """Terraform is interrupted once, keeps what it has, and what it did not come to is made by the next run."""
    ledger = job.ledger(steps=4, lanes=1, pause=0)
    held = ledger.hold(2)
    run = await job.confirmed(await job.pushed(ledger))
    await job.applying(run, ledger, 3)
    assert (await run.cancel()).status.name == "CANCELING"
    await canceled(job, run, ledger.stack)
    assert {"terraform_data.step_0", "terraform_data.step_1"} <= resources(await job.state(ledger.stack))
    assert "terraform_data.step_3" not in ledger.begun()
    held.unlink()
    await goes_on(job, ledger, tmp_path / "plain")
    assert [ledger.begun().count(f"terraform_data.step_{number}") for number in range(4)] == [1, 1, 2, 1]
