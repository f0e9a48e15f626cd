"""What is known of a state file is believed only of the very bytes that this engine wrote."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from engine.command.asking import Asked, asked
from stackly_engine import slices
from stackly_engine.command import standing
from stackly_engine.command.inspection import Options
from stackly_engine.command.running import session
from stackly_engine.command.standing import Standing
from stackly_engine.command.tool import Processes, find
from stackly_engine.driving.carrying import Apply, Fate

MODULE = """
variable "in" { default = null }
resource "terraform_data" "x" { input = var.in }
resource "terraform_data" "y" { input = terraform_data.x.output }
output "out" { value = terraform_data.x.output }
"""


def resource(name: str, **more: Any) -> dict[str, Any]:
    made = {"module": "module.a", "mode": "managed", "type": "t", "name": name, "provider": "p", "instances": []}
    return {**made, **more}


def document(*resources: dict[str, Any], serial: int = 1) -> dict[str, Any]:
    return {"version": 4, "serial": serial, "lineage": "l", "resources": list(resources), "outputs": {"a\n    ": 1}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / ".stackly").mkdir()
    one = at(tmp_path / "terraform.tfstate")
    one.keep(document(resource("a\n    {"), resource("b")))
    one.note({"module.a": "digest"}, "key")
    return tmp_path / "terraform.tfstate"


def at(path: Path) -> Standing:
    return Standing(path, path.parent, "1.11.4")


def test_what_was_noted_is_known(path: Path) -> None:
    assert (at(path).digests, at(path).settled_by) == ({"module.a": "digest"}, "key")


def test_nothing_is_known_of_another_file(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"serial": 1', b'"serial": 2'))
    assert (at(path).digests, at(path).settled_by) == ({}, "")


def test_nor_by_another_engine(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "engine", lambda: "another")
    assert (at(path).digests, at(path).settled_by) == ({}, "")


@pytest.mark.parametrize("note", ["", "{", "[]", "null", '[2, "", "", {}, ""]'])
def test_nor_of_a_note_of_another_form(path: Path, note: str) -> None:
    (path.parent / ".stackly/state").write_text(note)
    assert (at(path).digests, at(path).settled_by) == ({}, "")


def test_what_stays_is_written_as_it_was_and_what_is_new_anew(path: Path) -> None:
    one = at(path)
    first, second = one.document["resources"]
    changed = {**second, "instances": [{"attributes": {"x": 1}}]}
    for resources in ([first, second], [first, changed], [changed, first], [first], [], [resource("c"), changed]):
        new = {**one.document, "serial": 7, "resources": resources}
        one.keep(new)
        assert path.read_bytes() == slices.document_bytes(new)
    one.keep(copy.deepcopy(one.document))
    assert path.read_bytes() == slices.document_bytes(one.document)


def test_a_file_of_another_layout_is_written_in_ours(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()), indent=2))
    one = at(path)
    one.keep(one.document)
    assert path.read_bytes() == slices.document_bytes(one.document)


# --- dependencies


def written(engine: Asked) -> dict[str, list[str]]:
    resources = json.loads(engine.state.read_text())["resources"]
    return {
        f"{one['module']}.{one['name']}": [
            name.replace("terraform_data.", "") for name in one["instances"][0].get("dependencies", [])
        ]
        for one in resources
    }


def apart(engine: Asked) -> dict[tuple[str, ...], Fate]:
    """One run with a batch for each unit."""
    fates: dict[tuple[str, ...], Fate] = {}
    with session(engine.folder, find(), Processes(), outer=engine.env()) as one:
        known, chain = one.plan(Options(apart=True))
        assert known.settled_by  # or there is nothing to see here
        assert Apply(known, chain, lambda ended: fates.update({ended.units: ended.fate})).run()
        chain.close(known.hands)
    return fates


def test_dependencies_of_units_that_do_not_run_follow_the_code(tmp_path: Path) -> None:
    """module.b is skipped each time; what its resources come to behind the output of module.a is another thing."""
    calls = 'module "a" {\n  source = "./a"\n  in = 1\n}\nmodule "b" {\n  source = "./b"\n  in = module.a.out\n}\n'
    engine = asked(tmp_path / "root", {"main.tf": calls, "a/main.tf": MODULE, "b/main.tf": MODULE})
    engine("apply", "--yes")
    before = written(engine)
    assert before["module.b.x"] == ["module.a.x"]
    for change in (("in = 1", "in = 2"), ("in = module.a.out", "in = [module.a.out, 3]")):  # no other references
        calls = calls.replace(*change)
        engine.root.write({"main.tf": calls})
        assert ": applied" in engine("apply", "--yes").stdout
        assert written(engine) == before
    other = MODULE.replace("value = terraform_data.x.output", "value = terraform_data.y.output")
    engine.root.write({"a/main.tf": other + 'resource "terraform_data" "z" { input = terraform_data.y.id }\n'})
    fates = apart(engine)
    assert fates["module.a",] is Fate.APPLIED
    assert fates["module.b",] is Fate.UNCHANGED  # so that nothing of it was taken in
    after = written(engine)
    assert after["module.b.x"] == ["module.a.x", "module.a.y"]
    assert after["module.a.z"] == ["module.a.x", "module.a.y"]
    assert engine.in_sync()
