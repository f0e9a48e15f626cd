"""Nobody is heard: a runner that stands still under a living agent, and an API that is away for longer than all leases."""

import json
import os
import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from flows.haystacks import connected
from flows.job import ENOUGH, Job
from flows.ledger import WHOLE, Ledger, resources
from flows.platform import Platform, started
from stackly_sdk import AsyncRun
from stackly_server.runs.verdict import LOST_SECONDS
from stackly_worker.runner.journal import Journal
from waiting import until

pytestmark = pytest.mark.flows

LEASE_SECONDS = 10  # 45 are the rule
STEPS, HELD = 5, 2
_LONG_OVER = """
SELECT bool_and(greatest(b.lease_expires_at, w.lease_expires_at) < now() - make_interval(secs => %(seconds)s))
FROM run_batches b JOIN workers w ON w.id = b.worker_id WHERE b.run_id = %(run)s
"""


@pytest.fixture(scope="module")
async def impatient() -> AsyncIterator[Platform]:
    with tempfile.TemporaryDirectory(prefix="stackly-flow-", ignore_cleanup_errors=True) as folder:
        found = await started(Path(folder) / "home", STACKLY_LEASE_SECONDS=str(LEASE_SECONDS))
        yield found
        assert found.stop() == 0


@pytest.fixture
async def job(impatient: Platform, tmp_path: Path) -> AsyncIterator[Job]:
    async with impatient.client() as owner:
        yield Job(impatient, owner, await impatient.repository(owner), tmp_path)


def apply_of(platform: Platform, run: AsyncRun) -> Journal:
    """Of the platform's own worker."""
    (note,) = platform.home.glob(f"worker/batches/{run.raw.uid}-1-apply-*/*/runner.json")
    return Journal(note.parent / "apply")


def runner_of(apply: Journal) -> int:
    return int(json.loads((apply.folder.parent / "runner.json").read_text())["pid"])


def stop(apply: Journal, whole: bool) -> None:
    """SIGSTOP of the runner; `whole`: of Terraform and all that it started too."""
    os.kill(runner_of(apply), signal.SIGSTOP)
    terraform = apply.pid()
    assert terraform
    if whole:
        os.killpg(os.getpgid(terraform), signal.SIGSTOP)


@pytest.mark.parametrize("whole", [False, True], ids=["runner", "with-terraform"])
async def test_a_runner_that_stands_still_is_ended(job: Job, whole: bool, tmp_path: Path) -> None:
    ledger = job.ledger("still", steps=STEPS, lanes=1, pause=0, more=WHOLE)
    held = ledger.hold(HELD)
    run = await job.confirmed(await job.pushed(ledger))
    await job.applying(run, ledger, HELD + 1)
    apply = apply_of(job.platform, run)
    stop(apply, whole)
    await job.ended(run)
    assert apply.pid() is None, "no Terraform outlives its run"
    assert (run.status.name, run.error and run.error.reason) == ("FAILED", "WORKER_LOST")
    made = {f"terraform_data.step_{number}" for number in range(HELD)}
    assert made <= resources(await job.state(ledger.stack)) <= made | set(ledger.begun())
    held.unlink()
    again = await (await job.owner.stacks.get(ledger.stack)).deploy()
    await job.applied(await job.confirmed(again))
    state = await job.state(ledger.stack)
    assert resources(state) == ledger.addresses
    assert "No changes." in await ledger.plain_plan(state, tmp_path / "plain")
    assert Counter(ledger.begun()) == Counter(ledger.addresses) + Counter([f"terraform_data.step_{HELD}"])


def long_over(platform: Platform, run: AsyncRun) -> bool:
    """Whether agent and runner have been silent for longer than anybody is waited for."""
    with connected(platform) as conn:
        asked = {"seconds": 2 * LOST_SECONDS, "run": UUID(run.raw.uid)}
        row = conn.execute(_LONG_OVER, asked).fetchone()
    return bool(row and row[0])


async def silent(job: Job, run: AsyncRun, ledger: Ledger) -> None:
    """All resources are made meanwhile, seen by nobody."""
    await until(lambda: len(ledger.ended()) == ledger.steps, ENOUGH)
    await until(lambda: long_over(job.platform, run), ENOUGH)


@pytest.mark.parametrize("agent_too", [False, True], ids=["api", "api-and-agent"])
async def test_the_api_is_away_longer_than_leases_last(job: Job, agent_too: bool, tmp_path: Path) -> None:
    ledger = job.ledger("away", steps=STEPS, lanes=1, pause=0, more=WHOLE)
    held = ledger.hold(HELD)
    run = await job.confirmed(await job.pushed(ledger))
    await job.applying(run, ledger, HELD + 1)
    with job.platform.api_away() as dead:
        if agent_too:  # so that the orchestrator has to judge what became of its batch
            job.platform.kill("worker")
        held.unlink()
        await silent(job, run, ledger)
    await job.platform.again("serve", dead)
    await job.applied(run)
    ledger.each_once()
    assert not run.raw.suspects
    state = await job.state(ledger.stack)
    assert resources(state) == ledger.addresses
    assert "No changes." in await ledger.plain_plan(state, tmp_path / "plain")
    assert [step.status.name async for step in run.steps()] == ["SUCCEEDED", "SUCCEEDED"]
