"""One directory as one module: which nodes there are, what they read, and when a root must run whole."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expressions import FORMS
from stackly_engine.source import Kind, Module, Product, read_files, read_module
from terraform_cli import Terraform

_LEAVES = """
resource "terraform_data" "a" {}
resource "terraform_data" "b" {}
resource "terraform_data" "c" {}
variable "v" { default = 1 }
variable "w" { default = 1 }
locals { l = 1 }
module "m" {
  source = "./m"
}
module "n" {
  source   = "./m"
  for_each = toset(["x"])
}
"""
_EDGE = re.compile(r'"\[root\] (\S+)[^"]*" -> "\[root\] ([^"]+)"')


def module(text: str, product: Product = Product.TERRAFORM) -> Module:
    return read_module({"main.tf": text.encode()}, product)


def _seen_by_terraform(dot: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for source, target in _EDGE.findall(dot):
        name = target.split(" ")[0]
        if name.startswith("module."):
            name = (
                re.sub(r"^module\.(\w+)\.output\.(\w+)$", r"module.\1.\2", name) if ".output." in name else f"{name}.*"
            )
        found.setdefault(source, set()).add(name)
    return found


def test_each_form_reads_what_terraform_says(tmp_path: Path) -> None:
    outputs = "".join(f'output "o{n}" {{\n  value = {form.text}\n}}\n' for n, form in enumerate(FORMS))
    terraform = Terraform(tmp_path)
    terraform.write({"main.tf": _LEAVES + outputs, "m/main.tf": 'output "o" {\n  value = 1\n}\n'})
    terraform.run("init")
    seen = _seen_by_terraform(terraform.run("graph", "-type=plan"))
    nodes = module(_LEAVES + outputs).nodes
    for n, form in enumerate(FORMS):
        assert seen.get(f"output.o{n}", set()) == set(form.reads), form.name
        assert {target for target, _, _ in nodes[f"output.o{n}"].targets} == {
            read.rpartition(".")[0] if read.startswith("module.") else read for read in form.reads
        }


def test_nodes_by_address() -> None:
    found = module("""
terraform {}
provider "aws" {}
provider "aws" {
  alias = "west"
}
locals {
  one = 1
  two = local.one
}
variable "v" {}
output "o" { value = 1 }
data "t" "n" {}
ephemeral "t" "n" {}
resource t n {}
module "m" { source = "./m" }
check "c" {
  data "t" "inner" {}
  assert {
    condition     = data.t.inner.x && data.t.n.x
    error_message = "x"
  }
}
moved {
  from = t.old
  to   = t.n
}
removed { from = t.gone }
import {
  to = t.n
  id = local.two
}
""")
    assert found.whole == ()
    assert [(node.address, node.kind) for node in found.nodes.values() if "#" not in node.address] == [
        ("provider.aws", Kind.PROVIDER),
        ("provider.aws.west", Kind.PROVIDER),
        ("local.one", Kind.LOCAL),
        ("local.two", Kind.LOCAL),
        ("var.v", Kind.VARIABLE),
        ("output.o", Kind.OUTPUT),
        ("data.t.n", Kind.DATA),
        ("ephemeral.t.n", Kind.EPHEMERAL),
        ("t.n", Kind.RESOURCE),
        ("module.m", Kind.MODULE),
        ("check.c", Kind.CHECK),
    ]
    assert [node.kind for node in found.nodes.values() if "#" in node.address] == [
        Kind.TERRAFORM, Kind.MOVED, Kind.REMOVED, Kind.IMPORT,
    ]  # fmt: skip
    data = found.files["main.tf"].data
    for node in found.nodes.values():
        start = node.address.partition(".")[2] if node.kind is Kind.LOCAL else node.kind.value
        assert data[node.span.start : node.span.end].startswith(start.encode())
    assert [target for target, _, _ in found.nodes["check.c"].targets] == ["data.t.n"]


def test_which_references_are_edges() -> None:
    found = module(
        """
