"""What Terraform says of a cut root, as the user's own code: no generated name is told or logged."""

from collections.abc import Callable

import pytest

from fakes.control_plane import MemoryPlane
from stackly_worker.runner.batch import Batch

Make = Callable[..., Batch]
INNER = 'variable "word" {}\nresource "terraform_data" "x" {\n  input = var.word\n}\noutput "word" { value = terraform_data.x.output }\n'


def code(read: str) -> dict[str, str]:
    second = f'module "b" {{\n  source = "./inner"\n  word   = {read}\n}}\n'
    return {"main.tf": 'module "a" {\n  source = "./inner"\n  word   = "one"\n}\n' + second, "inner/main.tf": INNER}


@pytest.mark.parametrize(
    ("read", "told"),
    [("module.a.word.nope", "Unsupported attribute"), ("tonumber(module.a.word)", "Invalid function argument")],
)
async def test_an_error_shows_the_code_as_it_was_written(make_batch: Make, read: str, told: str) -> None:
    plane = MemoryPlane(code("module.a.word"))
    for phase in ("plan", "apply"):
        outcome = await getattr(make_batch(plane, units=True, plan_key="run-1/1/b1"), phase)()
        assert outcome.status in {"planned", "applied"}, plane.text
    plane.files = code(read)
    outcome = await make_batch(plane, units=True, plan_key="run-2/1/b1", source_digest="s2").plan()
    assert outcome.status == "failed"
    (error,) = outcome.errors
    assert (error.summary, error.file, error.line) == (told, "main.tf", 7)
    assert error.snippet == f"  word   = {read}"
    assert f"   7:   word   = {read}" in plane.text
    assert "module.a.word is" in plane.text
    assert "stackly_up" not in plane.text
