"""A part is killed once in the middle of a slow apply: the run ends right, nothing is made twice, nothing is lost."""

from pathlib import Path

import pytest

from flows.job import Job
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
    return [f"{step.name.rpartition('/')[2]} {step.status.name}" async for step in run.steps()]


@pytest.mark.parametrize("part", PARTS)
async def test_killed_in_the_middle_of_an_apply(job: Job, part: str, tmp_path: Path) -> None:
    ledger = job.ledger("kill", steps=12, lanes=2, pause=0.5)
    run = await job.confirmed(await job.pushed(ledger))
    await job.applying(run, ledger, 3)
    dead, killed_at = job.platform.kill(part)
    seconds = await job.platform.again(part, dead)
    await job.applied(run)
    print(f"{part} was up again {seconds:.1f} s after the kill")
    assert ledger.under_way_at(killed_at), "the kill fell between two resources"
    assert len(ledger.begun()) > len([when for _, word, when in ledger.lines() if word == "begin" and when < killed_at])
    await whole(job, ledger, tmp_path / "plain")
    assert await steps(run) == ["plan-1-b1 SUCCEEDED", "apply-1-b1 SUCCEEDED"]
    assert not run.raw.suspects
