"""Audits with the real Terraform: what is planted is found and named, what is well is told as well, nothing changes."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fakes.control_plane import MemoryPlane
from stackly_engine import exact
from stackly_engine.auditing import AuditReport, Difference
from stackly_engine.exports import from_document, to_document
from stackly_engine.records import Record
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
  word   = "third"
}
output "b" {
  value = module.b.word
}
"""


def files(root: str = ROOT, **more: str) -> dict[str, str]:
    return {"main.tf": root, "inner/main.tf": INNER, **more}


def spec(number: int, **more: Any) -> dict[str, Any]:
    return {"plan_key": f"run-{number}/1/b1", "source_digest": f"s{number}", "units": True, **more}


async def applied(make: Make, plane: MemoryPlane, number: int) -> None:
    plane.nonces.clear()
    assert (await make(plane, **spec(number)).plan()).status == "planned", plane.text
    assert (await make(plane, **spec(number)).apply()).status == "applied", plane.text


async def audit(make: Make, plane: MemoryPlane, number: int = 9, **more: Any) -> AuditReport:
    """Nothing is written: the state and the records are as they were."""
    before = (plane.state, dict(plane.records), len(plane.nonces), len(plane.versions))
    outcome = await make(plane, **spec(number, mode="audit", **more)).plan()
    assert outcome.status == "planned", plane.text
    assert (plane.state, dict(plane.records), len(plane.nonces), len(plane.versions)) == before
    assert plane.plan is not None
    assert plane.plan.audit is not None
    assert (
        plane.plan.record_generations == sum(row.generation for row in plane.records.values())
        or plane.plan.audit.nothing
    )
    return plane.plan.audit


def told(found: AuditReport) -> list[tuple[str, str, Difference]]:
    return [(one.unit, one.address, one.difference) for one in found.addresses]


async def test_what_is_well_is_clean(make_batch: Make) -> None:
    plane = MemoryPlane(files())
    found = await audit(make_batch, plane, 1)
    assert "no unit is known" in found.nothing
    await applied(make_batch, plane, 2)
    assert await audit(make_batch, plane) == AuditReport("", 4, ())
    assert (await audit(make_batch, plane, 10, units=False)).nothing == "the stack runs whole"
    plane.files = files(more_override="") | {"main_override.tf": ""}
    assert (await audit(make_batch, plane, 11)).nothing.startswith("override-files")


async def test_a_wrong_fingerprint_is_found(make_batch: Make) -> None:
    """The record says that module.c was applied from the code as it is now, while the state is of other code."""
    plane = MemoryPlane(files())
    await applied(make_batch, plane, 1)
    old = Record.from_bytes(plane.records["module.c"].record)
    plane.files = files(ROOT.replace("third", "other"))
    await applied(make_batch, plane, 2)
    row = plane.records["module.c"]
    planted = replace(Record.from_bytes(row.record), parts=old.parts)
    plane.records["module.c"] = replace(row, record=planted.to_bytes())
    plane.files = files()
    found = await audit(make_batch, plane)
    assert told(found) == [("module.c", "module.c.terraform_data.x", Difference.SAME)]
    assert "other" not in found.words  # no value in it


async def test_a_wrong_export_is_found(make_batch: Make) -> None:
    """module.b would be planned with what is recorded of module.a, which is not what module.a has."""
    plane = MemoryPlane(files())
    await applied(make_batch, plane, 1)
    document = json.loads(plane.state or b"")
    found = await audit(make_batch, plane)
    assert not found.addresses
    plane.files = files(ROOT.replace("first", "moved"))
    old = plane.records["module.b"], plane.records["outputs"]
    await applied(make_batch, plane, 2)
    # module.a was applied anew, and both its readers are as they were: with the state of then, and the exports of now
    state = json.loads(plane.state or b"")
    then = {one["module"]: one for one in document["resources"]}
    state["resources"] = [then[one["module"]] if one["module"] == "module.b" else one for one in state["resources"]]
    state["outputs"] = document["outputs"]
    plane.state = json.dumps(state).encode()
    for row, unit in zip(old, ("module.b", "outputs"), strict=True):
        record, now = Record.from_bytes(row.record), Record.from_bytes(plane.records[unit].record)
        plane.records[unit] = replace(
            row, record=replace(record, parts=now.parts, slices=record.slices).to_bytes(),
        )  # fmt: skip
    found = await audit(make_batch, plane, 10)
    assert ("module.b", "module.b.terraform_data.x", Difference.SAME) in told(found)


