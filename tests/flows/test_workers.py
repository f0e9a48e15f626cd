"""One apply on two workers: both do some of it, each resource is made once, and what dies takes nothing with it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.job import Job
from flows.platform import Platform
from flows.unit_ledger import UnitLedger, made
from stackly_sdk import AsyncRun, AsyncStackly

pytestmark = pytest.mark.flows


@dataclass
class Two:
    """The platform's own worker and a second one, by the folders of their batches."""

    homes: tuple[Path, Path]

    def folder(self, run: AsyncRun, batch: str) -> Path | None:
        """Where a batch of an apply is, or was, carried out."""
        found = [path for home in self.homes for path in home.glob(f"batches/{run.raw.uid}-1-apply-{batch}/e*")]
        return found[0] if found else None


@pytest.fixture(scope="module")
async def two(platform: Platform, owner: AsyncStackly) -> AsyncIterator[Two]:
    second = await platform.join(owner)
    homes = platform.home / "worker", max(platform.home.glob("worker-*"), key=lambda path: path.stat().st_mtime_ns)
    yield Two((homes[0], homes[1]))
    await platform.leave(second)


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
