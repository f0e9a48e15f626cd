"""Roots cut into units, with the real Terraform: planned as one chain, applied batch by batch into one state."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakes.control_plane import MemoryPlane
from stackly.worker.v1 import tasks_pb2
from stackly_engine.projected_chain import ProjectedChain, projected
from stackly_worker.runner import limits, recovery, report, units_known, units_recovery
from stackly_worker.runner.batch import Batch
from stackly_worker.runner.ports import Renewal
from waiting import until

Make = Callable[..., Batch]
INNER = """
variable "word" {}
resource "terraform_data" "x" {
  input = var.word
}
output "word" {
  value = terraform_data.x.output
}
"""
ROOT = """
terraform {
  backend "s3" { bucket = "never" }
}
variable "token" {
  sensitive = true
  default   = "canary-of-the-root"
}
module "a" {
  source = "./inner"
  word   = "first"
}
module "b" {
  source = "./inner"
  word   = "${module.a.word}-second"
}
module "c" {
  source = "./inner"
  word   = var.token
}
output "b" {
  value = module.b.word
}
"""


def files(root: str = ROOT, **more: str) -> dict[str, str]:
    return {"main.tf": root, "inner/main.tf": INNER, **more}


def chain(plane: MemoryPlane) -> ProjectedChain:
    assert plane.plan is not None
    found = projected(plane.plan.projected)
    assert isinstance(found, ProjectedChain)
    return found


def ran(plane: MemoryPlane) -> list[str]:
    return [one.unit for one in chain(plane).units if one.run]


def addresses(document: bytes | None) -> list[str]:
    state = json.loads(document or b"{}")
    return sorted(f"{one.get('module', '')}.{one['type']}.{one['name']}" for one in state.get("resources") or [])


async def run(make: Make, plane: MemoryPlane, number: int, **spec: Any) -> tuple[Any, Any]:
    plane.nonces.clear()
    facts = {"plan_key": f"run-{number}/1/b1", "source_digest": f"s{number}", "units": True, "parallelism": 4} | spec
    planned = await make(plane, **facts).plan()
    assert planned.status == "planned", plane.text
    return planned, await make(plane, **facts).apply()


async def test_first_run_unchanged_run_one_module_changed(make_batch: Make, tmp_path: Path) -> None:
    plane = MemoryPlane(files())
    planned, applied = await run(make_batch, plane, 1)
    assert applied.status == "applied", plane.text
    assert planned.counts["add"] == 3
    assert ran(plane) == ["module.a", "module.b", "module.c", "outputs"]
    state = json.loads(plane.state or b"")
    assert addresses(plane.state) == [f"module.{name}.terraform_data.x" for name in "abc"]
    assert list(state["outputs"]) == ["b"]
    assert state["resources"][1]["instances"][0]["dependencies"] == ["module.a.terraform_data.x"]
    serials = [version.serial for version in plane.versions]
    assert serials == sorted(set(serials))
    assert {row.unit for row in plane.records.values() if row.record} == {"module.a", "module.b", "module.c", "outputs"}
    planned, applied = await run(make_batch, plane, 2)
    assert ran(plane) == []
    assert (planned.status, planned.counts["add"], applied.status) == ("planned", 0, "applied"), plane.text
    assert "4 of 4 units are unchanged" in plane.text
    plane.files = files(ROOT.replace('"first"', '"other"'))
    planned, applied = await run(make_batch, plane, 3)
    assert applied.status == "applied", plane.text
    assert ran(plane) == ["module.a", "module.b", "outputs"], plane.text
    assert "canary" not in plane.text


LEDGER = """
variable "name" {}
variable "file" {}
variable "wait" {}
variable "fail" { default = "" }
resource "terraform_data" "r" {
  for_each = toset(["0", "1", "2", "3"])
  input    = "${var.name}-${each.key}"
  provisioner "local-exec" {
    command = "echo begin ${var.name}-${each.key} >> ${var.file}; sleep ${var.wait}; test ${var.name}-${each.key} != '${var.fail}' && echo end ${var.name}-${each.key} >> ${var.file}"
  }
}
output "done" {
  value = join(",", [for each in terraform_data.r : each.id])
}
"""


def ledger(path: Path, wait: float = 0, fail: str = "", names: str = "abcd") -> dict[str, str]:
    """Independent modules, big enough to be batches of their own, and one that needs the first."""
    blocks = [
        f'module "{name}" {{\n source = "./m"\n name = "{name}"\n file = "{path}"\n wait = {wait}\n fail = "{fail}"\n}}\n'
        for name in names
    ]
    last = f'module "z" {{\n source = "./m"\n name = "z${{module.a.done == "" ? "" : ""}}"\n file = "{path}"\n wait = 0\n}}\n'
    return {"main.tf": "".join([*blocks, last]), "m/main.tf": LEDGER}


def entries(path: Path, what: str) -> list[str]:
    lines = path.read_text().split("\n") if path.exists() else []
    return sorted(line.split()[1] for line in lines if line.startswith(what))


def in_state(document: bytes | None) -> list[str]:
    state = json.loads(document or b"{}")
    return sorted(
        f"{resource['module'].removeprefix('module.')}-{one['index_key']}"
        for resource in state.get("resources") or []
        for one in resource["instances"]
        if one.get("status") != "tainted"
    )


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every unit in a batch of its own, whatever that costs."""
    monkeypatch.setattr(units_known, "APART", True)
    monkeypatch.setattr(limits, "UNIT_PROCESSES", 3)


