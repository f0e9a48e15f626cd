"""What of the code another `init` would read otherwise."""

import pytest

from stackly_engine import installing

MAIN = """\
terraform {
  required_providers {
    null = { source = "hashicorp/null" }
  }
}
provider "null" {}
variable "size" {
  default = 1
}
locals {
  name = "one"
}
module "app" {
  source = "./app"
  size   = var.size
}
resource "null_resource" "one" {
  triggers = { name = local.name }
}
output "name" {
  value = local.name
}
"""
TREE = {
    "/main.tf": MAIN,
    "/app/main.tf": 'variable "size" {}\nresource "terraform_data" "x" {\n  input = var.size\n}\n',
}


def _digest(tree: dict[str, str]) -> str:
    return installing.digest((name, text.encode()) for name, text in sorted(tree.items()))


def _with(old: str, new: str, file: str = "/main.tf") -> dict[str, str]:
    assert old in TREE[file]
    return {**TREE, file: TREE[file].replace(old, new)}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("default = 1", "default = 2"),
        ('name = "one"', 'name = "two"'),
        ("size   = var.size", "size   = 7"),
        ("triggers = { name = local.name }", "triggers = {}\n  count = 0"),
        ("value = local.name", "value = 1"),
        ('resource "null_resource" "one" {', '# a comment\nresource "null_resource" "one" {'),
    ],
)
def test_arguments_count_for_nothing(old: str, new: str) -> None:
    assert _digest(_with(old, new)) == _digest(TREE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("hashicorp/null", "hashicorp/random"),
        ('provider "null" {}', 'provider "null" {\n  alias = "a"\n}'),
        ('"./app"', '"./other"'),
        ('source = "./app"', 'source = "./app"\n  version = "1.0"'),
        ('source = "./app"', 'source = "./app"\n  providers = { null = null }'),
        ('module "app"', 'module "web"'),
        ('"null_resource" "one" {', '"random_id" "one" {'),
        ('"null_resource" "one" {', '"null_resource" "one" {\n  provider = null.a'),
        ('resource "null_resource"', 'data "null_resource"'),
        ('output "name"', 'check "c" {\n  data "http_x" "y" {}\n}\noutput "name"'),
        ('output "name"', 'import {\n  to = a.b\n  id = 1\n}\noutput "name"'),
        ('output "name" {', "output {{"),
    ],
)
def test_what_is_to_be_installed_counts(old: str, new: str) -> None:
    assert _digest(_with(old, new)) != _digest(TREE)


def test_code_below_and_which_files_there_are_count() -> None:
    below = _with('"terraform_data" "x"', '"null_resource" "x"', "/app/main.tf")
    others = (
        {**TREE, "/app/b.tf": ""},
        {"/main.tf": MAIN},
        {**TREE, "/c.tofu": ""},
        {**TREE, "/app ->": "other"},
        below,
    )
    assert len({_digest(tree) for tree in (TREE, *others)}) == len(others) + 1


@pytest.mark.parametrize("name", ["/a.tf.json", "/a.tofu.json", "/a.tftest.hcl", "/tests/a.tftest.json", "/values.tf"])
def test_what_is_not_read_by_blocks_counts_as_it_is(name: str) -> None:
    """JSON, tests, and a file of values where blocks belong."""
    assert _digest({**TREE, name: "a = 1"}) != _digest({**TREE, name: "a = 2"})


def test_broken_code_counts_as_it_is() -> None:
    broken = _with('output "name" {', "output {{ 1")
    assert _digest(broken) != _digest({**broken, "/main.tf": broken["/main.tf"].replace("default = 1", "default = 2")})


@pytest.mark.parametrize("source", ['"./${var.size}"', "local.name", '"a\\u0041"', "<<E\n./app\nE\n"])
def test_values_count_where_a_source_may_be_made_of_them(source: str) -> None:
    """OpenTofu evaluates variables and locals before it installs."""
    made = _with('"./app"', source)
    for old, new in (("default = 1", "default = 2"), ('name = "one"', 'name = "two"')):
        assert old in made["/main.tf"]
        assert _digest({**made, "/main.tf": made["/main.tf"].replace(old, new)}) != _digest(made)
