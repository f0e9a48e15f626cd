"""One apply on two workers: both do some of it, each resource is made once, and what dies takes nothing with it."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.job import Job
from flows.platform import Platform
from flows.unit_ledger import UnitLedger, held, made
from stackly_sdk import AsyncRun, AsyncStackly
from stackly_worker.runner import units_recovery
from waiting import until

pytestmark = pytest.mark.flows


@dataclass
class Two:
    """The platform's own worker and a second one, by the folders of their batches."""

    platform: Platform
    second: "subprocess.Popen[bytes]"
    homes: tuple[Path, Path]

    def folder(self, run: AsyncRun, batch: str) -> Path | None:
        """Where a batch of an apply is, or was, carried out."""
        found = [path for home in self.homes for path in home.glob(f"batches/{run.raw.uid}-1-apply-{batch}/e*")]
        return found[0] if found else None

    def runner(self, run: AsyncRun, batch: str) -> int:
        """The process that carries a batch out; 0 while there is none."""
        folder = self.folder(run, batch)
        note = folder / "runner.json" if folder else None
        return int(json.loads(note.read_text())["pid"]) if note and note.exists() else 0

    def terraforms(self, run: AsyncRun, batch: str) -> list[int]:
        folder = self.folder(run, batch)
        applies = units_recovery.applies(folder) if folder else []
        return [pid for journal in applies if (pid := journal.pid())]

    async def agent_killed(self, run: AsyncRun, batch: str) -> None:
        """SIGKILL to the agent that has a batch; another one takes its place."""
        folder = self.folder(run, batch)
        assert folder is not None
        if folder.is_relative_to(self.homes[0]):
            dead, _ = self.platform.kill("worker")
            await self.platform.again("worker", dead)
            return
        self.second = await asyncio.to_thread(_replaced, self.second, self.homes[1] / "agent.log")


def _replaced(agent: "subprocess.Popen[bytes]", output: Path) -> "subprocess.Popen[bytes]":
    environment = _environment(agent.pid)
    agent.kill()
    agent.wait()
    with output.open("ab") as log:
        return subprocess.Popen(agent.args, env=environment, stdout=log, stderr=log, start_new_session=True)


def _environment(pid: int) -> dict[str, str]:
    found = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return {name: value for name, _, value in (each.partition("=") for each in found) if name}


@pytest.fixture(scope="module")
async def two(platform: Platform, owner: AsyncStackly) -> AsyncIterator[Two]:
    second = await platform.join(owner)
    homes = platform.home / "worker", max(platform.home.glob("worker-*"), key=lambda path: path.stat().st_mtime_ns)
    found = Two(platform, second, (homes[0], homes[1]))
    yield found
    await platform.leave(found.second)


def ledger_of(job: Job, pause: float) -> UnitLedger:
    return UnitLedger(job.platform.name("two"), job.folder / "ledger", steps=12, pause=pause)


async def steps(run: AsyncRun) -> dict[str, str]:
    return {step.name.rpartition("/")[2]: step.status.name async for step in run.steps()}


async def whole(job: Job, ledger: UnitLedger, folder: Path) -> None:
    state = await job.state(ledger.stack)
    assert made(state) == ledger.addresses
    assert "No changes." in await ledger.plain_plan(state, folder)
    assert (await job.owner.stacks.get(ledger.stack)).raw.lock is None


async def test_both_do_some_of_it(job: Job, two: Two, tmp_path: Path) -> None:
    ledger = ledger_of(job, 1.0)
    run = await job.applied(await job.confirmed(await job.pushed(ledger)))
    found = await steps(run)
    assert {"apply-1-b1", "apply-1-h1"} <= found.keys(), found
    assert set(found.values()) <= {"SUCCEEDED", "CANCELED"}, found
    first, second = two.folder(run, "b1"), two.folder(run, "h1")
    assert first is not None
    assert second is not None
    assert first.parents[2] != second.parents[2]
    ledger.each_once()
    await whole(job, ledger, tmp_path / "plain")
    again = await job.run_of(ledger.stack, await job.push({**ledger.tree(), "code/README.md": "read me"}))
    await job.ended(again)
    assert again.status.name == "PLANNED_AND_FINISHED", "what the other worker did is on record too"


