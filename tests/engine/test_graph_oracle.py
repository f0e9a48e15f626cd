"""Our graph of a root and of its module tree against `terraform graph`, form by form and on random roots."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.graph_cases import CASES, Files
from engine.graph_oracle import Steps, by_resource, closure, configuration_of, steps_of, top_level
from oracle.roots import Sizes, root
from stackly_engine import exact
from stackly_engine.configuration import Configuration
from stackly_engine.dependencies import closed, dependencies, restored, stripped
from stackly_engine.graph import build
from stackly_engine.reference_tree import ReferenceTree, reference_tree
from stackly_engine.source import Kind, Node
from stackly_engine.syntax import Attribute, Block, Reference
from terraform_cli import Terraform

SEEDS = range(100, 106)


def initialised(folder: Path, files: Files) -> Terraform:
    terraform = Terraform(folder)
    terraform.write(files)
    if any("source" in text for text in files.values()):
        terraform.run("init")
    return terraform


def ours_at_top(configuration: Configuration) -> dict[str, set[str]]:
    direct = build(configuration).direct
    return closure({name: set(needed) for name, needed in direct.items()}, set(direct))


def theirs_at_top(steps: Steps, configuration: Configuration) -> dict[str, set[str]]:
    """Data sources inside of checks are no nodes of their own with us: they belong to `outputs`."""
    real = build(configuration).direct.keys()
    return {name: needed & real for name, needed in top_level(steps).items() if name in real}


def ours_of_resources(tree: ReferenceTree) -> dict[str, set[str]]:
    return {address: set(needed) for address, needed in closed(tree).of.items()}


def theirs_of_resources(steps: Steps, tree: ReferenceTree) -> dict[str, set[str]]:
    return {name: needed & tree.resources for name, needed in by_resource(steps).items() if name in tree.resources}


@pytest.mark.parametrize("name", CASES)
def test_each_form_of_reference_is_the_edge_that_it_is_to_terraform(name: str, tmp_path: Path) -> None:
    terraform = initialised(tmp_path, CASES[name])
    configuration = configuration_of(terraform)
    steps, tree = steps_of(terraform), reference_tree(configuration)
    assert not configuration.whole
    assert ours_at_top(configuration) == theirs_at_top(steps, configuration)
    assert ours_of_resources(tree) == theirs_of_resources(steps, tree)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_roots_have_the_edges_that_they_have_to_terraform(seed: int, tmp_path: Path) -> None:
    terraform = initialised(tmp_path, root(seed))
    configuration = configuration_of(terraform)
    steps, tree = steps_of(terraform), reference_tree(configuration)
    assert not configuration.whole
    assert ours_at_top(configuration) == theirs_at_top(steps, configuration)
    assert ours_of_resources(tree) == theirs_of_resources(steps, tree)


Blind = Callable[[Node, Block, Attribute, Reference], bool]
# Which references a reader that is blind to a form would not see.
BLIND: dict[str, Blind] = {
    "depends_on": lambda _n, _b, attribute, _r: attribute.name == "depends_on",
    "count": lambda _n, _b, attribute, _r: attribute.name == "count",
    "for_each": lambda _n, _b, attribute, _r: attribute.name == "for_each",
    "locals": lambda node, _b, _a, _r: node.kind is Kind.LOCAL,
    "triggers": lambda _n, _b, attribute, _r: attribute.name == "triggers_replace",
    "conditions": lambda _n, _b, attribute, _r: attribute.name == "condition",
    "validations": lambda _n, block, _a, _r: block.type == "validation",
    "replace_triggered_by": lambda _n, _b, attribute, _r: attribute.name == "replace_triggered_by",
    "provisioners": lambda _n, block, _a, _r: block.type == "provisioner",
    "arguments": lambda node, _b, attribute, _r: node.kind is Kind.MODULE and attribute.name.startswith("in"),
    "whole modules": lambda _n, _b, _a, reference: reference.parts[0] == "module" and reference.output is None,
    "module outputs": lambda _n, _b, _a, reference: reference.output is not None,
    "data sources": lambda _n, _b, _a, reference: reference.parts[0] == "data",
    "the long form": lambda _n, _b, _a, reference: reference.parts[0] == "resource",
    "outputs": lambda node, _b, _a, _r: node.kind is Kind.OUTPUT,
}


# Outputs of the root need nothing that others need of them.
INSIDE_ONLY = {"outputs"}


def blinded(configuration: Configuration, blind: Blind) -> Configuration:
    modules = {
        key: replace(module, nodes={address: without(node, blind) for address, node in module.nodes.items()})
        for key, module in configuration.modules.items()
    }
    return replace(configuration, root=modules[""], modules=modules)


def without(node: Node, blind: Blind) -> Node:
    places = {
        reference.start
        for block, attribute in node.block.walk()
        for reference in attribute.references
        if blind(node, block, attribute, reference)
    }
    targets = tuple(target for target in node.targets if target[1].start not in places)
    return replace(node, block=thinned(node.block, places), targets=targets)


def thinned(block: Block, places: set[int]) -> Block:
    attributes = {
        name: replace(attribute, references=tuple(found for found in attribute.references if found.start not in places))
        for name, attribute in block.attributes.items()
    }
    return replace(block, attributes=attributes, blocks=tuple(thinned(inner, places) for inner in block.blocks))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Configuration, Steps]]:
    """Random roots with Terraform's graph of each."""
    found = []
    for seed in SEEDS:
        terraform = initialised(tmp_path_factory.mktemp(f"seed{seed}"), root(seed, Sizes(modules=5, items=24)))
        found.append((configuration_of(terraform), steps_of(terraform)))
    return found