resource "t" "n" {
  count      = var.count
  provider   = aws.west
  depends_on = [t.a, "t.b"]
  lifecycle {
    ignore_changes       = [tags, t.c]
    replace_triggered_by = [t.d[count.index].id]
    precondition {
      condition     = t.e.id == self.id
      error_message = "no ${t.f.id}"
    }
  }
  provisioner "local-exec" {
    when       = destroy
    on_failure = continue
    command    = "echo ${self.id} ${t.g.id}"
    connection { host = t.h.ip }
  }
}
module "m" {
  source    = "./${t.i.id}"
  version   = t.i.id
  providers = { aws = aws.west }
  for_each  = t.j.set
  input     = each.key
}
variable "count" {
  type = list(object({ a = optional(string, "x") }))
  validation {
    condition     = var.count > 0 && t.k.id != ""
    error_message = "x"
  }
}
import {
  to       = t.n[each.key]
  provider = aws.west
  for_each = t.m.list
  id       = each.value
}
moved {
  from = t.gone
  to   = t.n
}
terraform {
  required_providers { aws = { source = "x/y", configuration_aliases = [aws.x] } }
  experiments = [a_b]
}
"""
        + "".join(f'resource "t" "{name}" {{}}\n' for name in "abcdefghijkm")
    )
    assert found.whole == ()
    edges = {node.address: [target for target, _, _ in node.targets] for node in found.nodes.values()}
    assert edges["t.n"] == ["var.count", "t.a", "t.b", "t.d", "t.e", "t.f", "t.g", "t.h"]
    assert edges["module.m"] == ["t.j"]
    assert edges["var.count"] == ["var.count", "t.k"]
    assert [found for address, found in edges.items() if "#" in address] == [["t.m"], [], []]


def test_parts_that_a_target_takes() -> None:
    node = module(
        'resource "t" "n" {}\ndata "t" "n" {}\noutput "o" {\n value = [resource.t.n.id, t.n, data.t.n.x.y]\n}\n'
    )
    assert [(target, taken) for target, _, taken in node.nodes["output.o"].targets] == [
        ("t.n", 3), ("t.n", 2), ("data.t.n", 3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code", "detail", "line"),
    [
        ("\n}", "syntax", "", 2),
        ('\naction "x" "y" {}', "unsupported-block", "action", 2),
        ('\n\nlist "x" "y" {}', "unsupported-block", "list", 3),
        ("terraform {\n  encryption {}\n}", "encryption", "", 2),
        ('terraform {\n  state_store "x" {}\n}', "unsupported-block", "state_store", 2),
        ('output "o" {\n  value = [for k in [] : k, v]\n}', "syntax", "", 0),
        ('variable "v" {}\nvariable "v" {}', "invalid", "declared twice", 2),
        ('resource "t" {}', "invalid", "labels", 1),
        ("x = 1", "invalid", "outside", 1),
        ('\n{ "output": {} }', "syntax", "", 2),
        ('\noutput "${x}" {}', "invalid", "template", 2),
    ],
)
def test_why_a_root_runs_whole(text: str, code: str, detail: str, line: int) -> None:
    (reason,) = module(text).whole
    assert (reason.code, reason.file) == (code, "main.tf")
    assert detail in reason.detail
    assert line in {0, reason.line}


@pytest.mark.parametrize("name", ["override.tf", "x_override.tf", "override.tf.json", "x_override.tofu"])
def test_files_that_override(name: str) -> None:
    text = b"{}" if name.endswith(".json") else b""
    assert [reason.code for reason in read_module({name: text}, Product.TOFU).whole] == ["override-files"]
    twice = {name: b'resource "t" "n" {}\n', "main.tf": b'resource "t" "n" {}\n'}
    if not name.endswith(".json"):  # what it overrides is not declared twice
        assert [reason.code for reason in read_module(twice, Product.TOFU).whole] == ["override-files"]


_NAMES = ["a.tf", "b.tf", "b.tofu", "c.tf.json", "c.tofu.json", "d.tofu", ".e.tf", "f.tf~", "#g.tf", "#h.tf#", "README.md",
          "sub/x.tf", "i.tfvars", "j.tftest.hcl", "tf"]  # fmt: skip


def test_files_that_a_product_reads() -> None:
    assert read_files(_NAMES, Product.TERRAFORM) == ["#g.tf", "a.tf", "b.tf", "c.tf.json"]
    assert read_files(_NAMES, Product.TOFU) == ["#g.tf", "a.tf", "b.tofu", "c.tofu.json", "d.tofu"]


def test_files_that_terraform_reads(tmp_path: Path) -> None:
    names = [name for name in _NAMES if "/" not in name and not name.endswith((".json", ".tfvars"))]
    files = {name: f'output "o{n}" {{\n  value = 1\n}}\n' for n, name in enumerate(names)}
    terraform = Terraform(tmp_path)
    terraform.write(files)
    seen = set(re.findall(r"output\.o\d+", terraform.run("graph", "-type=plan")))
    assert seen == set(read_module({name: text.encode() for name, text in files.items()}, Product.TERRAFORM).nodes)


@pytest.mark.parametrize("data", [b"# \0 nul", b"# \xe9 latin", b"\xef\xbb\xbf", b'# "', b"\r\n\r\n"])
def test_bytes_that_terraform_takes(tmp_path: Path, data: bytes) -> None:
    whole = data + b'\r\noutput "o" {\r\n\tvalue = "a"\r\n}'
    (tmp_path / "main.tf").write_bytes(whole)
    assert "output.o" in Terraform(tmp_path).run("graph", "-type=plan")
    assert list(read_module({"main.tf": whole}, Product.TERRAFORM).nodes) == ["output.o"]


def test_json_is_read_as_the_same_module() -> None:
    native = module("""
