"""Types: what a constraint says is what Terraform makes of it; what fits a type; sets have one order."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from exported import TYPES, values_of
from stackly_engine import exact, types
from stackly_engine.exact import FormatError
from terraform_roots import VARIABLES, Place

EXPRESSIBLE = TYPES.filter(types.expressible)


@st.composite
def typed(draw: st.DrawFn, kinds: st.SearchStrategy[Any] = TYPES) -> tuple[Any, Any]:
    t = draw(kinds)
    return t, draw(values_of(t))


@settings(
    max_examples=2, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(values=st.lists(typed(EXPRESSIBLE), min_size=40, max_size=60))
def test_a_variable_of_the_constraint_has_exactly_the_type(
    tmp_path_factory: pytest.TempPathFactory, values: Any
) -> None:
    place, blocks = Place(tmp_path_factory.mktemp("types")), []
    for number, (t, _) in enumerate(values):
        blocks.append(f'variable "v{number}" {{\n  type = {types.constraint(t)}\n}}\n')
        blocks.append(f'output "v{number}" {{\n  value = [var.v{number}]\n}}\n')
    place.write({"main.tf": "".join(blocks)})
    place.write({"stackly.tfvars.json": exact.dumps({f"v{number}": value for number, (_, value) in enumerate(values)})})
    outputs = place.apply(VARIABLES)["outputs"]
    for number, (t, value) in enumerate(values):
        output = outputs[f"v{number}"]
        assert output["type"] == ["tuple", [t]]
        assert normal(output["value"][0], t) == normal(value, t)


def normal(value: Any, t: Any) -> Any:
    return exact.normal(types.ordered(value, t))


@pytest.mark.parametrize(
    ("t", "text"),
    [
        ("dynamic", "any"),
        (["map", ["set", "bool"]], "map(set(bool))"),
        (["tuple", []], "tuple([])"),
        (["object", {}], "object({})"),
        (["object", {"b-c": "number", "a": ["list", "string"]}], "object({a=list(string),b-c=number})"),
        (["object", {"a": "string"}, ["a"]], "object({a=string})"),
    ],
)
def test_constraints(t: Any, text: str) -> None:
    assert types.constraint(types.check(t)) == text


@pytest.mark.parametrize("name", ["", "a b", "1", "for", "null", "true", "ünï", "${x}", "a.b", "a\n"])
def test_names_without_syntax_have_no_constraint(name: str) -> None:
    t = ["tuple", [["list", ["object", {name: "string"}]]]]
    assert not types.expressible(t)
    with pytest.raises(FormatError):
        types.constraint(t)


@pytest.mark.parametrize(
    "t", [None, 1, "text", [], ["list"], ["list", "text"], ["object", []], ["tuple", {}], ["map", None], [1, 2]]
)
def test_what_is_no_type_is_refused(t: Any) -> None:
    with pytest.raises(FormatError):
        types.check(t)


@given(typed())
def test_values_fit_their_type(pair: tuple[Any, Any]) -> None:
    t, value = pair
    assert types.conforms(value, t)
    assert types.check(t) == t
    assert normal(types.ordered(value, t), t) == normal(value, t)


@pytest.mark.parametrize(
    ("value", "t"),
    [
        ("1", "number"), (1, "string"), (True, "number"), (1, "bool"), ("x", "dynamic"), ({}, ["list", "string"]),
        ([1], ["list", "string"]), ({"a": 1}, ["map", "string"]), ([1], ["tuple", []]), ({}, ["object", {"a": "string"}]),
        ({"a": "x", "b": "y"}, ["object", {"a": "string"}]),
    ],
)  # fmt: skip
def test_values_that_do_not_fit(value: Any, t: Any) -> None:
    assert not types.conforms(value, t)


def test_sets_are_equal_in_any_order_and_lists_are_not() -> None:
    t = ["object", {"s": ["set", ["object", {"a": "number"}]], "l": ["list", "number"]}]
    one = {"s": [{"a": 1}, {"a": 2}], "l": [1, 2]}
    assert types.ordered({**one, "s": [{"a": 2}, {"a": 1}]}, t) == types.ordered(one, t)
    assert types.ordered({**one, "l": [2, 1]}, t) != types.ordered(one, t)
