"""Roots cut into units, with the real Terraform: planned as one chain, applied batch by batch into one state."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fakes.control_plane import MemoryPlane
from stackly_engine.projected_chain import ProjectedChain, projected
from stackly_worker.runner.batch import Batch

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