variable "v" {}
locals { l = "${var.v}" }
data "t" "n" {}
resource "t" "n" {
  provider   = aws.west
  depends_on = [data.t.n]
  tags       = { (local.l) = "%{ for l in var.v }${l.id}%{ endfor }" }
  lifecycle {
    ignore_changes       = [tags]
    replace_triggered_by = [data.t.n.id]
  }
  dynamic "x" {
    for_each = local.l
    content { a = x.value }
  }
}
""")
    found = read_module(
        {
            "main.tf.json": b"""{
"variable": {"v": {}}, "locals": [{"l": "${var.v}"}], "data": {"t": {"n": [{"//": "${no"}]}},
"resource": [{"t": {"n": {
  "provider": "aws.west", "depends_on": ["data.t.n"],
  "tags": {"${local.l}": "%{ for l in var.v }${l.id}%{ endfor }"},
  "lifecycle": {"ignore_changes": ["tags"], "replace_triggered_by": ["data.t.n.id"]},
  "dynamic": {"x": {"for_each": "${local.l}", "content": {"a": "${x.value}"}}}
}}}]}"""
        },
        Product.TERRAFORM,
    )
    assert native.whole == found.whole == ()
    assert {node.address: [target for target, _, _ in node.targets] for node in found.nodes.values()} == {
        node.address: [target for target, _, _ in node.targets] for node in native.nodes.values()
    }


@pytest.mark.parametrize(
    "text", [b"{", b"[1]", b"1", b'{"output": 1}', b'{"output": {"o": {"value": "${"}}}', b"\xff", b"[" * 9999]
)
def test_json_that_is_not_understood(text: bytes) -> None:
    assert [reason.code for reason in read_module({"main.tf.json": text}, Product.TERRAFORM).whole] == ["syntax"]


_FRAGMENTS = ["module", "m", '"m"', "{", "}", "[", "]", "=", "depends_on", '""', '"."', "x.y", "\n", " ", "locals", "a", "${", '"',
              "%{", "terraform", "required_providers", "provider", "check", "<<E\n", "E\n", ".0", "output", "\0", "é"]  # fmt: skip


@given(st.lists(st.sampled_from(_FRAGMENTS), max_size=30).map("".join) | st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    found = module(text)
    assert found.nodes or found.whole or not found.files["main.tf"].blocks


_NAMED = ["resource", "dynamic", "depends_on", "lifecycle", "locals", "module", "check", "data", "provider", "terraform",
          "required_providers", "replace_triggered_by", "//", "iterator", "content", "x"]  # fmt: skip
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["", "x.y", "${a.b}", "${", "%{if a}%{endif}", ".", "module.a.b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMED), inner, max_size=4),
)


@given(_JSON)
def test_any_json_is_read_or_refused(value: object) -> None:
    found = read_module({"main.tf.json": json.dumps(value).encode()}, Product.TERRAFORM)
    assert found.files or found.whole
