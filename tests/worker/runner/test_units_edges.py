"""Roots cut into units at the edges: secrets, what runs whole, what is dropped or deferred, another machine, a full disk."""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes.control_plane import MemoryPlane
from stackly_engine.projected_chain import ProjectedChain, projected
from stackly_worker.runner import limits, units_known
from stackly_worker.runner.batch import Batch
from stackly_worker.runner.ports import LeaseLostError, Renewal, UnitRow
from waiting import until

Make = Callable[..., Batch]
SECRET = "canary-secret-of-a-variable"
MADE = "canary-secret-that-a-module-makes"
INNER = """
variable "word" {}
resource "terraform_data" "x" {
  input = var.word
  provisioner "local-exec" {
    command = "echo it is ${nonsensitive(var.word)}"
  }
}
output "word" {
  value     = sensitive("${nonsensitive(var.word)}")
}
output "plain" {
  value = "always the same"
}
"""
ROOT = """
variable "token" {
  sensitive = true
}
module "a" {
  source = "./inner"
  word   = var.token
}
module "b" {
  source = "./inner"
  word   = "canary-secret-that-a-module-makes"
}
module "c" {
  source = "./inner"
  word   = "${module.a.word} ${module.b.word}"
}
module "d" {
  source = "./inner"
  word   = module.a.plain
}
output "c" {
  value     = module.c.word
  sensitive = true
}
"""


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every unit in a batch of its own, whatever that costs."""
    monkeypatch.setattr(units_known, "APART", True)


def chain(plane: MemoryPlane) -> ProjectedChain:
    assert plane.plan is not None
    found = projected(plane.plan.projected)
    assert isinstance(found, ProjectedChain)
    return found


async def run(make: Make, plane: MemoryPlane, number: int, **spec: Any) -> Any:
    plane.nonces.clear()
    facts = {"plan_key": f"run-{number}/1/b1", "source_digest": f"s{number}", "units": True} | spec
    planned = await make(plane, **facts).plan()
    assert planned.status == "planned", plane.text
    return await make(plane, **facts).apply()


def secret_forms() -> list[str]:
    return [SECRET, MADE, *(base64.b64encode(text.encode()).decode().rstrip("=")[:-1] for text in (SECRET, MADE))]


async def test_no_secret_leaves_by_log_plan_or_outcome(make_batch: Make, tmp_path: Path, apart: None) -> None:
    plane = MemoryPlane({"main.tf": ROOT, "inner/main.tf": INNER})
    spec = {"variables": {"token": SECRET}, "secrets": (SECRET,)}
    outcome = await run(make_batch, plane, 1, **spec)
    assert outcome.status == "applied", plane.text
    first = plane.text
    assert plane.state is not None
    assert SECRET.encode() in plane.state
    outcome = await run(
        make_batch, plane, 2, **spec | {"variables": {"token": SECRET + "-2"}, "secrets": (SECRET + "-2",)}
    )
    assert outcome.status == "applied", plane.text
    assert plane.plan is not None
    for form in secret_forms():
        for seen in (first, plane.text, plane.plan.projected.decode(), repr([one.errors for one in plane.outcomes])):
            assert form not in seen
    assert holding(tmp_path, SECRET) == set()


def holding(folder: Path, text: str) -> set[str]:
    """Names of the files that hold a text, but for what Terraform printed: that goes once the end is acknowledged."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return {path.name for path in files if path.name != "out" and text.encode() in path.read_bytes()}


async def test_what_reads_equal_values_is_dropped_and_stays_known(make_batch: Make, apart: None) -> None:
    plane = MemoryPlane({"main.tf": ROOT, "inner/main.tf": INNER})
    outcome = await run(make_batch, plane, 1, variables={"token": SECRET})
    assert outcome.status == "applied", plane.text
    await run(make_batch, plane, 2, variables={"token": "another"})
    ran = {one.unit: one for one in chain(plane).units if one.run}
    assert "module.a" in ran
    assert not {"module.b", "module.d"} & ran.keys()
    assert all(row.record for row in plane.records.values())


REPLACED = """
variable "word" {}
resource "terraform_data" "x" {
  input            = "the same"
  triggers_replace = var.word
}
output "same" {
  value = terraform_data.x.output
}
"""
READS = """
module "a" {
  source = "./replaced"
  word   = "first"
}
module "b" {
  source = "./replaced"
  word   = module.a.same
}
"""


