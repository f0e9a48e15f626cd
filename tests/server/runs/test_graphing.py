"""Graphs of units: what stands in which group, and what is a chain."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackly_server import limits
from stackly_server.errors import TooMuch
from stackly_server.runs.graphing import Graph, graph_of, with_needs


def graph(**needs: list[str]) -> Graph:
    return graph_of([{"unit": unit, "needs": needed} for unit, needed in needs.items()])


def test_a_diamond_with_a_tail() -> None:
    found = graph(a=[], b=["a"], c=["a"], d=["b", "c"], e=["d"], f=["e"], g=[])
    assert found.groups == (("a", "g"), ("b", "c"), ("d",), ("e",), ("f",))
    assert found.chains == (("d", "e", "f"),)
    assert found.edges == (("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("d", "e"), ("e", "f"))


def test_nothing() -> None:
    assert graph() == Graph([], (), (), ())


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
    few: list[tuple[dict[str, Any], list[str]]] = [({"unit": "a"}, []), ({"unit": "b"}, ["a"])]
    assert with_needs(few) == [{"unit": "a", "needs": []}, {"unit": "b", "needs": ["a"]}]
    many = [*few, ({"unit": "c"}, ["a" * limits.PLAN_NEEDS_BYTES])]
    assert with_needs(many) == [{"unit": "a"}, {"unit": "b"}, {"unit": "c"}]
    with pytest.raises(TooMuch):
        graph_of(with_needs(many))
