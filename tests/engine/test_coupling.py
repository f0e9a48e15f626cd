"""Units that must run together: the orders of engine-facts §1, chains, removed units, moved objects."""

from typing import Any

import pytest

from engine_roots import change, configured, graph_of, plan, resource, state
from stackly_engine.coupling import Couple, coupled
from stackly_engine.dependencies import Dependencies, dependencies, restored
from stackly_engine.graph import build
from stackly_engine.grouping import groups

X, Y = "module.a.terraform_data.x", "module.b.terraform_data.y"
CBD = "lifecycle {\n create_before_destroy = true\n}\n"


def modules(flags: str, *, with_x: bool = True, with_y: bool = True) -> dict[str, str]:
    a = f'resource "terraform_data" "x" {{\n{CBD if "x" in flags else ""}}}\n' if with_x else ""
    b = f'resource "terraform_data" "y" {{\ninput = var.v\n{CBD if "y" in flags else ""}}}\n' if with_y else ""
    return {"a": a + f'output "o" {{\n value = {"terraform_data.x.id" if with_x else "1"}\n}}\n',
            "b": 'variable "v" {}\n' + b}  # fmt: skip


ROOT = 'module "a" {\n source = "./a"\n}\nmodule "b" {\n source = "./b"\n v = module.a.o\n}\n'
# what is done to x, what to y: which of the flags none, x, y, both make the order of separate runs wrong
TABLE = {
    ("replace", "replace"): "yes yes yes yes",
    ("replace", "update"): "no yes yes yes",
    ("replace", "delete"): "yes yes yes yes",
    ("replace", "no-op"): "no no yes no",
    ("delete", "replace"): "yes yes yes yes",
    ("delete", "delete"): "yes yes yes yes",
    ("delete", "update"): "no yes yes yes",
}
COMBINATIONS = [
    (x, y, flags, answer == "yes")
    for (x, y), answers in TABLE.items()
    for flags, answer in zip(("", "x", "y", "xy"), answers.split(), strict=True)
]


def actions(what: str, own_flag: bool) -> str:
    """As the unit alone plans it: what another unit forces on it does not show."""
    return ("create/delete" if own_flag else "delete/create") if what == "replace" else what


def test_the_table_has_all_28_combinations() -> None:
    assert len(COMBINATIONS) == 28
    assert sum(differs for *_, differs in COMBINATIONS) == 23


@pytest.mark.parametrize(("x", "y", "flags", "differs"), COMBINATIONS)
def test_couples_exactly_where_separate_runs_would_be_in_another_order(
    x: str, y: str, flags: str, differs: bool
) -> None:
    before = dependencies(configured(ROOT, **modules(flags)))
    now = configured(ROOT, **modules(flags, with_x=x != "delete", with_y=y != "delete"))
    document = state(*restored([resource(X), resource(Y)], before))
    plans = {
        ("module.a",): plan(change(X, actions(x, "x" in flags))),
        ("module.b",): plan(change(Y, actions(y, "y" in flags))),
    }
    graph = build(now)
    found = coupled(graph, plans, document, dependencies(now))
    assert {(couple.first, couple.second) for couple in found} == ({("module.a", "module.b")} if differs else set())
    assert all(couple.reason.startswith(X) and Y in couple.reason for couple in found)
    together = {("module.a", "module.b"): plan(*(c for one in plans.values() for c in one["resource_changes"]))}
    assert coupled(graph, together, document, dependencies(now)) == ()


def test_a_unit_that_is_not_planned_couples_when_it_wants_the_new_one_first() -> None:
    """Y does not change: its unit was skipped."""
    now = configured(ROOT, **modules("y"))
    plans = {("module.a",): plan(change(X, "delete/create"))}
    (couple,) = coupled(build(now), plans, state(), dependencies(now))
    reason = f"{X} is replaced, the new one must come first: {Y} has create_before_destroy"
    assert couple == Couple("module.a", "module.b", reason)


def test_a_deposed_object_goes_after_the_update_of_what_used_it() -> None:
    now = configured(ROOT, **modules(""))
    plans: dict[Any, dict[str, Any]] = {
        "module.a": plan(change(X, "no-op"), change(X, "delete", deposed="00000001")),
        "module.b": plan(change(Y, "update")),
    }
    (couple,) = coupled(build(now), plans, state(), dependencies(now))
    assert couple.reason == f"{X} is destroyed, but only after {Y} is updated"


