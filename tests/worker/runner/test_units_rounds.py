"""What an apply by units leaves to be planned again: deferred, not covered any more, or to run after all."""

from collections.abc import Callable
from typing import Any

import pytest

from fakes.control_plane import MemoryPlane
from stackly.v1 import runs_pb2
from stackly.worker.v1 import tasks_pb2
from stackly_engine.applying import Applied
from stackly_engine.deciding import Decision
from stackly_engine.driving.carrying import Ended, Fate
from stackly_engine.projected_chain import ProjectedChain, projected
from stackly_engine.reasons import Reason
from stackly_worker.runner import limits, report, units_known, units_left
from stackly_worker.runner.batch import Batch
from stackly_worker.runner.ports import Outcome

Make = Callable[..., Batch]
INNER = """
variable "word" {}
resource "terraform_data" "x" {
  input = var.word
}
output "word" {
  value = terraform_data.x.output
}
output "id" {
  value = terraform_data.x.id
}
"""
COUNTED = """
module "a" {
  source = "./inner"
  word   = "one"
}
resource "terraform_data" "many" {
  count = length(module.a.id) > 1 ? 2 : 1
}
resource "terraform_data" "after" {
  input = length(terraform_data.many)
}
resource "terraform_data" "beside" {}
module "last" {
  source = "./inner"
  word   = terraform_data.many[0].id
}
"""


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every unit in a batch of its own, whatever that costs."""
    monkeypatch.setattr(units_known, "APART", True)
    monkeypatch.setattr(limits, "UNIT_PROCESSES", 3)


def chain(plane: MemoryPlane) -> ProjectedChain:
    assert plane.plan is not None
    found = projected(plane.plan.projected)
    assert isinstance(found, ProjectedChain)
    return found


async def run(make: Make, plane: MemoryPlane, number: int, **spec: Any) -> Outcome:
    """Plan and apply of one round."""
    plane.nonces.clear()
    facts = {"plan_key": f"run-1/{number}/b1", "source_digest": "s", "units": True, "parallelism": 4} | spec
    planned = await make(plane, **facts).plan()
    assert planned.status == "planned", plane.text
    return await make(plane, **facts).apply()


def causes(outcome: Outcome) -> dict[str, str]:
    return {one.unit: one.cause for one in outcome.left}


async def test_what_was_deferred_is_left_to_the_next_round(make_batch: Make, apart: None) -> None:
    plane = MemoryPlane({"main.tf": COUNTED, "inner/main.tf": INNER})
    outcome = await run(make_batch, plane, 1)
    deferred = {one.unit: one.reasons for one in chain(plane).units if one.deferred}
    assert deferred["root.terraform_data.after"] == ("new", "deferred: module.a.id is known after apply")
    assert (outcome.status, outcome.errors, outcome.rc) == ("partial", (), 0), plane.text
    assert causes(outcome)["root.terraform_data.after"] == "DEFERRED"
    assert causes(outcome).keys() == {"root.terraform_data.after", "module.last"}
    assert "can only be planned now that what it needs is applied" in plane.text
    assert {row.unit for row in plane.records.values() if row.record} >= {"module.a", "root.terraform_data.beside"}
    told = report.finished(outcome, phase=tasks_pb2.BATCH_PHASE_APPLY, timed_out=False)
    assert (told.outcome, told.HasField("error")) == (tasks_pb2.BATCH_OUTCOME_PARTIAL, False)
    assert runs_pb2.LEFT_CAUSE_DEFERRED in {one.cause for one in told.left_units}
    outcome = await run(make_batch, plane, 2)
    assert (outcome.status, outcome.left) == ("applied", ()), plane.text
    assert {one.unit for one in chain(plane).units if one.run} == {"root.terraform_data.after", "module.last"}
    await run(make_batch, plane, 3)
    assert not [one.unit for one in chain(plane).units if one.run]


async def test_a_failure_beside_what_was_deferred_is_a_failure(make_batch: Make, apart: None) -> None:
    broken = 'resource "terraform_data" "broken" {\n  provisioner "local-exec" {\n    command = "exit 3"\n  }\n}\n'
    plane = MemoryPlane({"main.tf": COUNTED + broken, "inner/main.tf": INNER})
    outcome = await run(make_batch, plane, 1)
    assert (outcome.status, outcome.left, list(outcome.failed)) == ("failed", (), ["terraform_data.broken"])
    assert "has to be planned again" in outcome.reason


CHAINED = """
module "a" {
  source = "./inner"
  word   = "one"
}
module "b" {
  source = "./inner"
  word   = module.a.word
}
module "c" {
  source = "./inner"
  word   = module.b.word
}
module "d" {
  source = "./inner"
  word   = "still"
}
"""


async def test_a_plan_that_is_made_again_is_held_to_the_approved_one_by_the_control_plane_too(
    make_batch: Make, apart: None
) -> None:
    plane = MemoryPlane({"main.tf": CHAINED, "inner/main.tf": INNER})
    outcome = await run(make_batch, plane, 1)
    assert outcome.status == "applied", plane.text
    assert plane.verified == [("module.b",), ("module.c",)]


async def test_what_the_control_plane_finds_more_than_approved_is_left(make_batch: Make, apart: None) -> None:
    plane = MemoryPlane({"main.tf": CHAINED, "inner/main.tf": INNER}, refuse_plans=True)
    outcome = await run(make_batch, plane, 1)
    assert (outcome.status, causes(outcome)) == ("partial", {"module.b": "NOT_COVERED", "module.c": "NEEDS_OTHERS"})
    assert plane.verified == [("module.b",)]
    assert {row.unit for row in plane.records.values() if row.record} == {"module.a", "module.d", "outputs"}
    assert "would do more than was planned" in outcome.left[0].detail
    outcome = await run(make_batch, plane, 2)
    assert (outcome.status, causes(outcome)) == ("partial", {"module.c": "NOT_COVERED"})
    outcome = await run(make_batch, plane, 3)
    assert outcome.status == "applied", plane.text


# Whoever applies `a` leaves another word to `b` than the one that `b` was planned with.
WRITES = """
resource "terraform_data" "x" {
  provisioner "local-exec" {
    command = "echo -n other > ${path.module}/../b/word.txt"
  }
}
output "id" {
  value = terraform_data.x.id
}
"""
READS = """
variable "id" {}
resource "terraform_data" "x" {
  input = "${var.id} ${file("${path.module}/word.txt")}"
}
resource "terraform_data" "word" {
  input = file("${path.module}/word.txt")
}
"""
OTHER = """
module "a" {
  source = "./a"
}
module "b" {
  source = "./b"
  id     = module.a.id
}
"""


async def test_what_would_do_other_than_was_approved_is_left(make_batch: Make, apart: None) -> None:
    code = {"main.tf": OTHER, "a/main.tf": WRITES, "b/main.tf": READS, "b/word.txt": "planned"}
    plane = MemoryPlane(code)
    outcome = await run(make_batch, plane, 1)
    assert (outcome.status, causes(outcome)) == ("partial", {"module.b": "NOT_COVERED"}), plane.text
    assert "module.b.terraform_data.word" in outcome.left[0].detail
    assert plane.verified == [], "what the worker finds itself is not asked for"
    outcome = await run(make_batch, plane, 2)
    assert outcome.status == "applied", plane.text


def surprise(unit: str) -> Decision:
    return Decision(unit, True, (Reason("input", "module.a.id"),))


def test_what_is_left_is_told_by_its_own_reason_first() -> None:
    statuses = {
        "a": Applied.APPLIED, "b": Applied.FAILED, "c": Applied.BLOCKED, "d": Applied.SURPRISED, "e": Applied.BLOCKED,
    }  # fmt: skip
    found = units_left.left(statuses, [Ended(("b",), Fate.DEFERRED)], {}, [surprise("d")])
    assert [(one.unit, one.cause) for one in found] == [
        ("b", "DEFERRED"), ("c", "NEEDS_OTHERS"), ("d", "INPUTS_CHANGED"), ("e", "NEEDS_OTHERS"),
    ]  # fmt: skip
    assert not units_left.failed(statuses, found)
    assert "(input: module.a.id)" in units_left.told(found)[1]


def test_what_failed_and_what_needs_it_is_not_left() -> None:
    statuses = {"b": Applied.FAILED, "c": Applied.BLOCKED}
    found = units_left.left(statuses, [Ended(("b",), Fate.FAILED)], {}, [])
    assert (found, units_left.told(found), units_left.failed(statuses, found)) == ((), [], True)
    refused = units_left.left(statuses, [Ended(("b",), Fate.FAILED)], {("b",): "x: more"}, [])
    assert [one.cause for one in refused] == ["NOT_COVERED", "NEEDS_OTHERS"]
    assert not units_left.failed(statuses, refused)
