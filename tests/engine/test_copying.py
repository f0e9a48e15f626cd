"""Tokens that live for minutes: each batch that needs one for a provider reads it anew, nobody is handed it."""

import pytest

from engine_roots import graph_of
from stackly_engine.cutting import cut, cut_removed, needs_of
from stackly_engine.exports import Export, Exports, attributes_of
from stackly_engine.fingerprints import Context, all_parts
from stackly_engine.graph import Graph

TOKEN = "data.aws_eks_cluster_auth.t"
ROOT = """
module "eks" { source = "./eks" }
module "net" { source = "./net" }
data "aws_eks_cluster_auth" "t" { name = local.cluster }
locals {
  cluster = module.eks.name
  token   = data.aws_eks_cluster_auth.t.token
}
provider "kubernetes" { token = local.token }
module "app" {
  source = "./app"
}
module "other" { source = "./net" }
"""
MODULES = {
    "eks": 'resource "aws_eks_cluster" "c" {}\noutput "name" { value = aws_eks_cluster.c.name }\n',
    "net": 'resource "aws_vpc" "v" {}\noutput "id" { value = aws_vpc.v.id }\n',
    "app": 'resource "kubernetes_pod" "p" {}\n',
    "other": 'resource "aws_vpc" "v" {}\n',
}
NAME: Exports = {"module.eks": {"name": Export("string", "prod")}}


@pytest.fixture
def graph() -> Graph:
    return graph_of(ROOT, **MODULES)


def test_a_token_for_a_provider_is_read_by_each_batch_that_needs_it(graph: Graph) -> None:
    needs = graph.needs(["module.app"])
    assert needs.copied == {TOKEN}
    assert {TOKEN, "local.cluster", "local.token", "provider.kubernetes"} <= needs.kept
    assert needs.external == {"module.eks"}
    assert "module.eks" in graph.upstream["module.app"]
    assert graph.owner[TOKEN] in graph.upstream["module.app"]  # the order is that of the whole root
    assert not graph.needs(["module.net"]).copied
    assert not graph.needs([graph.owner[TOKEN]]).copied  # it is its own


def test_it_is_handed_over_to_nobody(graph: Graph) -> None:
    assert graph.exports == {"module.eks": {"name"}}
    assert attributes_of(graph, TOKEN) == ()


def test_the_cut_root_holds_the_data_source_with_what_it_reads_as_values(graph: Graph) -> None:
    made = cut(graph, ["module.app"], NAME)
    text = made.files["main.tf"].decode()
    assert 'data "aws_eks_cluster_auth" "t" { name = local.cluster }' in text
    assert "token   = data.aws_eks_cluster_auth.t.token" in text
    assert "cluster = local.stackly_up__" in text
    assert made.copied == {TOKEN}


def test_what_is_gone_from_the_code_is_destroyed_with_a_token_of_its_own(graph: Graph) -> None:
    made = cut_removed(graph, NAME)
    assert 'data "aws_eks_cluster_auth"' in made.files["main.tf"].decode()
    assert made.copied == {TOKEN}
    assert made.external == {"module.eks"}
    with_owner = needs_of(graph, ["removed", graph.owner[TOKEN]])
    assert not with_owner.copied


def test_a_fingerprint_knows_the_arguments_of_a_token_and_never_its_value(graph: Graph) -> None:
    parts = all_parts(graph, Context("v", "e", "s", trees={name: {} for name in (".", *MODULES)}))["module.app"]
    assert parts.inputs == (("module.eks", "name"),)
    assert not parts.data  # no reason to read again by itself
    other = graph_of(ROOT.replace("name = local.cluster", 'name = "b"'), **MODULES)
    changed = all_parts(other, Context("v", "e", "s", trees={name: {} for name in (".", *MODULES)}))["module.app"]
    assert changed.of != parts.of


def test_what_is_read_for_other_purposes_is_handed_over_and_counts() -> None:
    """The project of the credentials, say: who reads it as a value runs when it changes."""
    graph = graph_of(
        'data "google_client_config" "c" {}\n'
        'provider "kubernetes" { token = data.google_client_config.c.access_token }\n'
        'module "app" {\n  source = "./app"\n  in = data.google_client_config.c.project\n}\n'
        'module "plain" {\n  source = "./plain"\n  in = local.project\n}\n'
        "locals {\n  project = data.google_client_config.c.project\n}\n",
        app=MODULES["app"] + 'variable "in" {}\n',
        plain='variable "in" {}\n',
    )
    token = "data.google_client_config.c"
    assert graph.exports == {token: {"project"}}
    parts = all_parts(graph, Context("v", "e", "s", trees={".": {}, "app": {}, "plain": {}}))
    assert parts["module.app"].inputs == ((token, "project"),)
    assert parts["module.plain"].inputs == ((token, "project"),)
    assert graph.needs(["module.app"]).copied == {token}
    assert graph.needs(["module.plain"]).external == {token}


def test_data_sources_that_are_no_credentials_are_handed_over() -> None:
    graph = graph_of(
        ROOT.replace("aws_eks_cluster_auth", "aws_eks_cluster").replace(".token\n", ".endpoint\n"), **MODULES
    )
    assert graph.exports["data.aws_eks_cluster.t"] == {"endpoint"}
    assert not graph.needs(["module.app"]).copied


