"""A large state comes as an outline: what does not run is never read, what runs comes out as from the whole document."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakes.control_plane import MemoryPlane
from stackly_engine.projected_chain import ProjectedChain, projected
from stackly_worker.runner import units_known
from stackly_worker.runner.batch import Batch

Make = Callable[..., Batch]
MODULE = """
variable "word" {}
variable "more" { default = 0 }
variable "secret" {
  default   = "canary-in-a-slice"
  sensitive = true
}
resource "terraform_data" "x" {
  count = 1 + var.more
  input = var.word
}
resource "terraform_data" "y" {
  input = var.secret
}
output "word" { value = terraform_data.x[0].output }
"""


def root(words: dict[str, str], more: str = "") -> dict[str, str]:
    calls = "".join(f'module "{name}" {{\n  source = "./m"\n  word = {word}\n}}\n' for name, word in words.items())
    return {
        "main.tf": calls + 'resource "terraform_data" "alone" {\n  input = "alone"\n}\n' + more,
        "m/main.tf": MODULE,
    }


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units_known, "APART", True)


async def run(make: Make, plane: MemoryPlane, number: int, **more: Any) -> Any:
    plane.nonces.clear()
    plane.read.clear()
    facts = {"plan_key": f"run-{number}/1/b1", "source_digest": f"s{number}", "units": True, "parallelism": 4} | more
    planned = await make(plane, **facts).plan()
    assert planned.status == "planned", plane.text
    applied = await make(plane, **facts).apply()
    assert applied.status == "applied", plane.text
    return planned


def ran(plane: MemoryPlane) -> list[str]:
    assert plane.plan is not None
    found = projected(plane.plan.projected)
    assert isinstance(found, ProjectedChain)
    return [one.unit for one in found.units if one.run]


def resources(document: bytes | None) -> dict[str, Any]:
    """By address; ids differ from run to run."""
    return {
        f"{one.get('module', '')}.{one['name']}": [
            (each["attributes"]["input"], each.get("dependencies")) for each in one["instances"]
        ]
        for one in json.loads(document or b"{}")["resources"]
    }


async def test_only_what_runs_is_read(make_batch: Make, tmp_path: Path) -> None:
    first = root({"a": '"one"', "b": "module.a.word", "c": '"three"'})
    plane, whole = MemoryPlane(first, outlines=True), MemoryPlane(first)
    for one in (plane, whole):
        await run(make_batch, one, 1)
    assert plane.read == []
    assert resources(plane.state) == resources(whole.state)
    await run(make_batch, plane, 2)
    assert (ran(plane), plane.read) == ([], [])
    for number, change in enumerate((
        root({"a": '"one"', "b": "module.a.word", "c": '"changed"'}),
        root({"a": '"changed"', "b": "module.a.word", "c": '"changed"'}),
        root({"b": '"b alone"', "c": '"changed"'}),
    ), start=3):  # fmt: skip
        for one in (plane, whole):
            one.files = change
            await run(make_batch, one, number)
        assert ran(plane) == ran(whole)
        assert resources(plane.state) == resources(whole.state)
        assert set(plane.read) == {unit for unit in ran(plane) if unit.startswith("module.")} | (
            {"module.a"} if "removed" in ran(plane) else set()
        )
    assert "canary" not in plane.text
    assert plane.versions[-1].serial == len(plane.versions)


async def test_a_slice_whose_dependencies_move_is_read_and_sent(make_batch: Make, tmp_path: Path) -> None:
    """One more resource upstream, whose output stays what it was: downstream is skipped, and told of it all the same."""
    first = root({"a": '"one"', "b": "module.a.word"})
    plane, whole = MemoryPlane(first, outlines=True), MemoryPlane(first)
    more = 'resource "terraform_data" "z" {}\noutput "word" {\n  value = terraform_data.x[0].output\n  depends_on = [terraform_data.z]\n}\n'
    second = MODULE.replace('output "word" { value = terraform_data.x[0].output }\n', more)
    for one in (plane, whole):
        await run(make_batch, one, 1)
        one.files = {**first, "n/main.tf": second, "main.tf": first["main.tf"].replace("./m", "./n", 1)}
        one.deltas.clear()
        await run(make_batch, one, 2)
    assert ran(plane) == ran(whole)
    assert "module.b" not in ran(plane)
    assert (
        {"module.a", "module.b"} == {unit for one in plane.deltas for unit in one.slices} == set(plane.read) - {"root"}
    )
    assert resources(plane.state) == resources(whole.state)
    assert "module.a.terraform_data.z" in str(resources(plane.state)["module.b.x"])


async def test_a_root_that_runs_whole_after_all_reads_all(make_batch: Make, tmp_path: Path) -> None:
    first = root({"a": '"one"'})
    plane = MemoryPlane(first, outlines=True)
    await run(make_batch, plane, 1)
    plane.files = {**first, "main_override.tf": 'module "a" {\n  word = "over"\n}\n'}
    await run(make_batch, plane, 2)
    assert "Runs whole: override-files" in plane.text
    assert "over" in str(resources(plane.state)["module.a.x"])
