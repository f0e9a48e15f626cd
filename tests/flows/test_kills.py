"""A part is killed once in the middle of a slow apply: the run ends right, nothing is made twice, nothing is lost."""

import asyncio
from pathlib import Path

import pytest

from flows.gated import GatedPlan
from flows.job import ENOUGH, Job
from flows.ledger import Ledger, resources
from stackly_sdk import AsyncRun

pytestmark = pytest.mark.flows

PARTS = ("serve", "orchestrate", "worker", "temporal", "postgres", "openbao", "envoy")


async def whole(job: Job, ledger: Ledger, folder: Path) -> None:
    """AssertionError unless all resources were made once and are in the state, and nobody holds the lock."""
    ledger.each_once()
    state = await job.state(ledger.stack)
    assert resources(state) == ledger.addresses
    assert "No changes." in await ledger.plain_plan(state, folder)
    assert (await job.owner.stacks.get(ledger.stack)).raw.lock is None


async def steps(run: AsyncRun) -> list[str]:
    return [f"{step.name.rpartition('/')[2]} {step.status.name}" async for step in run.steps() if not step.unit]


async def killed_while_applying(job: Job, part: str, begun: int, folder: Path) -> None:
    """The whole of it: an apply, a kill once so many resources have begun, and what is there in the end."""
    ledger = job.ledger("kill", steps=12, lanes=2, pause=0.5)
    run = await job.confirmed(await job.pushed(ledger))
    await job.applying(run, ledger, begun)
    dead, killed_at = job.platform.kill(part)
    seconds = await job.platform.again(part, dead)
    await job.applied(run)
    print(f"{part} was up again {seconds:.1f} s after the kill")
    assert ledger.under_way_at(killed_at), "the kill fell between two resources"
    await whole(job, ledger, folder)
    assert await steps(run) == ["plan-1-b1 SUCCEEDED", "apply-1-b1 SUCCEEDED"]
    assert not run.raw.suspects


@pytest.mark.parametrize("part", PARTS)
async def test_killed_in_the_middle_of_an_apply(job: Job, part: str, tmp_path: Path) -> None:
    await killed_while_applying(job, part, 3, tmp_path / "plain")


@pytest.mark.faults
@pytest.mark.parametrize("begun", [1, 12], ids=["first", "last"])
@pytest.mark.parametrize("part", PARTS)
async def test_killed_in_the_first_and_the_last_resource(job: Job, part: str, begun: int, tmp_path: Path) -> None:
    await killed_while_applying(job, part, begun, tmp_path / "plain")


@pytest.mark.faults
@pytest.mark.parametrize("part", PARTS)
async def test_killed_in_the_middle_of_a_plan(job: Job, part: str, tmp_path: Path) -> None:
    gated = GatedPlan(job.platform.name("gated"), tmp_path)
    run = await job.run_of(gated.stack, await job.push(gated.tree()))
    async with gated.waiting():
        gated.open_for_good()
        dead, _ = job.platform.kill(part)
        await job.platform.again(part, dead)
    await job.applied(await job.confirmed(run))
    assert resources(await job.state(gated.stack)) == {"terraform_data.it"}
    assert (await job.owner.stacks.get(gated.stack)).raw.lock is None


@pytest.mark.faults
@pytest.mark.parametrize("part", PARTS)
async def test_killed_as_the_plan_is_approved(job: Job, part: str, tmp_path: Path) -> None:
    """The word is given, whatever has to carry it on is gone."""
    ledger = job.ledger("kill", pause=0)
    run = await job.pushed(ledger)
    await run.wait("waiting", ENOUGH)
    approving = asyncio.create_task(run.approve())
    dead, _ = job.platform.kill(part)
    await approving
    await job.platform.again(part, dead)
    await job.applied(run)
    await whole(job, ledger, tmp_path / "plain")
