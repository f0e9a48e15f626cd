"""Graphs of units: what stands in which group, and what is a chain."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackly_server import limits
from stackly_server.errors import TooMuch
from stackly_server.runs.graphing import Activity, Graph, graph_of, needs_of, with_needs
from stackly_server.runs.views import drawn


def graph(**needs: list[str]) -> Graph:
    return graph_of([Activity(unit, "SKIPPED") for unit in needs], needs)


def test_a_diamond_with_a_tail() -> None:
    found = graph(a=[], b=["a"], c=["a"], d=["b", "c"], e=["d"], f=["e"], g=[])
    assert found.groups == (("a", "g"), ("b", "c"), ("d",), ("e",), ("f",))
    assert found.chains == (("d", "e", "f"),)
    assert found.edges == (("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("d", "e"), ("e", "f"))


def test_nothing() -> None:
    assert graph() == Graph([])


@given(st.lists(st.sets(st.integers(0, 30)), max_size=30))
def test_groups_and_chains_of_any_graph(drawn: list[set[int]]) -> None:
    needs = {f"u{at}": [f"u{other}" for other in sorted(others) if other < at] for at, others in enumerate(drawn)}
    found = graph(**needs)
    at = {unit: number for number, group in enumerate(found.groups) for unit in group}
    assert at.keys() == needs.keys()
    assert all(at[first] < at[unit] for first, unit in found.edges)
    inside = [unit for chain in found.chains for unit in chain]
    assert len(inside) == len(set(inside))
    for chain in found.chains:
        assert len(chain) > 1
        for first, second in itertools.pairwise(chain):
            assert needs[second] == [first]
            assert [unit for unit, needed in needs.items() if first in needed] == [second]


def test_what_is_too_much_is_left_out_and_said() -> None:
    few: list[tuple[dict[str, Any], dict[str, list[str]]]] = [({"unit": "a"}, lists()), ({"unit": "b"}, lists("a"))]
    assert with_needs(few) == [{"unit": "a", **lists()}, {"unit": "b", **lists("a")}]
    much = "a" * (limits.PLAN_NEEDS_BYTES // 2)
    assert with_needs([*few, ({"unit": "c"}, lists(much))])[-1] == {"unit": "c", "needs": [much]}
    many = with_needs([*few, ({"unit": "c"}, lists(much, much, "b"))])
    assert many == [{"unit": "a"}, {"unit": "b"}, {"unit": "c"}]
    with pytest.raises(TooMuch):
        needs_of(many)


def lists(*names: str) -> dict[str, list[str]]:
    return {"needs": [*names], "inputs": [*names]}


def test_a_picture_that_no_answer_holds_is_refused() -> None:
    def picture(count: int) -> str:
        needs: dict[str, list[str]] = {f"module.m{number}": [] for number in range(count)}
        return drawn(graph_of([Activity(unit, "FAILED", True, ("why " * 100,)) for unit in needs], needs))

    assert picture(3).count('class="unit failed"') == 3
    with pytest.raises(TooMuch):
        picture(limits.GRAPH_SVG_BYTES // 400)