CHAIN = "".join(
    f'module "{name}" {{\n source = "./{name}"\n v = {f"module.{up}.o" if up else "1"}\n}}\n'
    for name, up in (("a", ""), ("mid", "a"), ("c", "mid"), ("other", "a"))
)
LINK = 'variable "v" {}\nresource "terraform_data" "r" {\n input = var.v\n}\noutput "o" {\n value = terraform_data.r.id\n}\n'


def test_units_on_the_path_between_come_along() -> None:
    code = configured(CHAIN, **dict.fromkeys(("a", "mid", "c", "other"), LINK))
    graph = build(code)
    plans = {
        ("module.a",): plan(change("module.a.terraform_data.r", "delete/create")),
        ("module.c",): plan(change("module.c.terraform_data.r", "delete/create")),
    }
    found = coupled(graph, plans, state(), dependencies(code))
    assert [(couple.first, couple.second) for couple in found] == [("module.a", "module.c")]
    assert groups(graph, [(couple.first, couple.second) for couple in found]) == (
        frozenset({"module.a", "module.mid", "module.c"}),
    )


GONE = "module.z.terraform_data.r"


@pytest.mark.parametrize(
    ("kept", "before_destroy", "expected"),
    [
        # z used a.x: x goes after z
        (change(X, "delete"), False, [("module.a", "removed")]),
        (change(X, "create"), False, []),
        # b used z: without the flag z goes first anyway
        (change(Y, "update"), False, []),
        (change(Y, "update"), True, [("removed", "module.b")]),
        (change(Y, "delete"), False, [("removed", "module.b")]),
    ],
)
def test_what_is_gone_from_the_code_couples_by_the_state(
    kept: dict[str, Any], before_destroy: bool, expected: list[tuple[str, str]]
) -> None:
    now = configured(ROOT.replace("module.a.o", "1"), **modules(""))
    flag = {"create_before_destroy": True} if before_destroy else {}
    document = state(resource(X), resource(Y, dependencies=[GONE]), resource(GONE, dependencies=[X], **flag))
    plans = {("removed",): plan(change(GONE, "delete")), ("module.a", "module.b"): plan(kept)}
    found = coupled(build(now), plans, document, dependencies(now))
    assert [(couple.first, couple.second) for couple in found] == expected
    # with the slice of z in the unit of b, nothing is between them
    routed = coupled(build(now), plans, document, dependencies(now), {"module.z": "module.b"})
    assert "removed" not in {name for couple in routed for name in (couple.first, couple.second)}


def test_a_moved_object_is_known_by_its_old_name_too() -> None:
    graph = graph_of(ROOT, **modules(""))
    document = state(resource("module.old.terraform_data.x"), resource(Y, dependencies=["module.old.terraform_data.x"]))
    plans = {
        ("module.a",): plan(change(X, "delete/create", previous_address="module.old.terraform_data.x")),
        ("module.b",): plan(change(Y, "delete")),
    }
    found = coupled(graph, plans, document, Dependencies({}, frozenset(), frozenset()), {"module.old": "module.a"})
    assert [(couple.first, couple.second) for couple in found] == [("module.a", "module.b")]


def test_generated_resources_and_data_sources_are_no_changes() -> None:
    now = configured(ROOT, **modules("y"))
    plans = {("module.b",): plan(change("terraform_data.stackly_up__module__a__pending", "delete/create"))}
    assert coupled(build(now), plans, state(), dependencies(now)) == ()


def test_groups_that_would_need_each_other_are_one() -> None:
    """With edges a1 → b1 and a2 → b2, {a1, b2} and {a2, b1} are convex each, and cannot be ordered."""
    needs = {"a1": "1", "a2": "2", "b1": "module.a1.o", "b2": "module.a2.o"}
    root = "".join(f'module "{name}" {{\n source = "./{name}"\n v = {of}\n}}\n' for name, of in needs.items())
    graph = graph_of(root, **dict.fromkeys(needs, LINK))
    sets = [("module.a1", "module.b2"), ("module.a2", "module.b1")]
    assert groups(graph, sets[:1]) == (frozenset(sets[0]),)
    assert groups(graph, sets) == (frozenset(graph.units.keys() - {"outputs"}),)
    assert groups(graph, [("removed", "module.a1"), ("module.b1",)]) == (frozenset({"removed", "module.a1"}),)
