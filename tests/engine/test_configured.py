"""The second look at providers: Terraform's own answer is held against the cut."""

from typing import Any

import pytest

from stackly_engine.configuration import configure
from stackly_engine.configured import ProviderLostError, lost, require_configured
from stackly_engine.graph import Graph, build
from stackly_engine.source import Product

_ROOT = b"""
provider "aws" {}
provider "aws" {
  alias = "west"
}
resource "aws_thing" "a" {}
resource "aws_thing" "b" { provider = aws.west }
"""


@pytest.fixture(scope="module")
def graph() -> Graph:
    modules = b'{"Modules":[{"Key":"","Source":"","Dir":"."}]}'
    return build(configure({".": {"main.tf": _ROOT}}, modules, Product.TERRAFORM))


def _plan(*keys: str) -> dict[str, Any]:
    inside = {"module": {"resources": [{"provider_config_key": key} for key in keys]}}
    return {"configuration": {"root_module": {"module_calls": {"m": inside}}}}


def test_what_the_cut_has_is_not_lost(graph: Graph) -> None:
    assert lost(graph, ["root.aws_thing.a"], _plan("aws", "module.m:aws")) == ()
    assert lost(graph, list(graph.units), _plan("aws", "aws.west")) == ()


def test_a_block_that_terraform_uses_and_the_cut_lacks_refuses_the_plan(graph: Graph) -> None:
    assert lost(graph, ["root.aws_thing.a"], _plan("aws.west", "aws")) == ("provider.aws.west",)
    with pytest.raises(ProviderLostError, match=r"lost provider\.aws\.west"):
        require_configured(graph, ["root.aws_thing.a"], _plan("aws.west"))


def test_a_provider_without_a_block_needs_none(graph: Graph) -> None:
    assert lost(graph, ["root.aws_thing.a"], _plan("google")) == ()
