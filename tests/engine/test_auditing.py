"""Audits as pure decisions: what each difference between the whole plan and the units' means."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_facts import plain_graph, settled_facts, with_code
from stackly_engine.auditing import (
    Audited,
    Change,
    Difference,
    Standing,
    changes,
    compared,
    forced,
    to_plan,
)
from stackly_engine.readings import moved_data, same
from stackly_engine.reasons import Reason
from stackly_engine.schedule import Facts

CHAIN = {"a": set[str](), "b": {"a"}, "c": {"b"}, "d": set[str]()}


def facts() -> Facts:
    return settled_facts(plain_graph(CHAIN))


def change(unit: str, about: Any = "x", *actions: str) -> Change:
    return Change(unit, actions or ("update",), about)


def judged(at: Facts, whole: dict[str, Change], cut: dict[str, Change], **more: Any) -> dict[str, Difference]:
    return {one.address: one.difference for one in compared(at, Standing.of(at), whole, cut, **more)}


def test_where_units_stand() -> None:
    standing = Standing.of(with_code(facts(), "b"))
    assert (set(standing.skipped), set(standing.waiting)) == ({"a", "d"}, {"c"})
    assert list(map(str, standing.running["b"])) == ["code: main.tf"]


def test_nothing_is_planned_where_nothing_is_in_question() -> None:
    at = with_code(facts(), "b")
    standing = Standing.of(at)
    assert to_plan(at, standing, {}, ()) is None
    assert to_plan(at, standing, {"b.x": change("b")}, ()) is None
    assert to_plan(at, standing, {"c.x": change("c")}, ()) == frozenset()  # the chain as it is says whether c runs
    assert to_plan(at, standing, {"d.x": change("d")}, {"a"}) == frozenset({"d"})


def test_what_reads_a_moved_world_is_planned_too() -> None:
    at = facts()
    assert to_plan(at, Standing.of(at), {"c.x": change("c")}, {"a", "d"}) == frozenset({"c", "a"})


@pytest.mark.parametrize(
    ("cut", "difference"),
    [
        ({"d.x": change("d")}, Difference.SAME),
        ({"d.x": change("d", "y")}, Difference.OTHER),
        ({"d.x": change("d", "x", "delete", "create")}, Difference.OTHER),
        ({}, Difference.OTHER),
    ],
)
def test_a_skipped_unit(cut: dict[str, Change], difference: Difference) -> None:
    assert judged(facts(), {"d.x": change("d")}, cut, planned={"d"}) == {"d.x": difference}


def test_a_change_that_only_the_unit_itself_has_is_another() -> None:
    found = compared(
        facts(), Standing.of(facts()), {"d.x": change("d")}, {"d.x": change("d"), "d.y": change("d")}, planned={"d"}
    )
    assert [(one.address, one.difference) for one in found] == [("d.y", Difference.OTHER), ("d.x", Difference.SAME)]


def test_the_world_explains_only_what_reads_it() -> None:
    whole = {"c.x": change("c"), "d.x": change("d")}
    assert judged(facts(), whole, whole, planned={"c", "d", "a"}, moved={"data.t.n": "a"}) == {
        "c.x": Difference.WORLD, "data.t.n": Difference.WORLD, "d.x": Difference.SAME,
    }  # fmt: skip
    assert judged(facts(), {"d.x": change("d")}, {"d.x": change("d")}, moved={"data.t.n": "a"}) == {
        "d.x": Difference.SAME
    }


def test_what_runs_anyway_is_no_concern() -> None:
    whole = {f"{unit}.x": change(unit) for unit in "abc"}
    at = with_code(facts(), "a")
    assert judged(at, whole, whole) == dict.fromkeys(whole, Difference.PENDING)
    assert judged(at, whole, {"a.x": change("a")})["b.x"] is Difference.OTHER  # it would be skipped after all
    assert judged(at, whole, {"a.x": change("a")}, deferred={"b", "c"})["b.x"] is Difference.PENDING


def test_what_is_another_each_time_is_never_compared() -> None:
    """Both plans were made at different times: so it may well come out otherwise."""
    at = facts()
    at = replace(at, parts={**at.parts, "a": replace(at.parts["a"], impure=("plantimestamp()",))})
    whole = {f"{unit}.x": change(unit, "now") for unit in "bcd"}
    cut = {f"{unit}.x": change(unit, "later") for unit in "bcd"}
    assert judged(at, whole, cut) == {"b.x": Difference.PENDING, "c.x": Difference.PENDING, "d.x": Difference.OTHER}
    assert judged(at, whole, {})["c.x"] is Difference.PENDING


def test_a_world_that_moves_on_between_both_plans_is_the_world_still() -> None:
    whole, cut = {"b.x": change("b", "then")}, {"b.x": change("b", "now")}
    moved = {"data.t.n": "a"}
    assert judged(facts(), whole, cut, planned={"a", "b"}, moved=moved)["b.x"] is Difference.WORLD
    replaced = {"b.x": change("b", "now", "delete", "create")}
    assert judged(facts(), whole, replaced, planned={"a", "b"}, moved=moved)["b.x"] is Difference.OTHER
    assert judged(facts(), whole, {}, planned={"a", "b"}, moved=moved)["b.x"] is Difference.OTHER


def test_a_state_that_was_edited_is_told_as_that() -> None:
    at = facts()
    edited = replace(at, slices={**at.slices, "d": "edited"})
    (found,) = compared(edited, Standing.of(edited), {"d.x": change("d")}, {})
    assert found == Audited("d", "d.x", Difference.STATE, "state: d")
    both = with_code(edited, "d")
    assert judged(both, {"d.x": change("d")}, {}) == {"d.x": Difference.PENDING}


def test_reasons_from_elsewhere_stay() -> None:
    assert forced({"a": (Reason("moved"),)}, ["b", "a"]) == {
        "a": (Reason("moved"), Reason("audit")), "b": (Reason("audit"),),
    }  # fmt: skip


def resource(address: str, *actions: str, **more: Any) -> dict[str, Any]:
    inner = {"actions": list(actions), "before": None, "after": {"a": 1}, "after_unknown": {}}
    kind = {"mode": "data"} if address.startswith("data.") else {"mode": "managed"}
    return {"address": address, "name": address.rpartition(".")[2], **kind, "change": inner} | more


def test_what_a_plan_does() -> None:
    plan = {
        "resource_changes": [
            resource("t.quiet", "no-op"), resource("t.made", "create"), resource("data.t.n", "read"),
            resource("t.moved", "no-op", previous_address="t.old"), resource("t.made", "delete", deposed="ab12"),
            resource("terraform_data.stackly_up__x", "create"), resource("t.gone", "delete"),
        ],
        "output_changes": {
            "o": {"actions": ["update"], "after": 1}, "still": {"actions": ["no-op"]},
            "stackly_up__t": {"actions": ["create"]},
        },
    }  # fmt: skip
    found = changes(plan, lambda address: None if address == "t.gone" else "u", generated="stackly_up__")
    assert {address: (one.unit, one.actions) for address, one in found.items()} == {
        "t.made": ("u", ("create",)), "t.made (deposed ab12)": ("u", ("delete",)), "t.moved": ("u", ("no-op",)),
        "t.gone": ("removed", ("delete",)), "output.o": ("outputs", ("update",)),
    }  # fmt: skip


def test_which_data_moved() -> None:
    def instance(value: str, **more: Any) -> dict[str, Any]:
        return {"attributes": {"v": value}} | more

    document = {
        "resources": [
            {"mode": "data", "type": "t", "name": "same", "instances": [instance("1")]},
            {"mode": "data", "type": "t", "name": "other", "instances": [instance("1", index_key=0)]},
            {
                "module": 'module.m["k"]',
                "mode": "data",
                "type": "t",
                "name": "n",
                "instances": [instance("1", index_key="a")],
            },
            {"mode": "managed", "type": "t", "name": "x", "instances": [instance("1")]},
        ]
    }

    def read(address: str, value: str, mode: str = "data") -> dict[str, Any]:
        return {"address": address, "mode": mode, "values": {"v": value}}

    inner = {"resources": [read('module.m["k"].data.t.n["a"]', "2")]}
    root = {
        "resources": [read("data.t.same", "1"), read("data.t.other[0]", "2"), read("t.x", "9", "managed")],
        "child_modules": [inner],
    }
    plan = {"prior_state": {"values": {"root_module": root}}, "resource_changes": [resource("data.t.late", "read")]}
    assert moved_data(document, plan) == {"data.t.other", "module.m", "data.t.late"}
    assert moved_data(document, {}) == frozenset()


@pytest.mark.parametrize(
    ("recorded", "read", "equal"),
    [
        ({"a": 1, "b": None}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": {"value": {"x": [1]}, "type": ["object", {}]}}, {"a": {"x": [1]}}, True),
        ({"value": 1, "type": 2}, {"value": 1, "type": 2}, True),
        ({"value": 1, "type": 2}, {"value": 1, "type": 3}, False),
        ({"value": [1], "type": 2}, [2], False),
        ([1, 2], [1], False),
        (None, {"a": 1}, False),
    ],
)
def test_readings_are_compared_across_both_ways_of_writing_them(recorded: Any, read: Any, equal: bool) -> None:
    assert same(recorded, read) is equal


@given(
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xy")),
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xy")),
)
def test_only_equal_changes_are_ever_called_the_same(whole: dict[str, str], cut: dict[str, str]) -> None:
    """Of units that are all skipped: every difference of the whole plan is told, and equal ones alone are the same."""
    at, ours = facts(), {unit: change(unit, about) for unit, about in whole.items()}
    found = judged(at, ours, {unit: change(unit, about) for unit, about in cut.items()}, planned=set("abcd"))
    assert found.keys() == whole.keys() | cut.keys()
    assert all((found[unit] is Difference.SAME) == (whole.get(unit) == cut.get(unit)) for unit in found)