@pytest.mark.parametrize("form", BLIND)
def test_blindness_to_a_form_would_be_noticed(form: str, seen: list[tuple[Configuration, Steps]]) -> None:
    differing = 0
    for configuration, steps in seen:
        tree = reference_tree(blinded(configuration, BLIND[form]))
        differing += ours_of_resources(tree) != theirs_of_resources(steps, tree)
    assert differing


@pytest.mark.parametrize("form", sorted(BLIND.keys() - INSIDE_ONLY))
def test_blindness_in_the_root_would_be_noticed(form: str, seen: list[tuple[Configuration, Steps]]) -> None:
    differing = 0
    for configuration, steps in seen:
        ours = ours_at_top(blinded(configuration, BLIND[form]))
        differing += ours != theirs_at_top(steps, configuration)
    assert differing


RULES: dict[str, Callable[[str, str], bool]] = {
    "what is inside waits for the expansion": lambda _, needed: needed.endswith("(expand)"),
    "the end of a module waits for its resources": lambda user, needed: user.endswith("(close)") and "terraform_data" in needed,
    "an expansion waits for what count reads": lambda user, needed: user.endswith("(expand)") and not needed.endswith("(expand)"),
    "a variable is its argument": lambda user, _: user.rpartition(".var.")[2].startswith("in"),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_a_lost_rule_would_be_noticed(rule: str, seen: list[tuple[Configuration, Steps]]) -> None:
    differing = 0
    for configuration, steps in seen:
        tree = reference_tree(configuration)
        edges = {
            user: frozenset(other for other in needed if not RULES[rule](user, other))
            for user, needed in tree.edges.items()
        }
        lost = ReferenceTree(edges, tree.resources, tree.managed, tree.before_destroy)
        differing += ours_of_resources(lost) != theirs_of_resources(steps, tree)
    assert differing


@pytest.mark.parametrize("seed", [1, 200, 201])
def test_dependencies_are_those_of_terraforms_own_state(seed: int, tmp_path: Path) -> None:
    terraform = initialised(tmp_path, root(seed))
    for _ in range(2):  # only a second apply writes all forced flags of counted resources
        terraform.run("apply", "-auto-approve")
    check_state(terraform)


def check_state(terraform: Terraform) -> None:
    resources = exact.loads((terraform.folder / "terraform.tfstate").read_bytes())["resources"]
    known = dependencies(configuration_of(terraform))
    assert any("dependencies" in instance for resource in resources for instance in resource["instances"])
    assert not any("dependencies" in instance for resource in stripped(resources) for instance in resource["instances"])
    assert restored(stripped(resources), known) == resources
