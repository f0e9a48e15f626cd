"""Runs that go wrong in the middle: what is known is kept, what is not is named, and the next run goes on."""

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from flows.job import ENOUGH, Job
from flows.ledger import WHOLE, Ledger, resources, tainted
from stackly_sdk import AsyncRun
from stackly_worker.runner.journal import Journal
from waiting import eventually

pytestmark = pytest.mark.flows


async def repaired(job: Job, ledger: Ledger, folder: Path) -> None:
    """AssertionError unless the next run makes what is missing."""
    stack = await job.owner.stacks.get(ledger.stack)
    assert stack.raw.lock is None
    await job.applied(await job.confirmed(await stack.deploy()))
    state = await job.state(ledger.stack)
    assert resources(state) == ledger.addresses
    assert "No changes." in await ledger.plain_plan(state, folder)


async def test_a_resource_fails(job: Job, tmp_path: Path) -> None:
    ledger = job.ledger(steps=6, lanes=1, pause=0)
    broken = ledger.fail(3)
    run = await job.confirmed(await job.pushed(ledger))
    await job.ended(run)
    assert run.status.name == "FAILED"
    assert run.error is not None
    assert run.error.reason == "APPLY_FAILED"
    assert [error.address for error in run.error.terraform_errors] == ["terraform_data.step_3"]
    assert not run.raw.suspects
    state = resources(await job.state(ledger.stack))
    assert state == {f"terraform_data.step_{number}" for number in range(4)}  # the failed one is tainted
    assert len(ledger.begun()) == 4
    broken.unlink()
    await repaired(job, ledger, tmp_path / "plain")
    assert [ledger.begun().count(f"terraform_data.step_{number}") for number in range(6)] == [1, 1, 1, 2, 1, 1]


async def killed(job: Job, ledger: Ledger, run: AsyncRun, *, terraform: bool) -> None:
    """SIGKILL of the runner in the middle of an apply, and of Terraform too; waits for the end."""
    await job.applying(run, ledger, 4)
    batch = next(Path(folder) for folder in job.platform.runners() if f"{run.raw.uid}-1-apply" in folder)
    victims = [job.platform.runners()[str(batch)]]
    if terraform:
        pid = Journal(batch / "apply").pid()
        assert pid, "there is no Terraform to kill"
        victims.append(pid)
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    await job.ended(run)
    assert run.status.name == "FAILED"
    assert run.error is not None
    assert run.error.reason == "WORKER_LOST"
    assert len(ledger.begun()) < ledger.steps, "the kill came too late"


async def test_the_runner_is_killed(job: Job, tmp_path: Path) -> None:
    """Its Terraform is asked to stop by the next runner, and saves what it has: nothing is unknown."""
    ledger = job.ledger(steps=12, lanes=3, pause=0.5, more=WHOLE)
    run = await job.confirmed(await job.pushed(ledger))
    await killed(job, ledger, run, terraform=False)
    state = await job.state(ledger.stack)
    assert set(run.raw.suspects) == set(ledger.begun()) - resources(state) == set()
    assert tainted(state) == set(ledger.begun()) - set(ledger.ended()) != set()
    await repaired(job, ledger, tmp_path / "plain")
    assert twice(ledger) == tainted(state)


async def test_the_runner_and_terraform_are_killed(job: Job, tmp_path: Path) -> None:
    """What had begun and is not in the state is named: all of it and nothing else."""
    ledger = job.ledger(steps=8, lanes=1, pause=0.5, more=WHOLE)
    run = await job.confirmed(await job.pushed(ledger))
    await killed(job, ledger, run, terraform=True)
    state = await job.state(ledger.stack)
    assert set(run.raw.suspects) == set(ledger.begun()) - resources(state) != set()
    await repaired(job, ledger, tmp_path / "plain")
    assert twice(ledger) == set(run.raw.suspects)


def twice(ledger: Ledger) -> set[str]:
    """What was begun more than once."""
    return {address for address, times in Counter(ledger.begun()).items() if times > 1}


async def test_nobody_can_take_it_until_a_worker_joins(job: Job) -> None:
    zone = job.platform.name("zone")
    ledger = job.ledger(pause=0, more=f'requires {{\n labels = {{ zone = "{zone}" }}\n}}')
    run = await job.pushed(ledger)

    async def lacking() -> list[str] | None:
        waits = (await run.refresh()).raw.waiting_on
        return list(waits.missing_capabilities) if waits else None

    assert await eventually(lacking, ENOUGH) == [f"label zone={zone}"]
    assert run.status.name == "QUEUED"
    worker = await job.platform.join(job.owner, LABELS=f'{{"zone": "{zone}"}}')
    await run.wait("planned", 15)
    await job.applied(await job.confirmed(run))
    joined = [each async for each in job.owner.workers.list() if each.name == run.raw.worker]
    proved = joined[0].verified_capabilities
    assert proved is not None
    assert proved.labels == {"zone": zone}
    await job.platform.leave(worker)


async def test_planned_by_one_worker_and_applied_by_another(job: Job, tmp_path: Path) -> None:
    """Their homes differ, as do the machines they stand for."""
    zone = job.platform.name("zone")
    labels = f'{{"zone": "{zone}"}}'
    ledger = job.ledger(pause=0, more=f'requires {{\n labels = {{ zone = "{zone}" }}\n}}')
    planner = await job.platform.join(job.owner, LABELS=labels)
    run = await job.pushed(ledger)
    await run.wait("waiting", ENOUGH)
    planned_by = run.raw.worker
    await job.platform.leave(planner)
    other = await job.platform.join(job.owner, LABELS=labels)
    await job.applied(await run.approve())
    await job.platform.leave(other)
    assert run.raw.worker != planned_by
    ledger.each_once()
    state = await job.state(ledger.stack)
    assert resources(state) == ledger.addresses
    assert "No changes." in await ledger.plain_plan(state, tmp_path / "plain")
