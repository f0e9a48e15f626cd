"""What always runs, and which data sources read the world."""

import pytest

from stackly_engine.graph import Graph
from stackly_engine.impure import impurities, worldly
from stackly_engine.reading import How, reading
from stackly_engine.source import Node
from written_roots import graph_of


def nodes(graph: Graph, key: str = "") -> list[Node]:
    return list(graph.configuration.modules[key].nodes.values())


@pytest.mark.parametrize(
    ("value", "reasons"),
    [
        ("timestamp()", ("timestamp()",)),
        ('"at ${timestamp()}"', ("timestamp()",)),
        ("plantimestamp ( )", ("plantimestamp()",)),
        ("uuid /* why */ ()", ("uuid()",)),
        ("uuid # why\n ()", ("uuid()",)),
        ('bcrypt("x")', ("bcrypt()",)),
        ("[uuid(), timestamp()]", ("timestamp()", "uuid()")),
        ("core::timestamp()", ("timestamp()",)),
        ("[\n    1,\n    # uuid(),\n  // uuid()\n  ]", ()),
        ("[\n    1,\n    # no\n    uuid(),\n  ]", ("uuid()",)),
        ("<<-E\n    # ${uuid()}\n  E", ("uuid()",)),
        ("[ /*\n    # */ uuid(),\n  ]", ("uuid()",)),
        ('uuidv5("dns", "x")', ()),
        ("formatdate(var.f, var.t)", ()),
        ("var.timestamp", ()),
        ('file("/etc/hosts")', ('file("/etc/hosts")',)),
        ('file("~/.ssh/id_rsa.pub")', ('file("~/.ssh/id_rsa.pub")',)),
        ('file(pathexpand("~/x"))', ('file("~/x")',)),
        ('templatefile("/x/y", {})', ('templatefile("/x/y")',)),
        ('fileset("/x", "*")', ('fileset("/x")',)),
        ('file("x/y")', ()),
    ],
)
def test_expressions_that_come_out_otherwise_each_time(value: str, reasons: tuple[str, ...]) -> None:
    graph = graph_of(
        {"main.tf": f'variable "f" {{}}\nvariable "t" {{}}\nvariable "timestamp" {{}}\nlocals {{\n  x = {value}\n}}\n'}
    )
    assert impurities(nodes(graph)) == reasons


def test_resources_that_act_by_the_clock() -> None:
    graph = graph_of(
        {
            "main.tf": 'resource "time_rotating" "week" {}\nresource "time_static" "then" {}\nresource "tls_self_signed_cert" "c" {}\n',
        }
    )
    assert impurities(nodes(graph)) == ("time_rotating.week", "tls_self_signed_cert.c")


def test_a_comment_is_no_call() -> None:
    graph = graph_of({"main.tf": "# timestamp()\nlocals {\n  x = 1 # uuid()\n}\n"})
    assert impurities(nodes(graph)) == ()


def test_data_sources_that_compute_or_tell_who_we_are_read_no_world() -> None:
    graph = graph_of(
        {
            "main.tf": """
data "aws_iam_policy_document" "p" {}
data "aws_caller_identity" "me" {}
data "aws_eks_cluster_auth" "token" {}
data "aws_ami" "image" {}
check "up" {
  data "http" "site" {
    url = "x"
  }
  assert {
    condition     = data.http.site.status_code == 200
    error_message = "down"
  }
}
""",
        }
    )
    assert worldly(nodes(graph)) == ("data.aws_ami.image", "data.http.site")


def test_where_code_comes_from_is_no_file_that_it_reads() -> None:
    files = {"main.tf": 'module "a" {\n  source = "../m"\n}\n', "../m/main.tf": ""}
    graph = graph_of(files, {"a": "../m"})
    assert not reading(nodes(graph)).anywhere
    assert reading(nodes(graph)).paths == frozenset()


def test_descriptions_are_for_people() -> None:
    graph = graph_of({"main.tf": 'variable "a" {\n  description = "see ../README, timestamp() or uuid()"\n}\n'})
    assert not reading(nodes(graph)).anywhere
    assert impurities(nodes(graph)) == ()


def test_constant_paths_are_told_from_others() -> None:
    graph = graph_of(
        {"main.tf": 'locals {\n  a = file("x")\n  b = "${path.module}/y"\n  c = "z"\n  d = join(".", [])\n}\n'}
    )
    found = reading(nodes(graph))
    assert found.paths == {(How.READ, "x"), (How.OWN, "y"), (How.TEXT, "z")}
    assert not found.anywhere
    assert not found.own
    assert found.in_place