async def test_a_failure_keeps_what_was_made_and_the_next_run_goes_on(
    make_batch: Make, tmp_path: Path, apart: None
) -> None:
    made = tmp_path / "ledger"
    plane = MemoryPlane(ledger(made, fail="b-2"))
    _, outcome = await run(make_batch, plane, 1)
    assert (outcome.status, outcome.rc, outcome.step) == ("failed", 1, "apply")
    assert list(outcome.failed) == ['module.b.terraform_data.r["2"]']
    assert outcome.errors[0].summary == "local-exec provisioner error"
    assert set(entries(made, "end")) == set(in_state(plane.state))
    assert {row.unit for row in plane.records.values() if row.record} == {
        "module.a",
        "module.c",
        "module.d",
        "module.z",
        "outputs",
    }
    plane.files = ledger(made)
    _, outcome = await run(make_batch, plane, 2)
    assert outcome.status == "applied", plane.text
    assert in_state(plane.state) == sorted(f"{name}-{key}" for name in "abcdz" for key in "0123")
    serials = [version.serial for version in plane.versions]
    assert serials == sorted(set(serials))


async def test_what_was_begun_by_others_is_stale(make_batch: Make, tmp_path: Path) -> None:
    plane = MemoryPlane(files())
    facts = {"source_digest": "s1", "units": True}
    await make_batch(plane, plan_key="run-1/1/b1", **facts).plan()
    first = plane.plan
    assert (await make_batch(plane, plan_key="run-1/1/b1", **facts).apply()).status == "applied"
    plane.nonces.clear()
    plane.plan = first
    outcome = await make_batch(plane, plan_key="run-1/1/b1", **facts).apply()
    assert (outcome.status, outcome.cause, plane.nonces) == ("stale", "PLAN_STALE", [])
    assert "state's bytes are not those that the plan was made on" in outcome.reason
    told = report.finished(outcome, phase=tasks_pb2.BATCH_PHASE_APPLY, timed_out=False)
    assert (told.outcome, told.error.reason) == (tasks_pb2.BATCH_OUTCOME_STALE, "PLAN_STALE")
    await make_batch(plane, plan_key="run-1/2/b1", **facts).plan()
    assert (await make_batch(plane, plan_key="run-1/2/b1", **facts).apply()).status == "applied"


async def test_another_environment_is_stale_and_what_is_planned_again_is_applied(make_batch: Make) -> None:
    """Planned on one worker, applied on another that passes something else on."""
    plane = MemoryPlane(files())
    facts = {"source_digest": "s1", "units": True}
    here, there = ({"place": name, "environment": {"WHERE": name}} for name in ("here", "there"))
    await make_batch(plane, plan_key="run-1/1/b1", **facts, **here).plan()
    outcome = await make_batch(plane, plan_key="run-1/1/b1", **facts, **there).apply()
    assert (outcome.status, plane.nonces, plane.versions) == ("stale", [], [])
    assert "providers or environment are not those" in plane.text
    await make_batch(plane, plan_key="run-1/2/b1", **facts, **there).plan()
    assert (await make_batch(plane, plan_key="run-1/2/b1", **facts, **there).apply()).status == "applied", plane.text


async def test_code_that_sees_its_place_is_stale_elsewhere(make_batch: Make) -> None:
    plane = MemoryPlane(files(ROOT + 'output "here" {\n  value = abspath(path.root)\n}\n'))
    facts = {"source_digest": "s1", "units": True}
    await make_batch(plane, plan_key="run-1/1/b1", place="here", **facts).plan()
    outcome = await make_batch(plane, plan_key="run-1/1/b1", place="there", **facts).apply()
    assert (outcome.status, plane.nonces, plane.versions) == ("stale", [], [])
    await make_batch(plane, plan_key="run-1/2/b1", place="there", **facts).plan()
    outcome = await make_batch(plane, plan_key="run-1/2/b1", place="there", **facts).apply()
    assert outcome.status == "applied", plane.text


