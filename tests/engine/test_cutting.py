"""Cut roots: exact bytes, what is added, and that real Terraform makes of the pieces what it makes of the whole."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from stackly_engine import exact, exports
from stackly_engine.cutting import CutError, cut, cut_removed, edited
from stackly_engine.exports import UNKNOWN, Export, Recorded
from stackly_engine.graph import Graph
from stackly_engine.source import Node
from stackly_engine.syntax import Reference, Span
from terraform_roots import VARIABLES, Place, graph_of, modules_json

GIVING = """variable "in" {
  type    = any
  default = null
}
resource "terraform_data" "it" { input = var.in }
output "id" { value = terraform_data.it.id }
output "in" { value = terraform_data.it.output }
"""
MAIN = """terraform {
  backend "local" { path = "x.tfstate" }
  required_version = ">= 1.0"
}

variable "size" { default = 3 }
variable "unused" { default = 4 }

locals {
  one   = "${module.vpc.id}-${var.size}" # stays
  other = 2
  long  = <<EOT
    ${module.vpc.in}
  EOT
}

module "vpc" {
  source = "./m"
  in     = "v"
}

module "many" {
  source   = "./m"
  for_each = toset(["a", "b"])
  in       = each.key
}

/* a comment */ module "app" {
  source = "./m"
  in = [
    local.one, module.many["a"].id, [for k, m in module.many : m.in],
    { (module.vpc.id) = module.vpc.in, vpc = (module /* here */
      .vpc
      .id
    ) },
    { for vpc in ["module.vpc.id"] : vpc => vpc },
    terraform_data.single.output, resource.terraform_data.single.id, terraform_data.counted[*].output,
  ]
  depends_on = [module.vpc, terraform_data.alone]
}

resource "terraform_data" "single" { input = module.vpc.in }

resource "terraform_data" "counted" {
  count = 2
  input = "${module.vpc.in}${count.index}"
}

resource "terraform_data" "alone" {
  lifecycle {
    precondition {
      condition     = module.app.in != null
      error_message = "none"
    }
  }
}

