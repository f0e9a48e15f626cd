"""What leaves a worker of a chain: masked, put to its units, under the digest of the chain; and nothing that does not fit."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stackly_engine import exact, plans
from stackly_engine.command import running
from stackly_engine.command.inspection import Options
from stackly_engine.command.tool import Processes, find
from stackly_engine.driving.projecting import projected_chain
from stackly_engine.projected_chain import REASONS, PlannedUnit, ProjectedChain, project_chain, projected
from terraform_cli import Terraform

KEY = b"k" * 32
FACTS: dict[str, Any] = {"source": "s", "engine": "e", "variables": "v"}


def plan(*addresses: str) -> plans.ProjectedPlan:
    change = {"actions": ["create"], "before": None, "after": {"input": 1}, "after_unknown": {"id": True}}
    resources = [
        {"address": each, "mode": "managed", "type": "t", "name": "n", "provider_name": "p", "change": change}
        for each in addresses
    ]
    return plans.project(exact.dumps({"format_version": "1.2", "resource_changes": resources}), KEY)


def unit(name: str, batch: int | None = None, *reasons: str, **more: Any) -> PlannedUnit:
    return PlannedUnit(name, more.pop("run", batch is not None), reasons or ("unchanged",), batch, **more)


def chain(*, units: list[PlannedUnit] | None = None, hashed: str = "h") -> ProjectedChain:
    decided = units or [
        unit("module.b", 2, "input: module.a.id"), unit("module.a", 1, "code: main.tf"), unit("module.c"),
    ]  # fmt: skip
    return project_chain(
        decided,
        [(("module.a",), plan("module.a.t.n")), (("module.b",), plan("module.b.t.n", "module.b.t.m"))],
        {"module.a.t.n": "module.a", "module.b.t.n": "module.b", "module.b.t.m": "module.b"},
        exports={("module.a", "id"): hashed, ("module.a", None): "w"},
    )


def test_a_chain_is_read_as_it_was_written_and_tells_units() -> None:
    found = projected(chain().to_bytes())
    assert isinstance(found, ProjectedChain)
    assert [(one.unit, one.run, one.batch) for one in found.units] == [
        ("module.a", True, 1), ("module.b", True, 2), ("module.c", False, None),
    ]  # fmt: skip
    assert [(one["address"], one["unit"]) for one in found.resource_changes] == [
        ("module.a.t.n", "module.a"), ("module.b.t.m", "module.b"), ("module.b.t.n", "module.b"),
    ]  # fmt: skip
    assert (found.summary.add, found.empty) == (3, False)
    assert isinstance(projected(plan("t.n").to_bytes()), plans.ProjectedPlan)


def test_its_digest_is_that_of_the_chain() -> None:
    """Neither batches nor reasons move it; what is read does."""
    one = project_chain(
        [unit("module.a", 1, "forced"), unit("module.b", 1, "together"), unit("module.c")],
        [(("module.a", "module.b"), plan("module.a.t.n", "module.b.t.n", "module.b.t.m"))],
        {"module.a.t.n": "module.a", "module.b.t.n": "module.b", "module.b.t.m": "module.b"},
        exports={("module.a", None): "w", ("module.a", "id"): "h"},
    )
    assert one.digest(**FACTS) == chain().digest(**FACTS)
    assert one.digest(**FACTS) == plans.chain_digest(
        [(("module.a",), plan("module.a.t.n")), (("module.b",), plan("module.b.t.n", "module.b.t.m"))],
        exports={("module.a", "id"): "h", ("module.a", None): "w"}, **FACTS,
    )  # fmt: skip
    assert chain(hashed="other").digest(**FACTS) != chain().digest(**FACTS)


def test_what_is_deferred_is_a_change() -> None:
    waiting = project_chain([unit("module.a", run=True, deferred=True)], [], {}, exports={})
    nothing = project_chain([unit("module.a")], [], {}, exports={})
    assert (waiting.empty, nothing.empty) == (False, True)
    assert waiting.digest(**FACTS) != nothing.digest(**FACTS)


def test_reasons_are_few_and_short() -> None:
    (one,) = project_chain([unit("m", None, *(["x" * 5000] * 50))], [], {}, exports={}).units
    assert (len(one.reasons), one.reasons[-1]) == (REASONS, f"and {51 - REASONS} more")
    assert len(one.reasons[0]) == 1000


def _renamed(document: dict[str, Any]) -> None:
    document["units"][0]["unit"] = "module.x"


def _moved(document: dict[str, Any]) -> None:
    document["batches"][0]["plan"]["resource_changes"][0]["unit"] = "module.c"


def _skipped(document: dict[str, Any]) -> None:
    document["units"][0]["run"] = False


def _twice(document: dict[str, Any]) -> None:
    document["units"].append(document["units"][2])


def _needy(document: dict[str, Any]) -> None:
    document["units"][0]["needs"] = ["module.x"]


def _round(document: dict[str, Any]) -> None:
    document["units"][0]["needs"], document["units"][1]["needs"] = ["module.b"], ["module.a"]


def _short(document: dict[str, Any]) -> None:
    del document["units"][0]["reasons"]


@pytest.mark.parametrize("break_it", [_renamed, _moved, _skipped, _twice, _needy, _round, _short])
def test_what_does_not_fit_together_is_refused(break_it: Callable[[dict[str, Any]], None]) -> None:
    document = exact.loads(chain().to_bytes())
    break_it(document)
    with pytest.raises(exact.FormatError):
        projected(exact.dumps(document))


MODULE = """
variable "word" { sensitive = true }
resource "terraform_data" "x" { input = { word = var.word, at = "here" } }
output "id" { value = terraform_data.x.id }
"""
ROOT = """
variable "token" {
  default   = "canary-token"
  sensitive = true
}
module "a" {
  source = "./m"
  word   = var.token
}
module "b" {
  source = "./m"
  word   = "canary-token ${module.a.id}"
}
resource "terraform_data" "alone" { input = 1 }
output "a" { value = module.a.id }
"""


def test_a_real_chain(tmp_path: Path) -> None:
    root = Terraform(tmp_path / "root")
    root.write({"main.tf": ROOT, "m/main.tf": MODULE})
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    tool = find()
    with running.session(root.folder, tool, Processes(), outer=environment) as session:
        known, planned = session.plan(Options())
        found = projected_chain(known, planned, ["canary-token"])
        planned.close(known.hands)
    assert {one.unit for one in found.units} == {"module.a", "module.b", "root.terraform_data.alone", "outputs"}
    assert all(one.run and one.batch and one.reasons for one in found.units)
    assert {one["address"]: one["unit"] for one in found.resource_changes} == {
        "module.a.terraform_data.x": "module.a",
        "module.b.terraform_data.x": "module.b",
        "terraform_data.alone": "root.terraform_data.alone",
    }
    needs = {one.unit: one.needs for one in found.units}
    assert (needs["module.a"], needs["module.b"]) == ((), ("module.a",))
    places = {one.unit: (one.inputs, one.outputs) for one in found.units}
    assert places["module.a"] == ((), ("module.a.id",))
    assert places["module.b"] == (("module.a.id",), ())
    assert list(found.output_changes) == ["a"]
    assert b"canary" not in found.to_bytes()
    assert b"stackly_up" not in found.to_bytes()
    assert projected(found.to_bytes()) == found
