"""Exports against real Terraform: what a cut downstream gets is what it gets in the whole root."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from hypothesis import given

from exported import comparable, expected
from stackly_engine import exact, exports
from stackly_engine.cutting import cut
from stackly_engine.exact import FormatError
from stackly_engine.exports import UNKNOWN, Export, ExportError, Exports, part_of
from stackly_engine.source import Product
from stackly_engine.values import Refinement
from terraform_roots import LIBRARY, PROGRAM, VARIABLES, Place, graph_of, modules_json

EXOTIC = {
    "unicode": '"ünï — \\u2028 日本"',
    "templates": '"$${a} %%{b} \\" \\\\ \\r\\n"',
    "digits": "123456789012345678901234567890",
    "huge": "1e300",
    "past_64": "18446744073709551617",
    "tenth": "0.1",
    "tiny": "-1.5e-40",
    "nothing": "null",
    "no_text": "tostring(null)",
    "no_list": "true ? null : [1, tostring(null)]",
    "empty_tuple": "[]",
    "empty_object": "{}",
    "empty_list": "tolist([])",
    "empty_set": "toset([])",
    "empty_map": "tomap({})",
    "texts": 'tolist(["a", null])',
    "objects": 'toset([{ a = 1, b = ["x"] }, { a = 2, b = ["y"] }])',
    "mixed": '[1, "a", null, true, { x = tolist([{ y = null }]) }]',
    "odd_keys": '{ "a b" = 1, "$${c}" = null, "for" = { "" = [] }, "é" = "é", "true" = 1, "null" = 2 }',
    "odd_lists": '{ l = tolist([{ "a b" = 1 }]), s = toset([{ "c.d" = "e" }]), m = tomap({ x = { "1" = 2 } }) }',
    "odd_empty": '[slice(tolist([{ "a b" = "1" }]), 0, 0), toset(slice(tolist([{ "a b" = 1 }]), 0, 0))]',
    "odd_null": 'true ? null : { "a b" = tolist(["1"]) }',
    "odd_map": 'zipmap(slice(tolist(["x"]), 0, 0), slice(tolist([{ "a b" = 1 }]), 0, 0))',
    "defaulted": "var.defaulted",
    "secret": 'sensitive("s3cret")',
    "secret_list": 'sensitive(["s3cret", 1])',
    "secret_part": '{ a = sensitive("s3cret"), b = [1, sensitive(null)], c = { d = tolist([sensitive("s3cret")]) } }',
    "secret_map": 'tomap({ "s3cret $${x}" = sensitive("s3cret"), l = "m" })',
    "secret_set": 'toset([sensitive("s3cret"), "b"])',
    "secret_odd": '[sensitive({ "a b" = 1 }), { "c d" = sensitive(true) }]',
    "secret_number": "sensitive(12345678901234567890123.5)",
    "secret_null": "sensitive(tostring(null))",
    "deep": "[[[[[[[[[[{ a = [sensitive(1), 2] }]]]]]]]]]]",
}
DEFAULTED = """variable "defaulted" {
  type = object({ a = string, b = optional(number, 3), c = optional(list(string)) })
  default = { a = "x" }
}
"""
TAKING = """variable "in" { type = any }
resource "terraform_data" "it" { input = var.in }
output "out" { value = var.in }
"""


def giving(values: dict[str, str]) -> str:
    outputs = [f'output "{name}" {{\n  value = {value}\n  sensitive = true\n}}\n' for name, value in values.items()]
    return DEFAULTED + "".join(outputs)


def root_of(values: dict[str, str]) -> dict[str, str]:
    """Module a gives each value, module b_<name> takes it, and the root has its output."""
    calls = [
        f'module "b_{name}" {{\n  source = "./b"\n  in = module.a.{name}\n}}\n'
        f'output "{name}" {{\n  value = module.b_{name}.out\n  sensitive = true\n}}\n'
        for name in values
    ]
    main = 'module "a" {\n  source = "./a"\n}\n' + "".join(calls)
    return {"main.tf": main, "a/main.tf": giving(values), "b/main.tf": TAKING}


def written(place: Place, root: dict[str, str]) -> Place:
    return place.write(root).write({".terraform/modules/modules.json": modules_json(root)})


def instances(state: dict[str, Any]) -> dict[str, Any]:
    """What the state says of each resource: its input with its type, and its sensitive paths as a set."""
    found = {}
    for resource in state["resources"]:
        attributes = resource["instances"][0]["attributes"]
        paths = {
            json.dumps(path, sort_keys=True, default=str) for path in resource["instances"][0]["sensitive_attributes"]
        }
        found[resource.get("module", "") + "." + resource["name"]] = (exact.normal(attributes["input"]), paths)
    return found


@pytest.mark.parametrize("command", [PROGRAM, LIBRARY], ids=["terraform", "library"])
def test_every_exotic_value_arrives_as_in_the_whole_root(tmp_path: Path, command: list[str]) -> None:
    root = root_of(EXOTIC)
    graph = graph_of(root)
    whole = written(Place(tmp_path / "whole", command), root).apply()
    first = Place(tmp_path / "first", command).cut(root, cut(graph, {"module.a"}, {}))
    recorded = exports.recorded(graph, {"module.a"}, first.apply(VARIABLES))
    rest = set(graph.units) - {"module.a"}
    made = cut(graph, rest, recorded)
    assert b"s3cret" not in made.generated
    second = Place(tmp_path / "second", command).cut(root, made)
    state = second.apply(VARIABLES)
    assert instances(state) == instances(whole)
    outputs = exports.without_generated(state)["outputs"]
    assert exact.normal(outputs) == exact.normal(whole["outputs"])


UNSEEN = {
    "known": '"k"',
    "id": "terraform_data.x.id",
    "text": "terraform_data.x.output",
    "wrapped": '"a ${terraform_data.x.id}"',
    "shown": '"p${terraform_data.x.output.s}"',
    "list": 'tolist([terraform_data.x.id, "k"])',
    "set": "toset([terraform_data.x.id, terraform_data.x.output.s])",
    "single_set": "toset([tostring(terraform_data.x.output.s)])",
    "map": '{ for k in ["u v", "w"] : k => terraform_data.x.id }',
    "tomap": 'tomap({ "u v" = terraform_data.x.id, w = null })',
    "object": "{ a = terraform_data.x.id, b = toset([1, 2]), c = sensitive(terraform_data.x.id), d = null }",
    "objects": 'tolist([{ a = terraform_data.x.id, b = "1" }, { a = "k", b = tostring(null) }])',
    "number": "length(terraform_data.x.id)",
    "bool": 'terraform_data.x.id == "x"',
    "null_or_bool": "tobool(terraform_data.x.output.s)",
    "null_or_list": "tolist(terraform_data.x.output.l)",
    "typed_list": 'split(",", terraform_data.x.id)',
    "typed_set": 'toset(split(",", terraform_data.x.id))',
    "typed_map": 'zipmap(split(",", terraform_data.x.id), split(",", terraform_data.x.id))',
    "typed_odd": '[for x in [1] : { "a b" = tonumber(terraform_data.x.output.s) }]',
    "secret": "sensitive(terraform_data.x.id)",
    "secret_deep": "sensitive({ a = [terraform_data.x.id, sensitive(1)], b = 1 })",
}
UNSEEN_GIVING = """resource "terraform_data" "x" { input = { s = "s", l = ["s"], n = 1 } }
"""
COUNTING = """variable "in" { type = any }
resource "terraform_data" "it" { count = var.in != null ? 1 : 0 }
"""
COUNTED = ("id", "wrapped", "list", "set", "number", "bool", "typed_list", "typed_map", "object", "map")


def unseen_root() -> dict[str, str]:
    outputs = [f'output "{name}" {{\n  value = {value}\n}}\n' for name, value in UNSEEN.items()]
    root = root_of(UNSEEN)
    calls = [f'module "c_{name}" {{\n  source = "./c"\n  in = module.a.{name}\n}}\n' for name in COUNTED]
    return {
        **root,
        "main.tf": root["main.tf"] + "".join(calls),
        "a/main.tf": UNSEEN_GIVING + "".join(outputs),
        "c/main.tf": COUNTING,
    }


def changes(place: Place, key: str) -> Any:
    return exact.normal(exact.loads(place.run("show", "-json", "plan.bin").encode())[key])


def resource_changes(place: Place) -> dict[str, Any]:
    found = {change["address"]: change["change"] for change in changes(place, "resource_changes")}
    return {address: change for address, change in found.items() if address.startswith(("module.b_", "module.c_"))}


@pytest.mark.parametrize("command", [PROGRAM, LIBRARY], ids=["terraform", "library"])
def test_a_preview_with_planned_exports_is_the_plan_of_the_whole_root(tmp_path: Path, command: list[str]) -> None:
    root = unseen_root()
    graph = graph_of(root)
    whole = written(Place(tmp_path / "whole", command), root)
    whole.plan()
    first = Place(tmp_path / "first", command).cut(root, cut(graph, {"module.a"}, {}))
    planned = exports.planned(graph, {"module.a"}, first.plan(VARIABLES), {})
    rest = set(graph.units) - {"module.a", "outputs"}
    second = Place(tmp_path / "second", command).cut(root, cut(graph, rest, planned))
    planned |= exports.planned(graph, rest, second.plan(VARIABLES), {})
    assert resource_changes(second) == resource_changes(whole)
    third = Place(tmp_path / "third", command).cut(root, cut(graph, {"outputs"}, planned))
    third.plan(VARIABLES)
    assert changes(third, "output_changes") == changes(whole, "output_changes")


RULES = """module "one" { source = "./a" }
module "many" {
  source = "./a"
  count  = 2
}
module "keyed" {
  source   = "./a"
  for_each = toset(["x"])
}
module "whole" { source = "./a" }
module "asked" { source = "./a" }
module "unread" { source = "./a" }
module "awaited" { source = "./a" }
resource "terraform_data" "single" { input = module.one.id }
resource "terraform_data" "maybe" {
  for_each = toset(["x"])
  input    = module.one.id
}
data "terraform_remote_state" "data" {
  backend = "local"
  config  = { path = module.one.id }
}
module "reader" {
  source = "./b"
  in = [
    module.one.id, module.one.other, module.many[0].id, module.keyed["x"].id, module.whole, module.whole.id, try(module.asked.none, null),
    terraform_data.single.output, terraform_data.single.id, terraform_data.maybe["x"].id,
    data.terraform_remote_state.data.outputs.x,
  ]
  depends_on = [module.awaited]
}
"""
SIMPLE = {"a/main.tf": 'output "id" { value = "x" }\noutput "other" { value = null }\n', "b/main.tf": TAKING}


def test_what_a_batch_records() -> None:
    graph = graph_of({"main.tf": RULES, **SIMPLE}, sound=False)  # `try` asks for an output that is not there
    assert exports.outputs_of(graph, [*graph.units, "removed"]) == {
        "data.terraform_remote_state.data": ("outputs",),
        "module.asked": (None,),
        "module.keyed": (None,),
        "module.many": (None,),
        "module.one": ("id", "other"),
        "module.whole": (None,),
        "terraform_data.maybe": (None,),
        "terraform_data.single": ("id", "output"),
    }
    assert exports.unknown_of(graph, ["module.one"]) == {"module.one": {"id": UNKNOWN, "other": UNKNOWN}}
    made = cut(graph, {"module.one"}, {}).generated.decode()
    assert made.count("output ") == 2
    assert "stackly_up__module__one__id" in made
    assert not cut(graph, {"module.one"}, {}, record=False).generated


def test_an_object_that_opentofu_may_leave_out_is_recorded_whole() -> None:
    main = 'resource "t" "x" {\n  lifecycle { enabled = false }\n}\nmodule "b" {\n  source = "./b"\n  in = t.x.id\n}\n'
    graph = graph_of({"main.tf": main + 'module "c" {\n  source = "./b"\n  in = t.x.id\n}\n', **SIMPLE}, Product.TOFU)
    assert exports.attributes_of(graph, "t.x") == (None,)


def test_ephemeral_values_never_leave(tmp_path: Path) -> None:
    giving = """output "id" { value = terraform_data.x.id }
