"""A machine is lost for ever in the middle of an apply: found, named, and the stack goes on elsewhere (fault row 3)."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from flows.job import ENOUGH, Job
from flows.ledger import WHOLE, Ledger, resources
from flows.platform import Platform
from stackly_sdk import AsyncRun, StacklyError
from stackly_worker.runner.journal import Journal
from waiting import eventually

pytestmark = [pytest.mark.flows, pytest.mark.faults]

FOUND_SECONDS, USABLE_SECONDS = 80, 120  # a minute by leases and grace, and room for a busy machine; R3: usable

STREAMED_SECONDS = 5  # R3 says one; and room for a busy machine
MADE = {"terraform_data.step_0", "terraform_data.step_1"}


def lose(platform: Platform, worker: "subprocess.Popen[bytes]", run: AsyncRun) -> None:
    """SIGKILL of all that the machine runs: agent, runner, Terraform."""
    (note,) = platform.home.glob(f"*/batches/{run.raw.uid}-1-apply-*/*/runner.json")
    runner, terraform = int(json.loads(note.read_text())["pid"]), Journal(note.parent / "apply").pid()
    assert terraform
    worker.kill()
    for pid in (runner, terraform):
        os.kill(pid, signal.SIGKILL)
    worker.wait()


async def streamed(job: Job, ledger: Ledger) -> bool:
    """Whether the control plane knows what has been made so far."""
    try:
        return resources(await job.state(ledger.stack)) == MADE
    except StacklyError as error:
        if error.reason != "NOT_FOUND":
            raise
        return False


async def test_a_host_is_lost_for_ever(job: Job, tmp_path: Path) -> None:
    zone = job.platform.name("zone")
    labels = json.dumps({"zone": zone})
    ledger = job.ledger(steps=4, lanes=1, pause=0, more=f'{WHOLE}\nrequires {{\n labels = {{ zone = "{zone}" }}\n}}')
    held = ledger.hold(2)
    worker = await job.platform.join(job.owner, LABELS=labels)
    run = await job.confirmed(await job.pushed(ledger))
    await job.applying(run, ledger, 3)
    await eventually(lambda: streamed(job, ledger), STREAMED_SECONDS)
    lost_at = time.monotonic()
    lose(job.platform, worker, run)
    held.unlink()
    await job.ended(run, seconds=FOUND_SECONDS)
    found = time.monotonic() - lost_at
    assert (run.status.name, run.error and run.error.reason) == ("FAILED", "WORKER_LOST")
    assert resources(await job.state(ledger.stack)) == MADE
    other = await job.platform.join(job.owner, LABELS=labels)
    again = await (await job.owner.stacks.get(ledger.stack)).deploy()
    await again.wait("waiting", ENOUGH)
    usable = time.monotonic() - lost_at
    await job.applied(await again.approve())
    await job.platform.leave(other)
    print(f"found after {found:.0f} s, usable after {usable:.0f} s")
    assert usable < USABLE_SECONDS
    state = await job.state(ledger.stack)
    assert resources(state) == ledger.addresses
    assert "No changes." in await ledger.plain_plan(state, tmp_path / "plain")
    assert [ledger.begun().count(f"terraform_data.step_{number}") for number in range(4)] == [1, 1, 2, 1]
