import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackly_engine import ordering
from stackly_engine.ordering import CycleError, Groups

NAMES = st.sampled_from("abcdefgh")
GRAPHS = st.dictionaries(NAMES, st.sets(NAMES), max_size=8).map(
    lambda some: {name: some.get(name, set()) for name in {*some, *(other for needed in some.values() for other in needed)}}
)  # fmt: skip
FREE = GRAPHS.map(lambda some: {name: {other for other in needed if other < name} for name, needed in some.items()})


def far(graph: dict[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    while True:
        more = found | {other for name in found | {start} for other in graph[name]}
        if more == found:
            return found
        found = more


@given(GRAPHS)
def test_reachable_is_the_closure(graph: dict[str, set[str]]) -> None:
    for name in graph:
        assert ordering.reachable(graph, [name]) == far(graph, name)


@given(GRAPHS)
def test_components_are_what_reaches_each_other_and_come_after_what_they_need(graph: dict[str, set[str]]) -> None:
    found = ordering.components(graph)
    assert sorted(name for component in found for name in component) == sorted(graph)
    place = {name: number for number, component in enumerate(found) for name in component}
    for name, needed in graph.items():
        for other in graph:
            mutual = name == other or (other in far(graph, name) and name in far(graph, other))
            assert (place[name] == place[other]) == mutual
            assert other not in needed or place[other] <= place[name]


@given(FREE)
def test_orders_and_levels_keep_what_is_needed_below(graph: dict[str, set[str]]) -> None:
    order = ordering.ordered(graph)
    levels = ordering.levels(graph)
    assert sorted(order) == sorted(graph)
    for name, needed in graph.items():
        assert all(order.index(other) < order.index(name) for other in needed)
        assert levels[name] == max((levels[other] + 1 for other in needed), default=0)


@given(FREE, st.sets(NAMES))
def test_between_is_the_least_convex_set(graph: dict[str, set[str]], names: set[str]) -> None:
    chosen = names & graph.keys()
    hull = ordering.between(graph, chosen)
    expected = chosen | {
        name
        for name in graph
        if any(name in far(graph, above) for above in chosen) and any(below in far(graph, name) for below in chosen)
    }
    assert hull == expected
    assert ordering.between(graph, hull) == hull


def test_a_circle_has_no_order() -> None:
    with pytest.raises(CycleError, match="a, b"):
        ordering.ordered({"a": {"b"}, "b": {"a"}, "c": set()})


def test_groups_have_the_name_of_their_least_member() -> None:
    groups = Groups("dcbae")
    groups.join("dc")
    groups.join("cb")
    groups.join([])
    assert groups.of() == {"a": ("a",), "b": ("b", "c", "d"), "e": ("e",)}
    assert groups.find("d") == "b"


def test_a_long_chain_needs_no_recursion() -> None:
    chain = {f"{number:05}": {f"{number - 1:05}"} if number else set() for number in range(20_000)}
    assert ordering.ordered(chain) == tuple(sorted(chain))
    assert len(ordering.components(chain)) == len(chain)