output "app" { value = module.app.in }
output "long" { value = local.long }
"""
MAIN = MAIN.replace("[module.vpc, terraform_data.alone]", "[module.vpc, module.many]")
ROOT = {"main.tf": MAIN, "m/main.tf": GIVING}


def all_unknown(graph: Graph) -> Recorded:
    return exports.unknown_of(graph, graph.units)


def lines(data: bytes) -> list[str]:
    return data.decode().split("\n")


def by_units(tmp_path: Path, root: dict[str, str]) -> dict[str, Place]:
    """Each unit applied by itself, upstream first; its cut validates."""
    graph = graph_of(root)
    recorded: Recorded = {}
    places = {}
    for number, unit in enumerate(graph.order()):
        place = Place(tmp_path / str(number)).cut(root, cut(graph, {unit}, recorded))
        place.run("validate", "-no-color")
        recorded.update(exports.recorded(graph, {unit}, place.apply(VARIABLES)))
        places[unit] = place
    return places


def test_what_is_kept_keeps_its_bytes_and_lines() -> None:
    graph = graph_of(ROOT)
    made = cut(graph, {"module.app"}, all_unknown(graph))
    text, source = lines(made.files["main.tf"]), lines(MAIN.encode())
    assert len(text) == len(source)
    changed = [(old, new) for old, new in zip(source, text, strict=True) if old != new and new.strip()]
    up = "local.stackly_up__"
    assert changed == [
        (
            '  one   = "${module.vpc.id}-${var.size}" # stays',
            f'  one   = "${{{up}module__vpc__id}}-${{var.size}}" # stays',
        ),
        (
            '    local.one, module.many["a"].id, [for k, m in module.many : m.in],',
            f'    local.one, {up}module__many["a"].id, [for k, m in {up}module__many : m.in],',
        ),
        (
            "    { (module.vpc.id) = module.vpc.in, vpc = (module /* here */",
            f"    {{ ({up}module__vpc__id) = {up}module__vpc__in, vpc = ({up}module__vpc__id",
        ),
        (
            "    terraform_data.single.output, resource.terraform_data.single.id, terraform_data.counted[*].output,",
            f"    {up}terraform_data__single__output, {up}terraform_data__single__id, {up}terraform_data__counted[*].output,",
        ),
        ("  depends_on = [module.vpc, module.many]", "  depends_on = []"),
    ]


def test_units_applied_one_by_one_leave_nothing_to_do_for_the_whole_root(tmp_path: Path) -> None:
    places = by_units(tmp_path, ROOT)
    resources = [resource for place in places.values() for resource in place.state()["resources"]]
    state = {**places["outputs"].state(), "resources": resources}
    state = exports.without_generated(state)
    whole = Place(tmp_path / "whole").write({**ROOT, ".terraform/modules/modules.json": modules_json(ROOT)})
    graph = graph_of(ROOT)
    whole.cut(ROOT, cut(graph, set(graph.units), {}, record=False)).write({"terraform.tfstate": exact.dumps(state)})
    assert "No changes" in whole.run("plan", "-no-color")


def test_blocks_of_others_become_as_many_newlines_whatever_the_line_ends() -> None:
    main = '\ufeffmodule "a" {\r\n  source = "./m"\r\n}\r\nmodule "b" {\r\n  source = "./m"\r\n  in = module.a.id\r\n}'
    made = cut(graph_of({"main.tf": main, "m/main.tf": GIVING}), {"module.b"}, {"module.a": {"id": UNKNOWN}})
    kept = main.split("}\r\n", 1)[1].replace("module.a.id", "local.stackly_up__module__a__id")
    assert made.files["main.tf"] == ("\ufeff\n\n\r\n" + kept).encode()


def on_a(_: Node, address: str, __: Reference) -> bool:
    return address == "module.a"


def test_a_list_of_what_a_module_waits_for_keeps_what_is_here_and_what_is_pending(tmp_path: Path) -> None:
    main = """module "a" {
  source = "./m"
}
module "b" { source = "./m" }
module "c" { source = "./m" }
module "d" {
  source = "./m"
  in     = module.b.id
  depends_on = [
    module.a, # first
    module.b,
    module.c,
  ]
}
check "health" {
  data "terraform_remote_state" "x" {
    backend    = "local"
    config     = { path = "none" }
    depends_on = [module.a]
  }
  assert {
    condition     = true
    error_message = "never"
  }
}
"""
    root = {"main.tf": main, "m/main.tf": GIVING}
    graph = graph_of(root)
    made = cut(graph, {"module.c", "module.d"}, all_unknown(graph), pending=on_a)
    assert b"depends_on = [terraform_data.stackly_up__module__a-pending, module.c\n\n\n\n]" in made.files["main.tf"]
    assert made.preview
    Place(tmp_path / "d").cut(root, made).plan(VARIABLES)
    outputs = cut(graph, {"outputs"}, {}, pending=on_a).files["main.tf"]
    assert b"depends_on = [terraform_data.stackly_up__module__a-pending]" in outputs
    real = cut(graph, {"outputs"}, {})
    assert b"depends_on = []" in real.files["main.tf"]
    assert not real.preview


def test_what_is_pending_defers_data_sources_as_in_the_whole_root(tmp_path: Path) -> None:
    reading = """data "terraform_remote_state" "x" {
  backend = "local"
  config  = { path = "${path.root}/other.tfstate" }
}
resource "terraform_data" "it" { input = data.terraform_remote_state.x.outputs }
"""
    main = """module "a" { source = "./m" }