async def begun(job: Job, two: Two, pause: float) -> tuple[UnitLedger, AsyncRun]:
    """An apply in which the other worker's Terraform is at work."""
    ledger = ledger_of(job, pause)
    run = await job.confirmed(await job.pushed(ledger))
    await until(lambda: bool(two.terraforms(run, "h1")), 60)
    await job.applying(run, ledger, 3)
    return ledger, run


@pytest.mark.parametrize("part", ["agent", "orchestrate"])
async def test_who_only_watches_is_killed(job: Job, two: Two, part: str, tmp_path: Path) -> None:
    """The runners go on: nothing is made twice, and the run is applied."""
    ledger, run = await begun(job, two, 2.0)
    if part == "agent":
        await two.agent_killed(run, "h1")
    else:
        dead, _ = job.platform.kill(part)
        await job.platform.again(part, dead)
    await job.applied(run)
    ledger.each_once()
    await whole(job, ledger, tmp_path / "plain")
    assert not run.raw.suspects


@pytest.mark.parametrize("terraform", [False, True], ids=["runner", "runner-and-terraform"])
async def test_the_helping_runner_is_killed(job: Job, two: Two, terraform: bool, tmp_path: Path) -> None:
    """Its batch is judged as a lost one; all that does not need it is applied, and the next run goes on."""
    ledger, run = await begun(job, two, 2.0)
    for victim in (two.runner(run, "h1"), *(two.terraforms(run, "h1") if terraform else ())):
        os.kill(victim, 9)
    await job.ended(run)
    assert run.status.name == "FAILED"
    state = await job.state(ledger.stack)
    unknown = set(ledger.begun()) - (made(state) if terraform else held(state))
    named = {address.split(".")[1] for address in run.raw.suspects if address.endswith(".slow")}
    assert unknown <= named, (unknown, named)
    assert len(made(state)) >= 4, "others went on"
    assert "was lost" in (run.error.message if run.error else "")
    await goes_on(job, ledger, tmp_path / "plain")


async def test_the_leading_runner_is_killed(job: Job, two: Two, tmp_path: Path) -> None:
    """The helping one finishes its batch; the run ends after it, and knows what it did."""
    ledger, run = await begun(job, two, 2.0)
    os.kill(two.runner(run, "b1"), 9)
    await job.ended(run)
    assert run.status.name == "FAILED"
    assert run.error is not None
    assert run.error.reason == "WORKER_LOST"
    assert (await steps(run))["apply-1-h1"] == "SUCCEEDED"
    state = await job.state(ledger.stack)
    named = {address.split(".")[1] for address in run.raw.suspects if address.endswith(".slow")}
    assert set(ledger.begun()) - held(state) <= named
    await goes_on(job, ledger, tmp_path / "plain")


async def test_a_cancel_reaches_both(job: Job, two: Two, tmp_path: Path) -> None:
    ledger, run = await begun(job, two, 3.0)
    await run.cancel()
    await job.ended(run)
    assert run.status.name == "CANCELED", run.error
    assert not two.terraforms(run, "h1")
    assert set(ledger.begun()) == held(await job.state(ledger.stack))
    assert len(ledger.begun()) < 12
    await goes_on(job, ledger, tmp_path / "plain")


async def goes_on(job: Job, ledger: UnitLedger, folder: Path) -> None:
    """The lock is free, and the next run makes what is missing: nothing, when what was asked to stop still ended well."""
    missing = ledger.addresses - made(await job.state(ledger.stack))
    again = await job.run_of(ledger.stack, await job.push({**ledger.tree(), "code/README.md": "again"}))
    if missing:
        await job.applied(await job.confirmed(again))
    else:
        await job.ended(again)
        assert again.status.name == "PLANNED_AND_FINISHED"
    await whole(job, ledger, folder)
