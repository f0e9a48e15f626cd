"""Resources that are gone from a module need the provider block that made them, whatever the module still uses."""

from typing import Any

import pytest

from engine_roots import graph_of, resource, state
from stackly_engine.moves import routes

_AWS = 'provider["registry.terraform.io/hashicorp/aws"]'
_ROOT = """
provider "aws" {}
provider "aws" {
  alias = "west"
}
module "app" {
  source = "./app"
}
resource "aws_a" "b" {}
"""
_APP = 'resource "time_a" "kept" {}\n'


def _gone(address: str, provider: str = _AWS, **fields: Any) -> dict[str, Any]:
    return {**resource(address), "provider": provider, **fields}


def _reasons(*resources: dict[str, Any], root: str = _ROOT, app: str = _APP) -> list[tuple[str, str]]:
    return [(one.code, one.detail) for one in routes(graph_of(root, app=app), state(*resources)).whole]


@pytest.mark.parametrize(("provider", "block"), [(_AWS, "provider.aws"), (f"{_AWS}.west", "provider.aws.west")])
def test_a_module_that_no_longer_uses_what_made_its_resource_runs_whole(provider: str, block: str) -> None:
    detail = f"module.app.aws_a.gone is gone, its {block} is no longer used by module.app"
    assert _reasons(_gone("module.app.aws_a.gone", provider)) == [("orphan-provider", detail)]


@pytest.mark.parametrize(
    ("gone", "app"),
    [
        (_gone("module.app.aws_a.gone"), _APP + 'resource "aws_a" "other" {}'),  # the block is there for another one
        (_gone("module.app.aws_a.gone"), _APP + 'resource "aws_a" "gone" {}'),  # it is not gone
        (_gone('module.app["k"].aws_a.gone'), _APP + 'resource "aws_a" "gone" {}'),
        (_gone("module.app.aws_a.gone", mode="data"), _APP),  # is forgotten, which asks no provider
        (_gone("module.app.aws_a.gone", f"module.app.{_AWS}"), _APP),  # its own block goes with the module
        (_gone("module.app.dns_a.gone", _AWS.replace("aws", "dns")), _APP),  # made without any block
        (_gone("aws_a.gone"), _APP),  # the unit of what is gone keeps every provider
        (_gone("module.gone.aws_a.gone"), _APP),
    ],
)
def test_others_are_cut(gone: dict[str, Any], app: str) -> None:
    assert _reasons(gone, app=app) == []


def test_what_comes_from_a_module_of_another_name_counts_too() -> None:
    moved = "moved {\n  from = module.old\n  to   = module.app\n}\n"
    ((code, detail),) = _reasons(_gone("module.old.aws_a.gone"), root=_ROOT + moved)
    assert (code, detail.split(",")[0]) == ("orphan-provider", "module.old.aws_a.gone is gone")