module "b" {
  source     = "./r"
  depends_on = [module.a]
}
"""
    root = {"main.tf": main, "m/main.tf": GIVING, "r/main.tf": reading}
    graph, other = graph_of(root), {"other.tfstate": '{"version":4,"outputs":{"o":{"value":1,"type":"number"}}}'}
    whole = Place(tmp_path / "whole").write({**root, **other, ".terraform/modules/modules.json": modules_json(root)})
    waits = Place(tmp_path / "waits").write(other).cut(root, cut(graph, {"module.b"}, {}, pending=on_a))
    reads = Place(tmp_path / "reads").write(other).cut(root, cut(graph, {"module.b"}, {}))
    for place in (whole, waits, reads):
        place.plan()
    assert "data.terraform_remote_state.x" in addresses(whole)
    assert addresses(waits) == addresses(whole)
    assert "data.terraform_remote_state.x" not in addresses(reads)


def addresses(place: Place) -> str:
    changes = exact.loads(place.run("show", "-json", "plan.bin").encode())["resource_changes"]
    return " ".join(change["address"] for change in changes if change["address"].startswith("module.b."))


def test_backends_are_blanked_and_nothing_else_of_a_terraform_block() -> None:
    main = 'terraform {\n  cloud {\n    organization = "o"\n  }\n  required_version = ">= 1.0"\n}\nlocals { a = 1 }\n'
    graph = graph_of({"main.tf": main, "more.tf": 'module "a" { source = "./m" }', "m/main.tf": GIVING})
    made = cut(graph, set(graph.units), {})
    assert made.files["main.tf"] == main.replace('cloud {\n    organization = "o"\n  }', "\n\n").encode()
    assert cut(graph, {"outputs"}, {}).files["main.tf"].endswith(b"locals {  }\n")


def test_names_of_the_root_are_never_used() -> None:
    main = 'module "a" { source = "./m" }\nmodule "b" {\n  source = "./m"\n  in = module.a.id\n}\n'
    root = {
        "main.tf": main,
        "m/main.tf": GIVING,
        "stackly_gen.tf": "",
        "stackly_gen_1.tf": "locals { stackly_up__x = 1 }\n",
    }
    made = cut(graph_of(root), {"module.b"}, {"module.a": {"id": UNKNOWN}})
    assert made.generated_name == "stackly_gen_2.tf"
    assert made.prefix == "stackly_up1__"
    assert b"in = local.stackly_up1__module__a__id" in made.files["main.tf"]
    assert b"terraform_data.stackly_up1__module__a__id.id" in made.generated


def test_names_that_differ_little_stay_apart(tmp_path: Path) -> None:
    names = ["a-b", "a_b", "a__b", "a-_b", "_a", "a_", "ünï", "a--b", "stackly_up__a"]
    calls = "".join(f'module "{name}" {{\n  source = "./m"\n  in = "{name}"\n}}\n' for name in names)
    reads = ", ".join(f"module.{name}.in" for name in names)
    root = {"main.tf": calls + f'resource "terraform_data" "all" {{ input = [{reads}] }}\n', "m/main.tf": GIVING}
    state = by_units(tmp_path, root)["root.terraform_data.all"].state()
    assert state["resources"][0]["instances"][0]["attributes"]["input"]["value"] == names


def test_the_batch_has_its_own_calls_only() -> None:
    root = {"main.tf": MAIN, "m/main.tf": GIVING}
    graph = graph_of(root)
    entries = json.loads(cut(graph, {"module.app"}, all_unknown(graph)).modules)["Modules"]
    assert entries == [{"Dir": ".", "Key": "", "Source": ""}, {"Dir": "m", "Key": "app", "Source": "./m"}]


def test_the_unit_of_what_is_gone_has_providers_and_removed_blocks() -> None:
    main = """terraform {
  backend "local" {}
}
variable "used" {}
variable "unused" {}
provider "x" { token = "${module.a.id}-${local.suffix}" }
provider "x" { alias = "y" }
locals { suffix = var.used }
module "a" { source = "./m" }
removed {
  from = module.gone
  lifecycle { destroy = false }
}
removed {
  from = module.a.terraform_data.old
  lifecycle { destroy = false }
}
output "o" { value = module.a.id }
"""
    graph = graph_of({"main.tf": main, "m/main.tf": GIVING})
    made = cut_removed(graph, {"module.a": {"id": Export("string", "i")}})
    kept = ('variable "used"', "provider", "locals", "removed {\n  from = module.gone")
    text = made.files["main.tf"].decode()
    assert all(part in text for part in kept)
    assert not any(part in text for part in ("backend", "unused", 'module "a"', "module.a.", "output"))
    assert 'token = "${local.stackly_up__module__a__id}-${local.suffix}"' in text
    assert made.external == {"module.a"}
    assert json.loads(made.variables) == {"stackly_up__module__a__id": "i"}
    both = cut(graph, {"removed", "module.a"}, {}).files["main.tf"].decode()
    assert "module.gone" in both
    assert 'module "a"' in both
    assert "output" not in both


def test_a_value_that_is_not_recorded_is_named() -> None:
    graph = graph_of(ROOT)
    with pytest.raises(CutError, match=r"module\.vpc\.in is not recorded"):
        cut(graph, {"root.terraform_data.counted"}, {"module.vpc": {"id": UNKNOWN}})


FORMS = (
    "module.{0}.id",
    "[for x in [module.{0}.in] : x]",
    '"${{module.{0}.id}} $${{module.{0}.id}} %{{ if true }}x${{local.l}}%{{ endif }}"',
    "try(module.{0}.in.a, null)",
    "(\n  module\n  .{0} # c\n  .id\n)",
    "<<E\n  ${{module.{0}.id}}\n  é\nE\n",
    "{{ module = 1, (module.{0}.id) = [var.v] }}",
    "module.{0}",
    "local.l",
)
FILLERS = ("", "\n", "# module.m0.id\n", "/* ü\n */\n", "\t\n\n")


@st.composite
def generated_roots(draw: st.DrawFn) -> dict[str, str]:
    """Modules that read earlier ones in every form, in two files, with any line ends."""
    files = {"a.tf": 'variable "v" { default = 1 }\n', "b.tf": "locals {\n  l = module.m0.id\n  k = 2 # unused\n}\n"}
    for number in range(draw(st.integers(2, 5))):
        forms = draw(st.lists(st.sampled_from(FORMS), max_size=4)) if number else []
        values = ", ".join(form.format(f"m{draw(st.integers(0, number - 1))}") for form in forms)
        block = f'module "m{number}" {{\n  source = "./m"\n  in = [{values}]\n}}\n'
        files[draw(st.sampled_from(sorted(files)))] += draw(st.sampled_from(FILLERS)) + block
    ends = draw(st.sampled_from(["\n", "\r\n"]))
    return {name: text.replace("\n", ends) for name, text in files.items()} | {"m/main.tf": GIVING}


def expected(graph: Graph, name: str, unit: str) -> re.Pattern[bytes]:
    """The file with the bytes of every kept range, references and blanked ranges left open."""
    root = graph.configuration.root
    kept, open_ranges = graph.needs([unit]).kept, []
    for node in (node for node in root.nodes.values() if node.block.file == name):
        if node.address not in kept:
            open_ranges.append((node.span.start, node.span.end, rb"\n*"))
            continue
        for address, reference, taken in node.targets:
            if address.startswith("module.") and address not in kept:
                whole = exports.attributes_of(graph, address) == (None,)
                pattern = rb"local\.stackly_up__module__m\d" + (b"" if whole else b"__[a-z]+") + rb"\n*"
                open_ranges.append((reference.start, reference.ends[taken - 1 if whole else taken], pattern))
    data, pattern, reached = root.files[name].data, b"", 0
    for start, end, inside in sorted(open_ranges):
        pattern += re.escape(data[reached:start]) + inside
        reached = end
    return re.compile(pattern + re.escape(data[reached:]))


@settings(max_examples=40, deadline=None)
@given(root=generated_roots())
def test_every_kept_range_is_the_source(root: dict[str, str]) -> None:
    graph = graph_of(root)
    for unit in graph.units:
        for name, data in cut(graph, {unit}, all_unknown(graph)).files.items():
            assert expected(graph, name, unit).fullmatch(data)
            assert data.count(b"\n") == root[name].count("\n")


@settings(
    max_examples=3, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(root=generated_roots())
def test_terraform_accepts_every_cut(tmp_path_factory: pytest.TempPathFactory, root: dict[str, str]) -> None:
    graph = graph_of(root)
    for unit in graph.units:
        place = Place(tmp_path_factory.mktemp("cut")).cut(root, cut(graph, {unit}, all_unknown(graph)))
        place.run("validate", "-no-color")


@given(data=st.binary(max_size=30), ranges=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=5))
def test_bytes_outside_of_edits_stay(data: bytes, ranges: list[tuple[int, int]]) -> None:
    spans = [Span(min(pair), min(max(pair), len(data))) for pair in ranges if min(pair) <= len(data)]
    inside = {index for span in spans for index in range(span.start, span.end)}
    result = edited(data, [(span, b"") for span in spans])
    if not any(a.start < b.start < a.end < b.end for a in spans for b in spans):
        assert result == bytes(byte for index, byte in enumerate(data) if index not in inside)


def test_blocks_about_addresses_and_validations_read_recorded_values_too() -> None:
    main = """module "a" { source = "./m" }
