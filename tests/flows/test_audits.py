"""Audits on the whole platform: a planted wrong fingerprint is found and named, and what drifted is told as drift."""

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from flows.job import Job
from flows.platform import Platform
from flows.unit_ledger import UnitLedger
from stackly_engine.records import Record
from stackly_sdk import AsyncRun
from stackly_server.access import Kind, Subject
from stackly_server.assembly import ground
from stackly_server.config import Settings
from stackly_server.states.model import UnitRecord
from stackly_server.states.records import RecordService

pytestmark = pytest.mark.flows


def server_settings(platform: Platform) -> Settings:
    """Those of the platform's API, as the operator of its machine can read them."""
    environment = Path(f"/proc/{platform.pid('serve')}/environ").read_bytes().decode()
    named = dict(line.partition("=")[::2] for line in environment.split("\0") if line.startswith("STACKLY_"))
    before = {name: os.environ.get(name) for name in named}
    os.environ.update(named)
    try:
        return Settings()  # type: ignore[call-arg]
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


class Records:
    """The records of one stack state, read and written past every rule."""

    def __init__(self, job: Job, stack: str) -> None:
        self._job = job
        self._stack = stack

    async def change(self, unit: str, parts_of: bytes | None) -> bytes:
        """Gives the record of a unit as it is; with the fingerprint of another in it, that is planted."""
        async with ground(server_settings(self._job.platform)) as on:
            async with on.database.scope("routing") as conn:
                cursor = await conn.execute("SELECT account_id FROM routes WHERE kind = 'account'")
                accounts = [row[0] for row in await cursor.fetchall()]
            records = RecordService(on.database, on.keys)
            for account in accounts:
                async with on.database.read(account) as conn:
                    cursor = await conn.execute("SELECT id FROM stack_states WHERE name = %s", (self._stack,))
                    row = await cursor.fetchone()
                if row is None:
                    continue
                (kept,) = await records.read(account, row[0], [unit])
                if parts_of is not None:
                    lie = replace(Record.from_bytes(kept.record), parts=Record.from_bytes(parts_of).parts)
                    planted = UnitRecord(unit, kept.generation + 2, lie.to_bytes(), kept.exports)
                    subject = Subject(Kind.SYSTEM, account, "", "test", frozenset(), method="plant", call_id="plant")
                    async with on.database.transaction(subject) as tx:
                        rows = await records.seal(account, row[0], [planted])
                        await records.write(tx, row[0], rows, cleared=False)
                return kept.record
        raise AssertionError(f"{self._stack} is nowhere")


async def audited(job: Job, stack: str) -> AsyncRun:
    run = await (await job.owner.stacks.get(stack)).audit(message="on demand")
    await job.ended(run)
    assert run.status.name == "PLANNED_AND_FINISHED", run.error
    return run


async def test_a_planted_wrong_fingerprint_is_found_and_named(job: Job) -> None:
    ledger = UnitLedger(job.platform.name("audits"), job.folder / "ledger", steps=4, pause=0.0, filler=2)
    await job.applied(await job.confirmed(await job.pushed(ledger)))
    clean = (await (await audited(job, ledger.stack)).plan).audit
    assert clean is not None
    assert (clean.result.name, clean.audited_units, clean.findings) == ("CLEAN", 5, [])
    records = Records(job, ledger.stack)
    first = await records.change("module.m3", None)
    second = replace(ledger, changed=(3,))
    await job.applied(await job.confirmed(await job.pushed(second, "2")))
    # back to the first code: the record says that module.m3 was applied from it, and so its change is skipped
    await records.change("module.m3", first)
    back = await job.run_of(ledger.stack, await job.push(ledger.tree("1")))
    await job.ended(back)
    assert back.status.name == "PLANNED_AND_FINISHED"
    assert "module.m3" not in {one.unit for one in (await back.plan).units if one.run}
    found = (await (await audited(job, ledger.stack)).plan).audit
    assert found is not None
    assert found.result.name == "UNSOUND"
    assert ("module.m3", "module.m3.terraform_data.slow", "UNSOUND") in {
        (one.unit, one.address, one.verdict.name) for one in found.findings
    }
    stack = await job.owner.stacks.get(ledger.stack)
    assert "ENGINE_SUSPENDED" in {one.name for one in stack.raw.conditions}
    whole = await stack.deploy(message="after the incident")
    await job.applied(await job.confirmed(whole))
    plan = await whole.plan
    assert not plan.units
    assert plan.whole_reasons[0].startswith("unsound: ")
    await stack.update(engine_suspended=False)
    again = await stack.deploy(message="cut again")
    await job.ended(again)
    assert len((await again.plan).units) == 5
    assert (await asyncio.to_thread(Path(ledger.file).read_text)).count("m3 begin") == 3


_READS = """
data "terraform_remote_state" "other" {
  backend = "local"
  config  = { path = "%s" }
}
output "word" { value = data.terraform_remote_state.other.outputs.word }
"""
_USES = """
variable "word" { type = string }
resource "terraform_data" "x" { input = var.word }
"""
_ROOT = """
module "reads" { source = "./reads" }
module "uses" {
  source = "./uses"
  word   = module.reads.word
}
module "apart" {
  source = "./uses"
  word   = "apart"
}
"""


async def test_what_the_world_changed_is_drift_and_the_next_run_takes_it_up(job: Job) -> None:
    other, stack = job.folder / "other.tfstate", job.platform.name("drift")

    def write(word: str) -> None:
        head = {"version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": "l", "resources": []}
        other.write_text(json.dumps({**head, "outputs": {"word": {"value": word, "type": "string"}}}))

    write("one")
    commit = await job.push({
        "code/stackly.hcl": f'stack "{stack}" {{\n  engine = "auto"\n}}\n', "code/main.tf": _ROOT,
        "code/reads/main.tf": _READS % other, "code/uses/main.tf": _USES,
    })  # fmt: skip
    await job.applied(await job.confirmed(await job.run_of(stack, commit)))
    write("two")
    found = (await (await audited(job, stack)).plan).audit
    assert found is not None
    assert found.result.name == "DRIFT", found
    assert {(one.unit, one.verdict.name) for one in found.findings} == {
        ("module.uses", "DRIFT"), ("module.reads", "DRIFT"),
    }  # fmt: skip
    again = await (await job.owner.stacks.get(stack)).deploy(message="take it up")
    await job.applied(await job.confirmed(again))
    ran = {one.unit for one in (await again.plan).units if one.run}
    assert {"module.reads", "module.uses"} <= ran
    assert "module.apart" not in ran
    after = (await (await audited(job, stack)).plan).audit
    assert after is not None
    assert after.result.name == "CLEAN", after
