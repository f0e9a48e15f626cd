"""The key of the reference graph: told without the graph, and never the same of two graphs."""

import pytest

from stackly_engine.configuration import Configuration, configure
from stackly_engine.exact import dumps
from stackly_engine.reference_key import declared_resources, key_of
from stackly_engine.reference_tree import reference_tree

ROOT = """
terraform {
  required_providers {
    cloud = { source = "acme/cloud" }
  }
}
provider "cloud" {
  region = local.region
}
provider "cloud" {
  alias  = "west"
  region = var.region
}
variable "region" {
  default = "a"
}
locals {
  region = var.region
}
resource "terraform_data" "a" {
  input = 1
}
resource "terraform_data" "b" {
  input = terraform_data.a.id
}
data "cloud_it" "d" {
  depends_on = [terraform_data.a]
}
check "up" {
  data "cloud_it" "inside" {
  }
  assert {
    condition     = local.region != ""
    error_message = "none"
  }
}
module "one" {
  source    = "./m"
  in        = terraform_data.a.id
  providers = { cloud = cloud.west }
}
module "two" {
  source = "./m"
  in     = module.one.out
}
"""
INNER = """
terraform {
  required_providers {
    cloud = { source = "acme/cloud" }
  }
}
variable "in" {
}
resource "cloud_thing" "x" {
  size = var.in
  list = [1]
}
resource "cloud_thing" "y" {
}
output "out" {
  value = cloud_thing.x.id
}
output "other" {
  value = cloud_thing.y.id
}
"""
# each makes another graph, by one of the things that a graph is made of
MOVES = [
    ("root", "input = 1", "input = var.region"),
    ("root", "input = terraform_data.a.id", "input = 2"),
    ("root", "depends_on = [terraform_data.a]", "depends_on = [terraform_data.b]"),
    (
        "root",
        "depends_on = [terraform_data.a]\n",
        "depends_on = [terraform_data.a]\n  lifecycle {\n    postcondition {\n      condition = true\n    }\n  }\n",
    ),
    ("root", '"terraform_data" "b" {', '"terraform_data" "b" {\n  lifecycle {\n    create_before_destroy = true\n  }'),
    ("root", '"terraform_data" "b"', '"terraform_data" "c"'),
    ("root", 'data "cloud_it" "inside"', 'data "cloud_it" "other"'),
    ("root", "region = var.region\n}\nvariable", 'region = "x"\n}\nvariable'),
    ("root", "{ cloud = cloud.west }", "{ cloud = cloud }"),
    ("root", "  providers = { cloud = cloud.west }\n", ""),
    ("root", "module.one.out", "module.one.other"),
    ("root", "module.one.out", "module.one"),
    ("root", "in     = module.one.out", "in     = module.one.out\n  depends_on = [terraform_data.b]"),
    ("root", "in     = module.one.out", "in     = module.one.out\n  count = local.region == null ? 0 : 1"),
    ("root", "in        = terraform_data.a.id", "in        = terraform_data.b.id"),
    ("root", 'module "two"', 'module "three"'),
    ("inner", "size = var.in", "size = 1"),
    ("inner", "list = [1]", "list = [cloud_thing.y.id]"),
    ("inner", "value = cloud_thing.x.id", "value = cloud_thing.y.id"),
    ("inner", 'resource "cloud_thing" "y" {', 'resource "cloud_thing" "y" {\n  provider = cloud.west'),
    ("inner", '"acme/cloud"', '"acme/clouds"'),
    ("inner", 'variable "in" {\n}', 'variable "in" {\n}\nprovider "cloud" {\n  region = var.in\n}'),
]


def read(root: str, inner: str) -> Configuration:
    names = [name for name in ("one", "two", "three") if f'module "{name}"' in root]
    entries = [{"Key": name, "Source": "./m", "Dir": "m"} for name in names]
    modules = dumps({"Modules": [{"Key": "", "Source": "", "Dir": "."}, *entries]})
    return configure({".": {"main.tf": root.encode()}, "m": {"main.tf": inner.encode()}}, modules)


@pytest.mark.parametrize(("of", "before", "after"), MOVES)
def test_another_graph_has_another_key(of: str, before: str, after: str) -> None:
    text = ROOT if of == "root" else INNER
    assert before in text
    changed = text.replace(before, after, 1)
    one, other = read(ROOT, INNER), read(changed, INNER) if of == "root" else read(ROOT, changed)
    assert reference_tree(one, imports=False) != reference_tree(other, imports=False)
    assert key_of(one) != key_of(other)


def test_two_calls_that_change_places_have_another_key() -> None:
    """The same modules and the same references, each at the place of the other."""
    changed = ROOT.replace('module "one"', 'module "x"').replace('module "two"', 'module "one"')
    changed = changed.replace('module "x"', 'module "two"').replace("module.one", "module.two")
    assert key_of(read(ROOT, INNER)) != key_of(read(changed, INNER))


def test_values_and_comments_move_no_key() -> None:
    changed = read(ROOT.replace("input = 1", "input = 2 # two"), INNER.replace("[1]", "[1, 2]"))
    assert key_of(changed) == key_of(read(ROOT, INNER))


def test_managed_resources_of_the_code_are_those_of_the_graph() -> None:
    configuration = read(ROOT, INNER)
    managed = reference_tree(configuration).managed
    others = {"module.one.cloud_thing.z", "module.no.cloud_thing.x", "terraform_data.z", "module.one", "module.x.y"}
    data = {"data.cloud_it.d", "module.one.var.in"}
    assert declared_resources(configuration, managed | others | data) == managed