module "b" {
  source = "./m"
  in     = var.checked
}
variable "checked" {
  default = 1
  validation {
    condition     = module.a.id != ""
    error_message = "${module.a.id}"
  }
}
import {
  to = module.b.terraform_data.it
  id = module.a.id
}
moved {
  from = module.b.terraform_data.old
  to   = module.b.terraform_data.it
}
provider "x" { token = local.token }
provider "x" {
  alias = "y"
  token = local.token
  more { token = module.a.in }
}
locals { token = module.a.in }
module "c" {
  source    = "./m"
  providers = { x = x, x.y = x.y }
}
"""
    graph = graph_of({"main.tf": main, "m/main.tf": GIVING})
    made = cut(graph, {"module.b"}, all_unknown(graph)).files["main.tf"].decode()
    assert made.count("local.stackly_up__module__a__id") == 3
    assert "module.a" not in made
    assert "from = module.b.terraform_data.old\n" in made
    assert "provider" not in made
    other = cut(graph, {"module.c"}, all_unknown(graph)).files["main.tf"].decode()
    # nothing below uses them, so they are named and never configured
    assert 'provider "x" {  }\nprovider "x" {\n  alias = "y"\n  \n  \n}\nlocals {  }\n' in other
    assert "providers = { x = x, x.y = x.y }" in other