async def test_a_lie_about_what_others_read_is_another_change(make_batch: Make) -> None:
    """The exports that are kept of module.a are not those of its state: planned by itself module.b comes out otherwise."""
    plane = MemoryPlane(files())
    await applied(make_batch, plane, 1)
    row = plane.records["module.a"]
    exports = from_document(exact.loads(row.exports))
    lied = {
        address: {name: replace(one, value="a lie") for name, one in named.items()}
        for address, named in exports.items()
    }
    plane.records["module.a"] = replace(row, exports=exact.dumps(to_document(lied)))
    state = json.loads(plane.state or b"")
    for one in state["resources"]:
        if one["module"] == "module.b":
            one["instances"][0]["attributes"]["input"]["value"] = "edited"
    plane.state = json.dumps(state).encode()
    from stackly_engine.driving.state import digests

    row = plane.records["module.b"]
    record = replace(Record.from_bytes(row.record), slices=digests(state, {"module.b"}))
    plane.records["module.b"] = replace(row, record=record.to_bytes())
    found = await audit(make_batch, plane)
    assert ("module.b", "module.b.terraform_data.x", Difference.OTHER) in told(found)


async def test_an_edited_state_is_drift(make_batch: Make) -> None:
    plane = MemoryPlane(files())
    await applied(make_batch, plane, 1)
    state = json.loads(plane.state or b"")
    for one in state["resources"]:
        if one["module"] == "module.a":
            one["instances"][0]["attributes"]["input"]["value"] = "edited"
    plane.state = json.dumps({**state, "serial": state["serial"] + 1}).encode()
    found = await audit(make_batch, plane)
    kinds = {unit: kind for unit, _, kind in told(found)}
    assert kinds["module.a"] is Difference.STATE
    assert set(kinds.values()) <= {Difference.STATE, Difference.PENDING}


READER = """
data "terraform_remote_state" "other" {
  backend = "local"
  config  = { path = "%s" }
}
output "word" {
  value = data.terraform_remote_state.other.outputs.word
}
"""


async def test_what_is_read_of_the_world_is_the_world(make_batch: Make, tmp_path: Path) -> None:
    other = tmp_path / "other.tfstate"

    def write(word: str) -> None:
        output = {"word": {"value": word, "type": "string"}}
        head = {"version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": "l", "resources": []}
        other.write_text(json.dumps({**head, "outputs": output}))

    write("one")
    root = ROOT.replace('"first"', "module.reads.word") + 'module "reads" {\n  source = "./reads"\n}\n'
    plane = MemoryPlane(files(root) | {"reads/main.tf": READER % other})
    await applied(make_batch, plane, 1)
    assert not (await audit(make_batch, plane)).addresses
    write("two")
    found = await audit(make_batch, plane, 10)
    kinds = {unit: kind for unit, _, kind in told(found)}
    assert kinds["module.a"] is Difference.WORLD
    assert Difference.OTHER not in kinds.values()
    assert Difference.SAME not in kinds.values()
    assert kinds["module.reads"] is Difference.WORLD  # else the next run would read it no more than this one


async def test_what_is_pending_is_no_difference_of_the_engine(make_batch: Make) -> None:
    plane = MemoryPlane(files())
    await applied(make_batch, plane, 1)
    plane.files = files(ROOT.replace("first", "changed"))
    found = await audit(make_batch, plane)
    assert {kind for _, _, kind in told(found)} == {Difference.PENDING}
    assert {unit for unit, _, _ in told(found)} == {"module.a", "module.b", "outputs"}
