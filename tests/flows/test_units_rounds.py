"""Runs by units that are applied in rounds, on the whole platform: what one leaves is planned, approved, applied by the next."""

import asyncio
import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from flows.job import ENOUGH, Job
from flows.ledger import Ledger, planned
from stackly_sdk import AsyncRun
from terraform_cli import Terraform
from waiting import eventually, until

pytestmark = pytest.mark.flows

_ID = """
variable "file" { type = string }
resource "terraform_data" "x" {
  provisioner "local-exec" {
    command = "echo a >> ${var.file}; while [ -e ${var.file}.hold ]; do sleep 0.05; done"
  }
}
output "id" { value = terraform_data.x.id }
"""
_COUNTED = """
variable "length" { type = number }
variable "file" { type = string }
resource "terraform_data" "x" {
  count = var.length > 1 ? 2 : 1
  provisioner "local-exec" {
    command = "echo b${count.index} >> ${var.file}"
  }
}
"""
_ONE = """
variable "ledger" { type = string }
module "a" {
  source = "./a"
  file   = var.ledger
}
"""
_DEFERRED = f"""{_ONE}
module "b" {{
  source = "./b"
  length = length(module.a.id)
  file   = var.ledger
}}
"""
# Whoever applies `a` leaves another word to its readers than the one that they were planned with.
_WRITES = """
resource "terraform_data" "x" {
  provisioner "local-exec" {
    command = "echo -n other > ${path.module}/../b/word.txt"
  }
}
output "id" { value = terraform_data.x.id }
"""
_READS = """
variable "id" { type = string }
resource "terraform_data" "x" {
  input = "${var.id} ${file("${path.module}/word.txt")}"
}
resource "terraform_data" "word" {
  input = file("${path.module}/word.txt")
}
"""
_FILLER = "".join(f'resource "terraform_data" "f{number}" {{}}\n' for number in range(100))  # makes several batches
_OTHER = """
variable "ledger" { type = string }
module "a" {
  source = "./a"
}
module "b" {
  source = "./b"
  id     = module.a.id
}
module "c" {
  source = "./b"
  id     = module.a.id
}
"""


@dataclass(frozen=True)
class Rounds(Ledger):
    """A stack that takes two rounds. Its resources write only that they were made."""

    code: tuple[tuple[str, str], ...] = ()

    @property
    def files(self) -> dict[str, str]:
        return dict(self.code)

    def tree(self, turn: str = "1") -> dict[str, str]:
        del turn
        stack = f'stack "{self.stack}" {{\n  engine = "auto"\n  labels = {{ of = "{self.stack}" }}\n{self.more}\n  variables {{\n    ledger = {json.dumps(str(self.file))}\n  }}\n}}\n'
        return {f"code/{path}": text for path, text in self.files.items()} | {"code/stackly.hcl": stack}

    def made(self) -> list[str]:
        return self.file.read_text().split() if self.file.exists() else []

    def hold_a(self) -> None:
        """What `a` makes is not made to its end before `let_go`."""
        Path(f"{self.file}.hold").touch()

    def let_go(self) -> None:
        Path(f"{self.file}.hold").unlink()

    def _plain_plan(self, state: bytes, folder: Path, turn: str) -> str:
        del turn
        folder.mkdir()
        terraform = Terraform(folder)
        given = {"terraform.tfvars.json": json.dumps({"ledger": str(self.file)}), "terraform.tfstate": state.decode()}
        terraform.write({**self.files, **given})
        return planned(terraform)


def rounds(job: Job, word: str, **code: str) -> Rounds:
    files = {name.replace("__", "/"): text for name, text in code.items()}
    return Rounds(job.platform.name(word), job.folder / "ledger", code=tuple(files.items()))


def deferring(job: Job, word: str) -> Rounds:
    return rounds(job, word, **{"main.tf": _DEFERRED, "a__main.tf": _ID, "b__main.tf": _COUNTED})


async def asks(run: AsyncRun, number: int) -> None:
    """Waits until people are asked for that plan of the run."""

    async def look() -> bool:
        now = (await run.refresh()).raw
        assert not now.done, now
        return now.status.name == "AWAITING_APPROVAL" and now.plan_number == number

    await eventually(look, ENOUGH)


async def settled(job: Job, ledger: Rounds, folder: Path) -> None:
    """AssertionError unless plain Terraform has nothing to do on the state, and nobody holds the lock."""
    assert "No changes." in await ledger.plain_plan(await job.state(ledger.stack), folder)
    stack = (await job.owner.stacks.get(ledger.stack)).raw
    assert stack.lock is None
    assert stack.commit == stack.desired_commit