resource "terraform_data" "x" {}
variable "token" { ephemeral = true }
output "token" {
  value     = var.token
  ephemeral = true
}
"""
    main = """variable "token" {
  ephemeral = true
  default   = "s3cret"
}
module "a" {
  source = "./e"
  token  = var.token
}
module "b" {
  source = "./b"
  in     = module.a.id
}
output "whole" { value = ephemeralasnull(module.a) }
ephemeral "t" "n" {}
"""
    root = {"main.tf": main, "e/main.tf": giving, **SIMPLE}
    graph = graph_of(root)
    unit = graph.owner["module.a"]
    named = replace(graph, exports={"module.a": frozenset({"id", "token"}), "ephemeral.t.n": frozenset({"x"})})
    assert exports.attributes_of(named, "module.a") == ("id",)
    assert exports.attributes_of(named, "ephemeral.t.n") == ()
    # units that hand over ephemeral values are merged; were they not, still nothing would be written down
    whole = replace(graph, exports={"module.a": frozenset({None})})
    state = Place(tmp_path / "a").cut(root, cut(whole, {unit}, {}, record=True)).apply(VARIABLES)
    assert b"s3cret" not in exact.dumps(state)
    assert exports.recorded(whole, {unit}, state)["module.a"][None].value == {"id": ANY, "token": None}


def test_what_is_missing_is_named() -> None:
    graph = graph_of({"main.tf": RULES, **SIMPLE}, sound=False)
    with pytest.raises(ExportError, match=r"module\.one\.id"):
        exports.recorded(graph, {"module.one"}, {"outputs": {}})
    with pytest.raises(ExportError, match=r"no export"):
        exports.from_output({"type": "string", "value": "x"})


TEXT = Export("string", "x")
KEY, PLACE = b"k" * 32, ("module.a", "id")


@pytest.mark.parametrize(
    "other",
    [
        Export("string", "y"), Export("string", "x", sensitive=True), Export("string", None), Export("dynamic", None),
        Export("string", None, unknown=True), UNKNOWN, Export(["list", "string"], ["x"]), Export(["set", "string"], ["x"]),
        Export(["list", "string"], ["x"], sensitive=[True]), Export("number", 1), Export("bool", True),
        Export("string", None, unknown=True, refined=(((), Refinement(not_null=True)),)),
        Export(["list", "string"], ["x"], sensitive=True), Export(["list", "string"], ["x"], True, inner=((0,),)),
    ],
)  # fmt: skip
def test_hashes_differ_with_value_type_place_and_marks(other: Export) -> None:
    assert exports.hash_of(other, KEY, PLACE) != exports.hash_of(TEXT, KEY, PLACE)
    assert exports.hash_of(other, KEY, PLACE) == exports.hash_of(replace(other), KEY, PLACE)
    assert exports.hash_of(other, b"other", PLACE) != exports.hash_of(other, KEY, PLACE)
    assert exports.hash_of(other, KEY, ("module.a", None)) != exports.hash_of(other, KEY, PLACE)


def test_hashes_are_of_the_value_not_of_how_it_is_written() -> None:
    attributes: dict[str, Any] = {"s": ["set", "number"], "t": "string"}
    t = ["object", attributes]
    one = Export(t, {"s": [1, Decimal("2.50")], "t": ""}, {"s": False, "t": [False]}, {"s": False})
    other = Export(["object", dict(reversed(attributes.items()))], {"t": "", "s": [Decimal("2.5"), Decimal("1e0")]})
    assert exports.hash_of(one, KEY, PLACE) == exports.hash_of(other, KEY, PLACE)


@given(expected())
def test_exports_can_be_kept_as_a_document(export: Export) -> None:
    kept: Exports = {"module.a": {None: export}, "t.n": {"b": export, "a": TEXT}}
    read = exports.from_document(exact.loads(exact.dumps(exports.to_document(kept))))
    assert {place: {name: comparable(e) for name, e in named.items()} for place, named in read.items()} == {
        place: {name: comparable(e) for name, e in named.items()} for place, named in kept.items()
    }


@pytest.mark.parametrize("document", [None, 1, [1], [["a", None, {}]], [["a", None, {"type": "text"}]]])
def test_what_is_no_document_of_exports_is_refused(document: Any) -> None:
    with pytest.raises(FormatError):
        exports.from_document(document)


def test_a_part_of_what_is_recorded_whole_is_known_with_all_that_is_said_of_it() -> None:
    whole = Export(
        ["object", {"a": ["object", {"x": "string"}], "b": "string"}], {"a": {"x": None}, "b": "2"},
        sensitive={"b": True}, unknown={"a": {"x": True}}, refined=((("a", "x"), Refinement(not_null=True)),),
        inner=(("b",),),
    )  # fmt: skip
    recorded: Exports = {"module.m": {None: whole}}
    assert part_of(recorded, ("module.m", "a")) == Export(
        ["object", {"x": "string"}], {"x": None}, unknown={"x": True}, refined=((("x",), Refinement(not_null=True)),)
    )
    assert part_of(recorded, ("module.m", "b")) == Export("string", "2", sensitive=True)
    assert part_of(recorded, ("module.m", "c")) is None
    assert part_of({"module.m": {None: Export("dynamic", None, unknown=True)}}, ("module.m", "a")) is None
