"""Which provider configurations are used below a call: by address, through names, aliases and inheritance."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from stackly_engine.configuration import Configuration, configure
from stackly_engine.literals import pairs
from stackly_engine.source import Product
from terraform_cli import Terraform

_ADDRESS = "terraform.io/builtin/terraform"
_EDGE = re.compile(r'"\[root\] (\S+)[^"]*" -> "\[root\] provider\[\\"terraform.io/builtin/terraform\\"\](?:\.(\w+))?"')


def tree(files: dict[str, str], product: Product = Product.TERRAFORM) -> Configuration:
    """A configuration of files by key of the call ("" the root), each in a directory of its own."""
    entries = [{"Key": key, "Source": "./x", "Dir": key or "."} for key in files]
    by_directory = {key or ".": {"main.tf": text.encode()} for key, text in files.items()}
    return configure(by_directory, json.dumps({"Modules": entries}).encode(), product)


@dataclass
class _Part:
    """A module of a random tree: its text, and the modules below it by name."""

    names: list[str]
    aliases: list[str]
    given: bool
    text: str = ""
    below: dict[str, "_Part"] = field(default_factory=dict)

    def files(self, key: str = "") -> Iterator[tuple[str, str]]:
        yield key, self.text
        for name, part in self.below.items():
            yield from part.files(f"{key}.{name}" if key else name)


def _required(part: _Part) -> str:
    """Each local name with its source; the first one may be configured by the caller under aliases."""
    lines = [f'source = "{_ADDRESS}"' for _ in part.names]
    lines[0] += f"\nconfiguration_aliases = [{', '.join(f'{part.names[0]}.{alias}' for alias in part.aliases)}]"
    names = "".join(f"{name} = {{\n{line}\n}}\n" for name, line in zip(part.names, lines, strict=True))
    return f"terraform {{\nrequired_providers {{\n{names}}}\n}}\n"


def _random(random: Random, depth: int, *, given: bool, aliases: list[str]) -> _Part:
    """A module with resources and calls; `given`: its default configuration is there, not inherited."""
    names = random.sample(["terraform", "tf", "other"], random.randint(1, 2))
    part = _Part(names, aliases, given)
    part.text = _required(part)
    for number in range(random.randint(0, 3)):
        named = random.choice(["", *names, *(f"{names[0]}.{alias}" for alias in aliases)])
        line = f"  provider = {named}\n" if named else ""
        part.text += f'resource "terraform_data" "r{number}" {{\n{line}}}\n'
    for name in random.sample(["a", "b", "c"], random.randint(1, 3)) if depth else ():
        known = given or bool(aliases)
        wanted = random.sample(["x", "y"], random.randint(0, 2)) if known else []
        child = _random(random, depth - 1, given=known and random.random() < 0.6, aliases=wanted)
        part.below[name] = child
        part.text += _call(random, name, part, child)
    return part


def _call(random: Random, name: str, part: _Part, child: _Part) -> str:
    known = [part.names[0]] * part.given + [f"{part.names[0]}.{alias}" for alias in part.aliases]
    wanted = [child.names[0]] * child.given + [f"{child.names[0]}.{alias}" for alias in child.aliases]
    given = "".join(f"    {each} {random.choice('=:')} {random.choice(known)}\n" for each in wanted)
    return (
        f'module "{name}" {{\n  source = "./{name}"\n' + (f"  providers = {{\n{given}  }}\n" if given else "") + "}\n"
    )


def _root(random: Random) -> dict[str, str]:
    part = _random(random, 3, given=True, aliases=["x", "y"])
    part.text = part.text.replace("\nconfiguration_aliases =", "\n#")
    part.text += f'provider "{part.names[0]}" {{}}\n'
    part.text += "".join(f'provider "{part.names[0]}" {{\n  alias = "{alias}"\n}}\n' for alias in part.aliases)
    return dict(part.files())


@pytest.mark.parametrize("seed", range(8))
def test_use_is_what_terraform_connects(seed: int, tmp_path: Path) -> None:
    files = _root(Random(seed))
    terraform = Terraform(tmp_path)
    terraform.write({f"{key.replace('.', '/') or '.'}/main.tf": text for key, text in files.items()})
    terraform.run("init")
    found = tree(files)
    assert found.whole == ()
    seen: dict[str, set[str]] = {key: set() for key in files}
    for source, alias in _EDGE.findall(terraform.run("graph", "-type=plan")):
        where = source.split(".")
        key = ".".join(where[1 : where.index("terraform_data") : 2]) if "terraform_data" in where else None
        while key is not None:
            seen[key].add(alias)
            key = (key.rpartition(".")[0] or "") if key else None
    for key in files:
        ours = {node.split(".")[2] if node.count(".") > 1 else "" for node in found.providers(key)}
        assert ours == seen[key], (key, files)


_ROOT = """
terraform {
  required_providers {
    aws    = { source = "hashicorp/aws" }
    amazon = { source = "Registry.terraform.io/hashicorp/AWS" }
    dns    = "~> 3.0"
  }
}
provider "aws" {}
provider "amazon" {
  alias = "west"
}
provider "dns" {}
module "app" {
  source    = "./app"
  providers = { "aws.peer" : aws.west, dns = dns }
}
module "plain" {
  source = "./plain"
}
resource "aws_x" "y" {
  provider = amazon.west
}
data "dns_x" "y" {
  provider = "dns"
}
check "c" {
  data "aws_x" "y" {}
}
"""
_APP = """
terraform {
  required_providers {
    aws = {
      source                = "hashicorp/aws"
      configuration_aliases = [aws.peer]
    }
  }
}
module "db" {
  source    = "./db"
  providers = { aws = aws.peer }
}
"""


def test_names_are_resolved_to_addresses() -> None:
    found = tree({"": _ROOT, "app": _APP, "app.db": 'resource "aws_x" "y" {}', "plain": 'resource "aws" "y" {}'})
    assert found.whole == ()
    assert found.providers("app") == found.providers("app.db") == {"provider.amazon.west"}
    assert found.providers("plain") == {"provider.aws"}
    assert found.providers("") == {"provider.aws", "provider.amazon.west", "provider.dns"}
    assert found.resource_providers("aws_x.y") == {"provider.amazon.west"}
    assert found.resource_providers("data.dns_x.y") == {"provider.dns"}
    assert found.resource_providers("check.c") == {"provider.aws"}
    assert found.passed("module.app") == {"provider.amazon.west", "provider.dns"}
    assert found.passed("module.plain") == frozenset()


def test_a_provider_of_another_namespace_is_another() -> None:
    files = {"": 'provider "aws" {}\nmodule "m" {\n  source = "./m"\n}\n', "m": 'resource "aws_x" "y" {}\n'}
    assert tree(files).providers("m") == {"provider.aws"}
    files["m"] += 'terraform {\n  required_providers {\n    aws = { source = "other/aws" }\n  }\n}\n'
    assert tree(files).providers("m") == frozenset()


def test_providers_by_key_of_opentofu() -> None:
    found = tree(
        {
            "": """
provider "aws" {
  alias    = "by"
  for_each = var.regions
}
variable "regions" {}
module "m" {
  source    = "./m"
  for_each  = var.regions
  providers = { aws = aws.by[each.key] }
}
resource "aws_x" "y" {
  for_each = var.regions
  provider = aws.by[each.key]
}
""",
            "m": 'resource "aws_x" "y" {}',
        },
        Product.TOFU,
    )
    assert found.whole == ()
    assert (
        found.providers("m") == found.resource_providers("aws_x.y") == found.passed("module.m") == {"provider.aws.by"}
    )


def test_keys_and_values_of_written_objects() -> None:
    assert pairs('{ a = b.c, "d" : e.f[each.key] # x\n (g) = { h = 1 } }') == (
        ("a", "b.c"), ("d", "e.f[each.key]"), ("(g)", "{ h = 1 }"),
    )  # fmt: skip
    assert pairs('"~> 1.0"') == pairs("[{ a = 1 }]") == ()
