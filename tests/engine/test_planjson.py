"""Planned exports from a plan's JSON: what it can tell is what the plan file says, anything else is refused."""

from pathlib import Path
from typing import Any

import pytest

from stackly_engine import exact, exports, planjson
from stackly_engine.cutting import cut
from stackly_engine.exports import UNKNOWN, Export, ExportError, Exports
from stackly_engine.planfile import PlanFormatError
from terraform_roots import VARIABLES, Place, graph_of

TAKING = 'variable "in" {\n  type = any\n}\n'


def root_of(value: str) -> dict[str, str]:
    main = 'module "a" { source = "./a" }\nmodule "b" {\n  source = "./b"\n  in = module.a.o\n}\n'
    giving = f'resource "terraform_data" "x" {{}}\noutput "o" {{\n  value = {value}\n  sensitive = true\n}}\n'
    plain = giving.replace("  sensitive = true\n", "") if "sensitive(" not in value else giving
    return {"main.tf": main, "a/main.tf": plain, "b/main.tf": TAKING}


def both(folder: Path, value: str, known: Export | None = None) -> tuple[Any, Any]:
    """The export by the plan's JSON (or the error) and by its file."""
    root = root_of(value)
    graph = graph_of(root)
    before: Exports = {"module.a": {"o": known}} if known else {}
    place = Place(folder).cut(root, cut(graph, {"module.a"}, {}))
    by_file = exports.planned(graph, {"module.a"}, place.plan(VARIABLES), before)["module.a"]["o"]
    document = exact.loads(place.run("show", "-json", "plan.bin").encode())
    try:
        return planjson.planned(graph, {"module.a"}, document, before)["module.a"]["o"], by_file
    except PlanFormatError as error:
        return str(error), by_file


@pytest.mark.parametrize("value", ['"x"', "1.5", "true", 'sensitive("x")'])
def test_plain_values_have_their_types(tmp_path: Path, value: str) -> None:
    by_json, by_file = both(tmp_path, value)
    assert by_json == by_file


def test_what_fits_the_recorded_type_has_it(tmp_path: Path) -> None:
    known = Export(["object", {"a": ["set", "string"], "b": "number"}], {"a": [], "b": 1})
    by_json, by_file = both(tmp_path, '{ a = toset(["x"]), b = 2 }', known)
    assert by_json == by_file


def test_unknown_values_are_unknown_and_their_marks_stay(tmp_path: Path) -> None:
    assert both(tmp_path / "plain", "terraform_data.x.id")[0] == UNKNOWN
    assert both(tmp_path / "secret", "sensitive(terraform_data.x.id)")[0] == Export("dynamic", None, True, True)


@pytest.mark.parametrize("value", ["[1]", "{}", "null", "tolist([])"])
def test_what_could_be_of_several_types_is_refused(tmp_path: Path, value: str) -> None:
    by_json, _ = both(tmp_path, value)
    assert "module.a.o cannot be told" in by_json


def test_what_did_not_change_is_what_it_was() -> None:
    graph, known = graph_of(root_of("1")), Export(["set", "number"], [1])
    change = {"output_changes": {"stackly_up__module__a__o": {"actions": ["no-op"]}}}
    for document in ({}, change):
        assert planjson.planned(graph, {"module.a"}, document, {"module.a": {"o": known}}) == {"module.a": {"o": known}}
        with pytest.raises(ExportError, match=r"module\.a\.o"):
            planjson.planned(graph, {"module.a"}, document, {})


def test_what_is_known_in_part_is_refused(tmp_path: Path) -> None:
    known = Export(["object", {"a": "string", "b": ["set", "string"]}], {"a": "", "b": []})
    by_json, _ = both(tmp_path, '{ a = terraform_data.x.id, b = toset(["x"]) }', known)
    assert "parts of it are not known yet" in by_json
