"""A stack cut into units on the whole platform: what did not change is skipped, what dies in a wave loses nothing."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from flows.job import Job
from flows.unit_ledger import UnitLedger, held, made
from flows.ways.rest import Rest
from stackly_sdk import AsyncRun
from stackly_server.limits import STATE_OUTLINE_BYTES
from stackly_worker.runner import units_recovery

pytestmark = pytest.mark.flows


def unit_ledger(job: Job, word: str = "units", **how: float) -> UnitLedger:
    return UnitLedger(job.platform.name(word), job.folder / "ledger", **{"steps": 12, "pause": 0.0, **how})  # type: ignore[arg-type]


async def whole(job: Job, ledger: UnitLedger, folder: Path, turn: str = "1") -> None:
    """AssertionError unless all is in the state, plain Terraform has nothing to do, and nobody holds the lock."""
    state = await job.state(ledger.stack)
    assert made(state) == ledger.addresses
    assert "No changes." in await ledger.plain_plan(state, folder, turn)
    assert (await job.owner.stacks.get(ledger.stack)).raw.lock is None


async def test_the_cost_follows_the_change(job: Job, tmp_path: Path) -> None:
    ledger = unit_ledger(job)
    run = await job.applied(await job.confirmed(await job.pushed(ledger)))
    units = {one.unit: one for one in (await run.plan).units}
    assert {name for name, one in units.items() if one.run} == {*(f"module.m{n}" for n in range(12)), "outputs"}
    assert len({one.batch for one in units.values()}) > 1, "all of it was one batch"
    ledger.each_once()
    await whole(job, ledger, tmp_path / "first")
    again = await job.run_of(ledger.stack, await job.push({**ledger.tree(), "code/README.md": "read me"}))
    await job.ended(again)
    assert again.status.name == "PLANNED_AND_FINISHED"
    assert not [one.unit for one in (await again.plan).units if one.run]
    ledger.each_once()
    ledger = replace(ledger, changed=(3,))
    run = await job.applied(await job.confirmed(await job.pushed(ledger, "2")))
    await watched(job, run)
    ran = {one.unit: list(one.reasons) for one in (await run.plan).units if one.run}
    assert "module.m3" in ran
    assert ran["module.m3"][0] == "code: main.tf"
    assert not {"module.m4", "module.m10"} & ran.keys(), ran
    assert [ledger.begun().count(f"m{number}") for number in range(12)] == [1, 1, 1, 2, *[1] * 8]
    await whole(job, ledger, tmp_path / "second", "2")


async def watched(job: Job, run: AsyncRun) -> None:
    """The steps, the graph and what was saved of an applied run that changed module.m3, as clients see them."""
    steps = [one async for one in run.steps() if one.unit]
    dropped = {one.unit for one in steps if (one.kind.name, one.status.name) == ("APPLY", "SKIPPED")}
    assert dropped <= {"module.m9"}, "what it reads came out as it was; in one batch with module.m3 it is applied"
    done = [one for one in steps if one.kind.name == "PLAN" or one.unit not in dropped]
    assert {(one.kind.name, one.status.name) for one in done} == {("PLAN", "SUCCEEDED"), ("APPLY", "SUCCEEDED")}
    assert all(one.started_at and one.finished_at and one.worker and one.batch and one.reasons for one in done)
    graph = await (await job.owner.stacks.get(run.stack_id)).graph(run.to_commit[:10])
    assert (graph.run, graph.run_status.name) == (run.name, "APPLIED")
    status = {one.unit: one.status.name for one in graph.activities}
    assert (status["module.m3"], status["module.m4"]) == ("APPLIED", "SKIPPED")
    m9 = next(one for one in graph.activities if one.unit == "module.m9")
    assert (m9.depends_on, m9.inputs, m9.execution_mode) == (["module.m3"], ["module.m3.name"], "parallel")
    skipped = [one for one in (await run.plan).units if not one.run]
    assert skipped
    assert all(0 < one.plan_seconds < 60 for one in skipped)
    told = [one async for one in job.owner.events.list(kind="run.activity_completed", subject=run.name)]
    assert {one.facts["step"] for one in told} == {"plan-1-b1", "apply-1-b1"}
    async with Rest(job.platform) as rest:
        answer = await rest.graph(f"{run.stack_name}/runs/latest", draw="true", commit=run.to_commit)
    assert answer["graph"]["activities"][0]["executionMode"] in {"parallel", "sequential"}
    assert ET.fromstring(answer["svg"]).tag.endswith("svg")  # noqa: S314 - our own


async def test_a_large_state_goes_in_slices(job: Job, tmp_path: Path) -> None:
    """The first run writes it slice by slice, the second reads an outline of it, and one module."""
    ledger = unit_ledger(job, "large", steps=4, filler=12, padding=12_000)
    await job.applied(await job.confirmed(await job.pushed(ledger)))
    before = await job.state(ledger.stack)
    assert len(before) > STATE_OUTLINE_BYTES
    ledger = replace(ledger, changed=(3,))
    run = await job.applied(await job.confirmed(await job.pushed(ledger, "2")))
    assert {one.unit for one in (await run.plan).units if one.run} == {"module.m3", "outputs"}
    await whole(job, ledger, tmp_path / "plain", "2")


@pytest.mark.parametrize("part", ["serve", "orchestrate", "worker"])
async def test_killed_in_the_middle_of_a_wave(job: Job, part: str, tmp_path: Path) -> None:
    ledger = unit_ledger(job, "kill", pause=1.0)
    run = await job.confirmed(await job.pushed(ledger))
    await job.applying(run, ledger, 2)
    dead, killed_at = job.platform.kill(part)
    await job.platform.again(part, dead)
    await job.applied(run)
    assert ledger.under_way_at(killed_at)
    ledger.each_once()
    await whole(job, ledger, tmp_path / "plain")
    assert not run.raw.suspects


@pytest.mark.parametrize("terraform", [False, True], ids=["runner", "runner-and-terraform"])
async def test_the_runner_is_killed(job: Job, tmp_path: Path, terraform: bool) -> None:
    """What each Terraform of the wave left is in one state; what is not is named; the next run goes on."""
    ledger = unit_ledger(job, "runner", pause=2.0)
    run = await job.confirmed(await job.pushed(ledger))
    await job.applying(run, ledger, 2)
    batch = next(Path(folder) for folder in job.platform.runners() if f"{run.raw.uid}-1-apply" in folder)
    living = [pid for journal in units_recovery.applies(batch) if (pid := journal.pid())]
    for victim in (job.platform.runners()[str(batch)], *(living if terraform else ())):
        os.kill(victim, 9)
    await job.ended(run)
    assert run.status.name == "FAILED"
    assert run.error is not None
    assert run.error.reason == "WORKER_LOST"
    state = await job.state(ledger.stack)
    # a Terraform that was asked to stop ends its provisioner and keeps the resource as tainted
    unknown = set(ledger.begun()) - (made(state) if terraform else held(state))
    named = {address.split(".")[1] for address in run.raw.suspects if address.endswith(".slow")}
    assert unknown <= named <= set(ledger.begun())  # never too few; what cannot be told is named
    again = await job.run_of(ledger.stack, await job.push({**ledger.tree(), "code/README.md": "again"}))
    await job.applied(await job.confirmed(again))
    await whole(job, ledger, tmp_path / "plain")


async def test_a_failure_in_a_wave(job: Job, tmp_path: Path) -> None:
    ledger = unit_ledger(job, "failure")
    marker = ledger.fail(2)
    run = await job.confirmed(await job.pushed(ledger))
    await job.ended(run)
    assert run.status.name == "FAILED"
    assert "m8" not in ledger.begun()
    await asyncio.to_thread(marker.unlink)
    again = await job.run_of(ledger.stack, await job.push({**ledger.tree(), "code/README.md": "again"}))
    await job.applied(await job.confirmed(again))
    assert ledger.begun().count("m0") == 1
    await whole(job, ledger, tmp_path / "plain")
