"""A few resources that need no provider are run whole; everything else is cut."""

import pytest

from stackly_engine.cheaper import FEW, cheaper
from stackly_engine.configuration import configure
from stackly_engine.source import Product

_MODULES = b'{"Modules":[{"Key":"","Source":"","Dir":"."},{"Key":"a","Source":"./a","Dir":"a"}]}'
_ONE = 'resource "terraform_data" "{}" {{}}\n'


def _code(text: str) -> tuple[str, ...]:
    files = {".": {"main.tf": text.encode()}, "a": {"main.tf": b""}}
    return tuple(one.code for one in cheaper(configure(files, _MODULES, Product.TERRAFORM)))


@pytest.mark.parametrize("number", [0, 1, FEW])
def test_a_few_resources_of_the_builtin_provider(number: int) -> None:
    text = "".join(_ONE.format(each) for each in ("a", "b", "c")[:number])
    assert _code(text + 'output "o" { value = 1 }\n') == ("cheaper",)


@pytest.mark.parametrize(
    "text",
    [
        "".join(_ONE.format(f"r{each}") for each in range(FEW + 1)),
        'resource "null_resource" "a" {}\n',
        _ONE.format("a") + 'data "aws_region" "now" {}\n',
        'module "a" { source = "./a" }\n',
    ],
    ids=["more", "a plugin", "a data source's plugin", "a module"],
)
def test_everything_else_is_cut(text: str) -> None:
    assert _code(text) == ()
