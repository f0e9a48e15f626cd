"""Rebuilt values: what Terraform makes of an expression is the export that it was built from, for any type and marks."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from exported import comparable, expected, exported
from stackly_engine import exact, exports, planfile
from stackly_engine.exports import Export
from stackly_engine.generating import Generated
from stackly_engine.values import Refinement
from terraform_roots import VARIABLES, Place

GENERATED: dict[str, Any] = {
    "max_examples": 3,
    "deadline": None,
    "database": None,
    "phases": [Phase.generate],
    "suppress_health_check": list(HealthCheck),
}
ODD = ["object", {"a b": "string", "${x}": ["list", "number"]}]
NOT_NULL = Refinement(not_null=True)


def name(number: int) -> str:
    return f"stackly_up__v{number}"


def rebuilt(folder: Path, values: list[Export]) -> Place:
    """A root that makes each value from its export and records it again."""
    made = Generated()
    for number, value in enumerate(values):
        made.value(name(number), value)
        made.record(name(number), f"local.{name(number)}")
    return Place(folder).write({"main.tf": made.text(), "stackly.tfvars.json": exact.dumps(made.values())})


def check_applied(folder: Path, values: list[Export]) -> None:
    outputs = rebuilt(folder, values).apply(VARIABLES)["outputs"]
    for number, value in enumerate(values):
        assert comparable(exports.from_output(outputs[name(number)])) == comparable(value)


def check_planned(folder: Path, values: list[Export]) -> None:
    outputs = planfile.outputs(rebuilt(folder, values).plan(VARIABLES))
    for number, value in enumerate(values):
        assert comparable(exports.from_planned_output(outputs[name(number)])) == comparable(value)


@settings(**GENERATED)
@given(values=st.lists(exported(), min_size=40, max_size=60))
def test_known_values(tmp_path_factory: pytest.TempPathFactory, values: list[Export]) -> None:
    check_applied(tmp_path_factory.mktemp("rebuilt"), values)


@settings(**GENERATED)
@given(values=st.lists(expected(), min_size=40, max_size=60))
def test_unknown_parts(tmp_path_factory: pytest.TempPathFactory, values: list[Export]) -> None:
    check_planned(tmp_path_factory.mktemp("planned"), values)


def test_types_without_constraint_syntax(tmp_path: Path) -> None:
    value = {"a b": "x", "${x}": [1]}
    values = [
        Export(ODD, None),
        Export(ODD, value, sensitive=True),
        Export(ODD, value, {"a b": True, "${x}": [True]}),
        *(Export([form, ODD], []) for form in ("list", "set")),
        Export(["map", ODD], {}),
        *(Export([form, ODD], [value]) for form in ("list", "set")),
        Export(["map", ODD], {"k ${y}": value, "l": None}, {"k ${y}": True, "l": True}),
        Export(["list", ["object", {"for": ["map", ["object", {"": "bool"}]]}]], [{"for": {}}, {"for": None}, None]),
    ]
    check_applied(tmp_path, values)


def test_unknown_values_of_every_kind(tmp_path: Path) -> None:
    kinds = [
        "string",
        "number",
        "bool",
        *([form, inner] for form in ("list", "set", "map") for inner in ("string", ODD)),
    ]
    refined: list[Export] = [Export(kind, None, False, True, (((), NOT_NULL),)) for kind in kinds]
    plain = [Export(kind, None, unknown=True) for kind in [*kinds, ODD, ["tuple", []], "dynamic"]]
    inside = [
        Export(["set", "string"], ["k", None], unknown=[False, True]),
        Export(["map", "string"], {"k": None, "l": None}, {"k": True, "l": False}, {"k": True, "l": False}),
        Export(["list", ODD], [{"a b": None, "${x}": None}, None], unknown=[{"a b": True, "${x}": True}, True]),
        Export("string", None, False, True, (((), Refinement(not_null=True, prefix="ü ${x} ")),)),
        Export(ODD, None, True, True),
    ]
    check_planned(tmp_path, [*refined, *plain, *inside])


def test_no_value_enters_the_text() -> None:
    made = Generated()
    kind = ["object", {"m": ["map", "string"], "s": ["set", "string"], "n": "number"}]
    value = {"m": {"s3cret": "s3cret"}, "s": ["s3cret"], "n": 7331}
    made.value("stackly_up__v", Export(kind, value, {"m": {"s3cret": True}, "s": True, "n": True}))
    made.value("stackly_up__w", Export(["map", "string"], {"s3cret": None}, unknown={"s3cret": True}))
    assert b"s3cret" not in made.text()
    assert b"7331" not in made.text()
    assert b"s3cret" in exact.dumps(made.values())