async def test_what_is_deferred_is_planned_and_approved_again(job: Job, tmp_path: Path) -> None:
    """Under a policy, which asks in both rounds; and the next run has nothing to do."""
    ledger = deferring(job, "rounds")
    asked = f'select {{\n    labels = {{ of = "{ledger.stack}" }}\n  }}\n  approval {{\n    self = true\n  }}\n'
    await job.owner.policies.create(f'policy "{ledger.stack}" {{\n  {asked}}}\n')
    run = await job.pushed(ledger)
    await asks(run, 1)
    assert {one.unit for one in (await run.plan).units if one.deferred} == {"module.b"}
    await run.approve()
    await asks(run, 2)
    assert ledger.made() == ["a"]
    assert [(one.unit, one.cause.name) for one in run.raw.left_units] == [("module.b", "DEFERRED")]
    assert "partially_applied" in run.raw.status_times
    assert (await job.owner.stacks.get(ledger.stack)).raw.lock is None
    units = {one.unit for one in (await run.plan).units if one.run}
    assert "module.b" in units
    assert "module.a" not in units
    await run.approve()
    await job.applied(run)
    assert sorted(ledger.made()) == ["a", "b0", "b1"]
    assert not run.raw.left_units
    await settled(job, ledger, tmp_path / "plain")
    events = [event.type async for event in job.owner.events.list() if event.subject == run.raw.name]
    assert events.count("run.partially_applied") == 1
    again = await job.run_of(ledger.stack, await job.push({**ledger.tree(), "code/README.md": "read me"}))
    assert (await job.ended(again)).status.name == "PLANNED_AND_FINISHED"


async def test_the_orchestrator_is_killed_between_two_rounds(job: Job, tmp_path: Path) -> None:
    """It is away as the first round ends: what is left is handed out once it is back, once."""
    ledger = deferring(job, "between")
    ledger.hold_a()
    run = await job.pushed(ledger)
    await asks(run, 1)
    await run.approve()
    await until(lambda: ledger.made() == ["a"], ENOUGH)
    dead, killed_at = job.platform.kill("orchestrate")
    ledger.let_go()
    await job.platform.again("orchestrate", dead)
    await asks(run, 2)
    assert run.raw.status_times["partially_applied"].timestamp() > killed_at
    await run.approve()
    await job.applied(run)
    assert sorted(ledger.made()) == ["a", "b0", "b1"]
    assert [step.plan_number async for step in run.steps() if not step.unit] == [1, 1, 2, 2]
    await settled(job, ledger, tmp_path / "plain")


async def test_what_would_do_other_than_was_approved_is_asked_for(job: Job, tmp_path: Path) -> None:
    code = {"main.tf": _OTHER, "a__main.tf": _WRITES, "b__main.tf": _READS + _FILLER, "b__word.txt": "planned"}
    ledger = rounds(job, "other", **code)
    run = await job.pushed(ledger)
    await asks(run, 1)
    await run.approve()
    await asks(run, 2)
    left = {one.unit: one.cause.name for one in run.raw.left_units}
    assert left.keys() >= {"module.b", "module.c"}
    assert set(left.values()) == {"NOT_COVERED"}
    assert "module.b.terraform_data.word" in run.raw.left_units[0].detail
    await asyncio.to_thread(ledger.file.touch)
    await run.approve()
    await job.applied(run)
    await settled(job, ledger, tmp_path / "plain")


async def test_what_another_worker_finds_otherwise_is_planned_again(job: Job, tmp_path: Path) -> None:
    """Planned where Terraform gets one environment, applied where it gets another: planned there, approved, applied."""
    zone = job.platform.name("zone")
    labels = json.dumps({"zone": zone})
    ledger = rounds(job, "moved", **{"main.tf": _ONE, "a__main.tf": _ID})
    ledger = replace(ledger, more=f'  requires {{\n    labels = {{ zone = "{zone}" }}\n  }}')
    here = await job.platform.join(job.owner, {"WHERE": "here"}, LABELS=labels)
    run = await job.pushed(ledger)
    await asks(run, 1)
    await job.platform.leave(here)
    there = await job.platform.join(job.owner, {"WHERE": "there"}, LABELS=labels)
    await run.approve()
    await asks(run, 2)
    assert ledger.made() == []
    assert (await job.owner.stacks.get(ledger.stack)).raw.lock is None
    await run.approve()
    await job.applied(run)
    assert ledger.made() == ["a"]
    await settled(job, ledger, tmp_path / "plain")
    await job.platform.leave(there)
