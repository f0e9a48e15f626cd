"""The engine's options take effect: how long units and data hold, how many Terraforms work at a time."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes.control_plane import MemoryPlane
from stackly_engine.projected_chain import PlannedUnit, ProjectedChain, projected
from stackly_engine.records import Record
from stackly_worker.runner import units_known
from stackly_worker.runner.batch import Batch
from stackly_worker.runner.options import EngineOptions

Make = Callable[..., Batch]
READER = """
data "terraform_remote_state" "other" {
  backend = "local"
  config  = { path = "%s" }
}
output "word" {
  value = data.terraform_remote_state.other.outputs.word
}
"""
ROOT = """
module "reads" {
  source = "./reads"
}
module "plain" {
  source = "./plain"
}
"""
STATE = '{"version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": "l", "outputs": {"word": {"value": "w", "type": "string"}}, "resources": []}'


def units(plane: MemoryPlane) -> dict[str, PlannedUnit]:
    assert plane.plan is not None
    found = projected(plane.plan.projected)
    assert isinstance(found, ProjectedChain)
    return {one.unit: one for one in found.units}


async def planned(
    make: Make, plane: MemoryPlane, number: int, options: EngineOptions, *, keeps: bool = False
) -> dict[str, PlannedUnit]:
    spec: dict[str, Any] = {"plan_key": f"run-{number}/1/b1", "source_digest": "s", "units": True, "options": options}
    spec["keeps"] = keeps
    plane.nonces.clear()
    outcome = await make(plane, **spec).plan()
    assert outcome.status == "planned", plane.text
    return units(plane)


async def known(make: Make, tmp_path: Path) -> MemoryPlane:
    """Everything applied, so that nothing has to run."""
    (tmp_path / "other.tfstate").write_text(STATE)
    reader = READER % (tmp_path / "other.tfstate")
    plane = MemoryPlane({
        "main.tf": ROOT, "reads/main.tf": reader, "plain/main.tf": 'resource "terraform_data" "x" {}',
    })  # fmt: skip
    spec: dict[str, Any] = {"plan_key": "run-1/1/b1", "source_digest": "s", "units": True}
    assert (await make(plane, **spec).plan()).status == "planned", plane.text
    assert (await make(plane, **spec).apply()).status == "applied", plane.text
    return plane


async def test_data_and_units_are_looked_at_again_when_they_are_too_old(make_batch: Make, tmp_path: Path) -> None:
    plane = await known(make_batch, tmp_path)
    for number, options, reasons in [
        (2, EngineOptions(), {}),
        (3, EngineOptions(timedelta(hours=1), timedelta(days=7)), {}),
        (4, EngineOptions(timedelta(0)), {"module.reads": "data"}),
        (5, EngineOptions(timedelta(microseconds=1)), {"module.reads": "data"}),
        (6, EngineOptions(None, timedelta(microseconds=1)), dict.fromkeys(("module.reads", "module.plain"), "age")),
    ]:
        found = await planned(make_batch, plane, number, options)
        ran = {name: one.reasons[0].partition(":")[0] for name, one in found.items() if one.run and name != "outputs"}
        assert ran == reasons, number


async def test_what_was_looked_at_and_found_well_is_on_record_as_new(make_batch: Make, tmp_path: Path) -> None:
    """Else each run would plan them again, once they are too old, until there is something to apply."""
    plane = await known(make_batch, tmp_path)
    before = {unit: Record.from_bytes(row.record) for unit, row in plane.records.items()}
    old = EngineOptions(timedelta(microseconds=1), timedelta(microseconds=1))
    await planned(make_batch, plane, 2, old)
    assert {unit: Record.from_bytes(row.record) for unit, row in plane.records.items()} == before  # a plan-only run
    found = await planned(make_batch, plane, 3, old, keeps=True)
    assert all(one.run for one in found.values())
    after = {unit: Record.from_bytes(row.record) for unit, row in plane.records.items()}
    for unit, record in after.items():
        assert record.read_at > before[unit].read_at
        assert record.applied_at > before[unit].applied_at
        assert record.generation == plane.records[unit].generation == before[unit].generation + 2
        assert (record.parts, record.slices, record.exports, record.changed_at) == (
            before[unit].parts, before[unit].slices, before[unit].exports, before[unit].changed_at,
        )  # fmt: skip
    assert not [unit for unit, one in (await planned(make_batch, plane, 4, EngineOptions())).items() if one.run]


async def test_what_reads_another_world_is_not_on_record_as_new(make_batch: Make, tmp_path: Path) -> None:
    """The state has the old reading still: only an apply takes the new one up."""
    plane = await known(make_batch, tmp_path)
    before = plane.records["module.reads"]
    (tmp_path / "other.tfstate").write_text(STATE.replace('"w"', '"v"'))
    found = await planned(make_batch, plane, 2, EngineOptions(timedelta(0)), keeps=True)
    assert found["module.reads"].run
    assert plane.records["module.reads"] == before


LINE = """
resource "terraform_data" "x" {
  provisioner "local-exec" {
    command = "echo begin >> %s; sleep 0.3; echo end >> %s"
  }
}
"""


@pytest.mark.parametrize(("processes", "most"), [(1, 1), (3, 3)])
async def test_so_many_work_at_a_time(
    make_batch: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int, most: int
) -> None:
    monkeypatch.setattr(units_known, "APART", True)
    ledger = tmp_path / "ledger"
    root = "\n".join(f'module "m{number}" {{\n  source = "./inner"\n}}' for number in range(3))
    plane = MemoryPlane({"main.tf": root, "inner/main.tf": LINE % (ledger, ledger)})
    spec: dict[str, Any] = {"plan_key": "run-1/1/b1", "source_digest": "s", "units": True}
    spec["options"] = EngineOptions(processes=processes)
    assert (await make_batch(plane, **spec).plan()).status == "planned", plane.text
    assert (await make_batch(plane, **spec).apply()).status == "applied", plane.text
    at_once = [sum(1 if line == "begin" else -1 for line in ledger.read_text().split()[:end]) for end in range(1, 7)]
    assert max(at_once) <= most
    if processes == 1:
        assert ledger.read_text().split() == ["begin", "end"] * 3