async def test_what_was_planned_for_nothing_is_dropped_and_stays_known(make_batch: Make, apart: None) -> None:
    """An output that the plan cannot know comes out as it was."""
    plane = MemoryPlane({"main.tf": READS, "replaced/main.tf": REPLACED})
    assert (await run(make_batch, plane, 1)).status == "applied", plane.text
    before = plane.records["module.b"]
    plane.files = {"main.tf": READS.replace("first", "other"), "replaced/main.tf": REPLACED}
    assert (await run(make_batch, plane, 2)).status == "applied", plane.text
    assert {"module.a", "module.b"} <= {one.unit for one in chain(plane).units if one.run}
    after = plane.records["module.b"]
    assert (after.generation, bool(after.record), after.exports) == (before.generation + 2, True, before.exports)
    assert (await run(make_batch, plane, 3)).status == "applied", plane.text
    assert not [one.unit for one in chain(plane).units if one.run]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"more.tf.json": '{"locals": {"x": 1}}'}, "json-files"),
        ({"x_override.tf": 'module "a" {\n word = "other"\n}\n'}, "override-files"),
    ],
)
async def test_what_cannot_be_cut_runs_whole_and_says_why(make_batch: Make, more: dict[str, str], code: str) -> None:
    plane = MemoryPlane({"main.tf": ROOT, "inner/main.tf": INNER, **more})
    plane.records["module.a"] = UnitRow("module.a", 4, b"{}", b"[]")
    spec = {"source_digest": "s", "units": True, "variables": {"token": SECRET}}
    assert (await make_batch(plane, **spec).plan()).status == "planned"
    assert plane.plan is not None
    assert plane.plan.whole_reasons[0].startswith(f"{code}:")
    assert f"Runs whole: {code}" in plane.text
    assert not isinstance(projected(plane.plan.projected), ProjectedChain)
    assert (await make_batch(plane, **spec).apply()).status == "applied", plane.text
    assert plane.records["module.a"] == UnitRow("module.a", 5, b"", b"[]")


async def test_a_destroy_runs_whole(make_batch: Make) -> None:
    plane = MemoryPlane({"main.tf": ROOT, "inner/main.tf": INNER})
    await run(make_batch, plane, 1, variables={"token": SECRET})
    assert (await run(make_batch, plane, 2, variables={"token": SECRET}, mode="destroy")).status == "applied"
    assert plane.plan is not None
    assert plane.plan.whole_reasons == ("destroy-all",)
    assert not any(row.record for row in plane.records.values())
    assert (await run(make_batch, plane, 3, variables={"token": SECRET})).status == "applied"


async def test_the_plan_is_applied_elsewhere_from_its_bundle(make_batch: Make, tmp_path: Path, apart: None) -> None:
    plane = MemoryPlane({"infra/main.tf": ROOT, "infra/inner/main.tf": INNER})
    spec = {"source_digest": "s", "units": True, "variables": {"token": SECRET}, "root": "infra"}
    assert (await make_batch(plane, "here", **spec).plan()).status == "planned"
    assert (await make_batch(plane, "there", **spec).apply()).status == "applied", plane.text


async def test_too_little_room_is_said_before_the_apply(make_batch: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    plane = MemoryPlane({"main.tf": ROOT, "inner/main.tf": INNER})
    spec = {"source_digest": "s", "units": True, "variables": {"token": SECRET}}
    await make_batch(plane, **spec).plan()
    monkeypatch.setattr(limits, "DISK_RESERVE", 1 << 60)
    outcome = await make_batch(plane, **spec).apply()
    assert (outcome.status, plane.nonces) == ("failed", [])
    assert "bytes are free" in outcome.reason


async def test_errors_are_told_with_their_place(make_batch: Make) -> None:
    plane = MemoryPlane({"main.tf": ROOT.replace("var.token\n", "upper(1, 2)\n", 1), "inner/main.tf": INNER})
    outcome = await make_batch(plane, source_digest="s", units=True, variables={"token": SECRET}).plan()
    assert (outcome.status, outcome.step) == ("failed", "plan")
    assert (outcome.errors[0].file, outcome.errors[0].line) == ("main.tf", 7)
    plane = MemoryPlane({"main.tf": ROOT, "inner/main.tf": INNER})
    outcome = await make_batch(plane, source_digest="t", units=True).plan()
    assert (outcome.status, outcome.cause) == ("failed", "VARIABLES_MISSING"), plane.text
    outcome = await make_batch(plane, source_digest="t", units=True, variables={"tokn": 1}).plan()
    assert (outcome.status, outcome.cause) == ("failed", "VARIABLE_UNKNOWN"), plane.text


class LostPlane(MemoryPlane):
    """The lease goes when the test says so."""

    async def renew(self) -> Renewal:
        await self.news.wait()
        raise LeaseLostError


async def test_a_lost_lease_hands_the_state_in_and_keeps_no_records(
    make_batch: Make, tmp_path: Path, apart: None
) -> None:
    begun = tmp_path / "begun"
    slow = INNER.replace("echo it is", f"echo >> {begun}; sleep 1; echo it is")
    plane = LostPlane({"main.tf": ROOT, "inner/main.tf": slow})
    spec = {"source_digest": "s", "units": True, "variables": {"token": SECRET}}
    await make_batch(plane, **spec).plan()
    running = asyncio.create_task(replace(make_batch(plane, **spec)).apply())
    await until(begun.exists)
    plane.refuse_state = True
    plane.news.set()
    outcome = await running
    assert outcome.status == "lost"
    assert plane.versions
    assert not any(row.record for row in plane.records.values())