def test_a_token_that_another_one_is_read_with_is_copied_too() -> None:
    graph = graph_of(
        'data "google_client_config" "c" {}\n'
        'data "google_service_account_access_token" "t" {\n  provider = google.own\n  target = "x"\n}\n'
        'provider "google" {\n  alias = "own"\n  access_token = data.google_client_config.c.access_token\n}\n'
        'provider "kubernetes" { token = data.google_service_account_access_token.t.access_token }\n'
        'module "app" { source = "./app" }\n',
        app=MODULES["app"],
    )
    assert graph.needs(["module.app"]).copied == {
        "data.google_client_config.c", "data.google_service_account_access_token.t",
    }  # fmt: skip
    assert not graph.exports


@pytest.mark.parametrize(("inside", "together"), [('provider "kubernetes" { token = var.token }\n', True), ("", False)])
def test_a_token_for_a_module_with_its_own_provider_is_read_with_it(inside: str, together: bool) -> None:
    """Handed over it would be recorded, and old the next time that only the module runs; as a value it is copied."""
    root = 'data "aws_eks_cluster_auth" "t" { name = "c" }\nlocals { t = data.aws_eks_cluster_auth.t.token }\n'
    root += 'module "app" {\n  source = "./app"\n  token  = local.t\n}\n'
    graph = graph_of(root, app=inside + 'variable "token" {}\nresource "kubernetes_x" "y" {}\n')
    assert (graph.owner[TOKEN] == graph.owner["module.app"]) is together
    assert graph.needs(["module.app"]).copied == (frozenset() if together else {TOKEN})
    assert not graph.exports


@pytest.mark.parametrize("read", ["module.eks.token", "local.token", "module.eks.inner", "module.eks"])
def test_a_token_that_a_module_makes_is_read_with_those_who_need_it(read: str) -> None:
    """▲ Handed over it would be out of date."""
    eks = (
        'resource "aws_eks_cluster" "c" {}\ndata "aws_eks_cluster_auth" "t" { name = aws_eks_cluster.c.name }\n'
        'locals {\n  token = data.aws_eks_cluster_auth.t.token\n}\noutput "token" { value = local.token }\n'
        'module "in" { source = "./in" }\noutput "inner" { value = module.in.t }\noutput "name" { value = 1 }\n'
    )
    inner = 'data "google_client_config" "c" {}\noutput "t" { value = data.google_client_config.c.access_token }\n'
    code = (
        'module "eks" { source = "./eks" }\nmodule "app" { source = "./app" }\n'
        'module "by_name" {\n  source = "./plain"\n  in = module.eks.name\n}\n'
        f'locals {{\n  token = module.eks.token\n}}\nprovider "kubernetes" {{ token = {read} }}\n'
    )
    modules = {"eks": eks, "app": MODULES["app"], "plain": 'variable "in" {}\n', "eks.in": inner}
    graph = graph_of(code, **modules)
    assert graph.units["module.app"].members == ("module.app", "module.eks")
    assert graph.units["module.by_name"].members == ("module.by_name",)
    only_name = graph_of(code.replace(f"token = {read} }}", "token = module.eks.name }"), **modules)
    assert only_name.units["module.app"].members == ("module.app",)


@pytest.mark.parametrize(
    ("meta", "read"),
    [
        ("", "data.aws_eks_cluster_auth.t.token"),
        ("", "data.aws_eks_cluster_auth.t"),
        ("count = 1", "data.aws_eks_cluster_auth.t[0].token"),
        ("count = 1", "data.aws_eks_cluster_auth.t[0].name"),
        ('for_each = toset(["x"])', "values(data.aws_eks_cluster_auth.t)[*].token"),
    ],
)
def test_a_token_that_is_read_as_a_value_is_copied_too(meta: str, read: str) -> None:
    """▲ Recorded it would be a secret that is out of date; what may be there several times is recorded whole."""
    graph = graph_of(
        f'data "aws_eks_cluster_auth" "t" {{\n  name = module.eks.name\n  {meta}\n}}\nlocals {{\n  t = {read}\n}}\n'
        'provider "kubernetes" { token = local.t }\nmodule "eks" { source = "./eks" }\nmodule "app" { source = "./app" }\n'
        'module "plain" {\n  source = "./plain"\n  in = local.t\n}\noutput "t" { value = local.t }\n',
        eks=MODULES["eks"], app=MODULES["app"], plain='variable "in" {}\n',
    )  # fmt: skip
    assert graph.exports == {"module.eks": {"name"}}
    for unit in ("module.app", "module.plain", "outputs"):
        assert graph.needs([unit]).copied == {TOKEN}
        assert graph.needs([unit]).external == {"module.eks"}
        assert "module.eks" in graph.upstream[unit]
    trees: dict[str, dict[str, str]] = {name: {} for name in (".", "eks", "app", "plain")}
    assert all_parts(graph, Context("v", "e", "s", trees=trees))["module.plain"].inputs == (("module.eks", "name"),)


@pytest.mark.parametrize(("inside", "together"), [("access_token", True), ("project", False)])
def test_a_token_that_a_module_hands_to_another_is_read_with_it(inside: str, together: bool) -> None:
    graph = graph_of(
        'module "made" { source = "./made" }\nmodule "app" {\n  source = "./app"\n  in = module.made.out\n}\n'
        'output "out" { value = module.made.out }\n',
        made=f'data "google_client_config" "c" {{}}\noutput "out" {{ value = data.google_client_config.c.{inside} }}\n',
        app='variable "in" {}\n',
    )
    assert (graph.owner["module.app"] == graph.owner["module.made"]) is together
    assert graph.units["outputs"].members == ()
