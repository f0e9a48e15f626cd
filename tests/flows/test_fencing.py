"""A machine that comes back from the dead: its late state is kept aside, whole, and never becomes the current one."""

import asyncio
import hashlib
import json
import os
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from psycopg.rows import dict_row

from flows.haystacks import connected
from flows.job import ENOUGH, Job
from flows.ledger import WHOLE, Ledger, resources
from flows.platform import Platform
from stackly_sdk import AsyncRun, AsyncStackly
from stackly_server.accounts.keys import Keys
from stackly_server.app import ground
from stackly_server.config import Settings
from stackly_server.outside.blobs import DirectoryBlobs
from waiting import eventually, until

HELD = 2  # the step in whose middle the machine stands still
_LATER = """
UPDATE run_batches SET lease_expires_at = now() - interval '5 minutes' WHERE run_id = ANY(%(runs)s);
"""
_LONG_SILENT = """
UPDATE workers SET lease_expires_at = now() - interval '5 minutes'
WHERE id IN (SELECT worker_id FROM run_batches WHERE run_id = ANY(%(runs)s))
"""


@dataclass(frozen=True)
class Stalled:
    """A run whose worker stands still in the middle of its apply; `next` is the same stack for another worker."""

    job: Job
    run: AsyncRun
    ledger: Ledger
    next: Ledger
    hold: Path

    @property
    def folder(self) -> Path:
        """Of the batch, at the worker."""
        (note,) = self.job.platform.home.glob(f"*/batches/{self.run.raw.uid}-1-apply-*/*/runner.json")
        return note.parent

    @property
    def runner(self) -> int:
        return int(json.loads((self.folder / "runner.json").read_text())["pid"])

    async def goes_on_elsewhere(self) -> AsyncRun:
        """The run of a next push, applied by the other worker."""
        run = await self.job.run_of(self.ledger.stack, await self.job.push(self.next.tree()))
        return await self.job.applied(await self.job.confirmed(run))


async def stalled(platform: Platform, owner: AsyncStackly, folder: Path, zones: tuple[str, str]) -> Stalled:
    """Applying, one resource in the state, one under way."""
    job, name = Job(platform, owner, await platform.repository(owner), folder), platform.name("fence")
    first, second = (
        Ledger(
            name,
            folder / zone,
            steps=5,
            lanes=1,
            pause=0,
            more=f'{WHOLE}\nrequires {{\n labels = {{ zone = "{zone}" }}\n}}',
        )
        for zone in zones
    )
    hold = first.hold(HELD)
    run = await job.confirmed(await job.pushed(first))
    await job.applying(run, first, HELD + 1)
    return Stalled(job, run, first, second, hold)


def send(number: signal.Signals, processes: Iterable[int]) -> None:
    for pid in processes:
        os.kill(pid, number)


def long_silent(platform: Platform, runs: list[AsyncRun]) -> None:
    """Five minutes pass for the leases, on the one clock that counts: the database's."""
    with connected(platform) as conn:
        for statement in (_LATER, _LONG_SILENT):
            conn.execute(statement, {"runs": [UUID(run.raw.uid) for run in runs]})


async def given_up(platform: Platform, runs: list[AsyncRun]) -> bool:
    """Whether all have ended; an answer that the server was about to give a silent worker may renew its lease once."""
    long_silent(platform, runs)
    return all([(await run.refresh()).done for run in runs])


def quarantined(platform: Platform, run: AsyncRun) -> list[dict[str, Any]]:
    with connected(platform) as conn, conn.cursor(row_factory=dict_row) as cursor:
        asked = "SELECT * FROM state_quarantine WHERE run_id = %s ORDER BY serial, created_at"
        return cursor.execute(asked, (UUID(run.raw.uid),)).fetchall()


def environment_of(pid: int) -> dict[str, str]:
    """The settings that a program of ours was started with."""
    shown = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(each.split("=", 1) for each in shown if each.startswith("STACKLY_"))


@asynccontextmanager
async def keys_of(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Keys, DirectoryBlobs]]:
    """What the server seals and opens with."""
    for name, value in environment_of(platform.pid("serve")).items():
        monkeypatch.setenv(name, value)
    settings = Settings()  # type: ignore[call-arg]  # from the environment
    async with ground(settings) as opened:
        yield opened.keys, DirectoryBlobs(settings.blobs_dir)


@pytest.mark.flows
async def test_a_worker_that_stood_still_and_comes_back(
    platform: Platform, owner: AsyncStackly, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zones = platform.name("zone"), platform.name("zone")
    workers = [await platform.join(owner, LABELS=json.dumps({"zone": zone})) for zone in zones]
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    under_way, finished = [await stalled(platform, owner, folder, zones) for folder in folders]
    both = [under_way, finished]
    still = [workers[0].pid, *(each.runner for each in both)]
    send(signal.SIGSTOP, still)
    try:
        finished.hold.unlink()  # its Terraform makes all the rest, seen by nobody
        await until(lambda: len(finished.ledger.ended()) == finished.ledger.steps, ENOUGH)
        await eventually(lambda: given_up(platform, [each.run for each in both]), ENOUGH)
        for each in both:
            assert each.run.error is not None
            assert (each.run.status.name, each.run.error.reason) == ("FAILED", "WORKER_LOST")
        later = [await each.goes_on_elsewhere() for each in both]
        states = [await each.job.state(each.ledger.stack) for each in both]
    finally:
        send(signal.SIGCONT, reversed(still))
    for each in both:
        await until((each.folder / "outcome.json").exists, ENOUGH)
    for each, run, state in zip(both, later, states, strict=True):
        await never_took_over(each, run, state)
    assert (under_way.folder / "apply/interrupted").exists()
    assert not (finished.folder / "apply/interrupted").exists()
    async with keys_of(platform, monkeypatch) as (keys, blobs):
        for each, made in ((under_way, range(HELD + 1)), (finished, range(finished.ledger.steps))):
            last = quarantined(platform, each.run)[-1]
            document = await keys.open(last["account_id"], "state", last["blob"], await blobs.get(last["blob"]))
            assert hashlib.sha256(document).hexdigest() == last["sha256"]
            assert resources(document) == {f"terraform_data.step_{number}" for number in made}
    await asyncio.gather(*(platform.leave(worker) for worker in workers))


async def never_took_over(stale: Stalled, later: AsyncRun, state: bytes) -> None:
    """The state is still the later run's, serials and epochs rose, the first run's end is still what it was."""
    rows = quarantined(stale.job.platform, stale.run)
    assert rows
    assert {row["reason"] for row in rows} == {"NOT_HOLDER"}
    assert await stale.job.state(stale.ledger.stack) == state
    versions = [each async for each in stale.job.owner.state(stale.ledger.stack).versions()]
    assert [each.serial for each in versions] == sorted({each.serial for each in versions}, reverse=True)
    assert versions[0].run == later.name
    owners = [each.run for each in reversed(versions)]
    assert owners == sorted(owners, key=[stale.run.name, later.name].index), "no version of the first after the second"
    assert json.loads((stale.folder / "outcome.json").read_text()) == {
        "outcome": "BATCH_OUTCOME_GONE", "acknowledged": False, "epoch": rows[0]["epoch"]
    }  # fmt: skip
    before = stale.run.raw.etag
    assert (await stale.run.refresh()).raw.etag == before
