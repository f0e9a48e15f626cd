"""Files that providers and provisioners write while a root runs in units: others read them, and no plan goes stale of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakes.control_plane import MemoryPlane
from stackly_worker.runner import units_known
from stackly_worker.runner.batch import Batch
from stackly_worker.runner.ports import Outcome

Make = Callable[..., Batch]
WRITES = """
variable "text" {}
resource "terraform_data" "file" {
  input = "made/${var.text}.txt"
  provisioner "local-exec" {
    command = "mkdir -p made && printf %s '${var.text}' > made/${var.text}.txt"
  }
}
output "path" {
  value = terraform_data.file.output
}
"""
READS = """
variable "path" {}
resource "terraform_data" "read" {
  input = file(var.path)
}
output "text" {
  value = terraform_data.read.output
}
"""
ROOT = """
module "one" {
  source = "./writes"
  text   = "first"
}
module "two" {
  source = "./writes"
  text   = "second"
}
module "three" {
  source = "./reads"
  path   = module.one.path
}
module "four" {
  source = "./reads"
  path   = "${module.two.path}"
}
output "texts" {
  value = "${module.three.text} ${module.four.text}"
}
"""
FILES = {"main.tf": ROOT, "writes/main.tf": WRITES, "reads/main.tf": READS}


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every unit in a batch of its own, whatever that costs."""
    monkeypatch.setattr(units_known, "APART", True)


def facts(number: int) -> dict[str, Any]:
    return {"plan_key": f"run-{number}/1/b1", "source_digest": "s", "units": True, "parallelism": 4}


async def run(make: Make, plane: MemoryPlane, number: int) -> Outcome:
    planned = await make(plane, **facts(number)).plan()
    assert planned.status == "planned", plane.text
    return await make(plane, **facts(number)).apply()


async def test_what_one_batch_writes_another_reads(make_batch: Make, tmp_path: Path) -> None:
    plane = MemoryPlane(FILES)
    outcome = await run(make_batch, plane, 1)
    assert outcome.status == "applied", plane.text
    assert b'"first second"' in (outcome.outputs or b"")
    made = sorted((tmp_path / "stack" / "tree" / "made").iterdir())
    assert {path.name: path.read_text() for path in made} == {"first.txt": "first", "second.txt": "second"}


ALONE = """
module "one" {
  source = "./writes"
  text   = "first"
}
"""


async def test_what_a_plan_writes_does_not_make_it_stale_and_what_changes_the_code_does(
    make_batch: Make, tmp_path: Path
) -> None:
    plane = MemoryPlane({"main.tf": ALONE, "writes/main.tf": WRITES, "writes/note.txt": "as it was"})
    planned = await make_batch(plane, **facts(1)).plan()
    assert planned.status == "planned", plane.text
    tree = tmp_path / "stack" / "tree"
    (tree / "writes" / "archive.zip").write_bytes(b"as an archive of a data source")
    applied = await make_batch(plane, **facts(1)).apply()
    assert applied.status == "applied", plane.text
    plane.nonces.clear()
    plane.files = {**plane.files, "main.tf": ALONE.replace("first", "third")}
    planned = await make_batch(plane, **facts(2)).plan()
    assert planned.status == "planned", plane.text
    assert not (tree / "writes" / "archive.zip").exists()
    (tree / "writes" / "note.txt").write_bytes(b"another now")
    applied = await make_batch(plane, **facts(2)).apply()
    assert "are not those that the plan was made on" in applied.reason