async def test_a_root_that_cannot_be_cut_any_more_is_stale(make_batch: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    plane = MemoryPlane(files())
    facts = {"source_digest": "s1", "units": True, "plan_key": "run-1/1/b1"}
    await make_batch(plane, **facts).plan()
    monkeypatch.setattr(units_known, "whole_reasons", lambda *_: ("a reason",))
    outcome = await make_batch(plane, **facts).apply()
    assert (outcome.status, plane.nonces) == ("stale", [])
    assert "can no longer be cut (a reason)" in outcome.reason


@pytest.mark.parametrize("renewal", [Renewal(cancel=True), Renewal(cancel=True, force=True)])
async def test_cancel_keeps_the_state_of_all_batches(
    make_batch: Make, tmp_path: Path, apart: None, renewal: Renewal
) -> None:
    made = tmp_path / "ledger"
    plane = MemoryPlane(ledger(made, wait=1), renewal=renewal)
    facts = {"source_digest": "s", "units": True, "parallelism": 4}
    await make_batch(plane, **facts).plan()
    running = asyncio.create_task(make_batch(plane, **facts).apply())
    await until(lambda: {name[0] for name in entries(made, "begin")} >= {"a", "b"})
    plane.news.set()
    outcome = await running
    assert outcome.status == "cancelled", plane.text
    assert "z-0" not in entries(made, "begin")
    if renewal.force:
        begun = set(entries(made, "begin")) - set(in_state(plane.state))
        assert {f'module.{one[0]}.terraform_data.r["{one[2]}"]' for one in begun} <= set(outcome.suspects)
    else:
        assert (in_state(plane.state), outcome.suspects) == (entries(made, "end"), {})


RUNNER = """
import asyncio, json, sys
from pathlib import Path
from fakes.control_plane import MemoryPlane
from stackly_worker.runner import limits, units_known
from stackly_worker.runner.batch import Batch
from stackly_worker.runner.batch_spec import BatchSpec
from stackly_worker.runner.place import Place
from stackly_worker.runner.ports import PlanResult
from stackly_worker.runner.terraform import find_engine
units_known.APART, limits.UNIT_PROCESSES = True, 3
folder, place, bundle, code = map(Path, sys.argv[1:])
plan = PlanResult(b"", bundle.read_bytes(), "", "", None)
plane = MemoryPlane(json.loads(code.read_text()), plan=plan)
spec = BatchSpec(plan_key="run-1/1/b1", root=".", source_digest="s", hash_key=b"k", parallelism=4, units=True)
asyncio.run(Batch(spec, Place(place), folder, find_engine(), plane).apply())
"""


@pytest.mark.parametrize("also_terraform", [False, True])
async def test_a_dead_runner_leaves_one_whole_document_to_whoever_comes_back(
    make_batch: Make, tmp_path: Path, apart: None, also_terraform: bool
) -> None:
    made, bundle, code = tmp_path / "ledger", tmp_path / "bundle", tmp_path / "code.json"
    code.write_text(json.dumps(ledger(made, wait=0.7)))
    plane = MemoryPlane(json.loads(code.read_text()))
    batch = make_batch(plane, source_digest="s", units=True, parallelism=4)
    await batch.plan()
    assert plane.plan is not None
    bundle.write_bytes(plane.plan.bundle)
    folder = tmp_path / "killed"
    arguments = [sys.executable, "-c", RUNNER, *map(str, (folder, batch.place.folder, bundle, code))]
    path = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    runner = await asyncio.create_subprocess_exec(*arguments, env=path)
    await until(lambda: entries(made, "end") and len(entries(made, "begin")) > len(entries(made, "end")))
    runner.kill()
    await runner.wait()
    living = [pid for journal in units_recovery.applies(folder) if (pid := journal.pid())]
    assert living
    for pid in living if also_terraform else ():
        os.kill(pid, signal.SIGKILL)
    remains = await recovery.settled(folder, batch.place, serial=100)
    assert (remains.pid, remains.started, remains.begun) == (None, True, True)
    assert remains.rc == (137 if also_terraform else 0)
    assert remains.state is not None
    assert remains.state.serial > 100
    there = set(in_state(remains.state.document))
    assert set(entries(made, "end")) <= there | {one[7] + "-" + one[-3] for one in remains.suspects}
    unknown = {f'module.{one[0]}.terraform_data.r["{one[2]}"]' for one in set(entries(made, "begin")) - there}
    assert unknown <= set(remains.suspects)
    if not also_terraform:
        assert (set(entries(made, "begin")), remains.suspects) == (there, {})
    plane.state = remains.state.document
    _, outcome = await run(make_batch, plane, 2)
    assert outcome.status == "applied", plane.text
    assert set(in_state(plane.state)) == {f"{name}-{key}" for name in "abcdz" for key in "0123"}
