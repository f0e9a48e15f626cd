"""Batches by price: convex, in an order, never dearer than the whole, of the sizes that were measured to be best."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackly_engine import ordering
from stackly_engine.batches import Batching, batches
from stackly_engine.pricing import Price, assumed, measured
from stackly_engine.reasons import Reason

AWS = Price(15.0, 0.02, 1200.0)


def star(count: int) -> dict[str, set[str]]:
    """A network that everything else needs."""
    return {f"module.m{i:04d}": {"module.m0000"} if i else set() for i in range(count)}


def chain(count: int) -> dict[str, set[str]]:
    return {f"module.m{i:04d}": {f"module.m{i - 1:04d}"} if i else set() for i in range(count)}


def every(edges: dict[str, set[str]], resources: int, price: Price, workers: int = 2) -> Batching:
    return batches(edges, edges, sizes=dict.fromkeys(edges, resources), price=price, workers=workers)


def middle(batching: Batching) -> int:
    counts = sorted(len(batch.units) for batch in batching.batches)
    return counts[len(counts) // 2]


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, set[str]]:
    names = [f"u{i:02d}" for i in range(draw(st.integers(1, 14)))]
    shuffled = draw(st.permutations(names))
    return {
        name: set(draw(st.lists(st.sampled_from(shuffled[:place]), max_size=3))) if place else set()
        for place, name in enumerate(shuffled)
    }


@st.composite
def problems(draw: st.DrawFn) -> tuple[dict[str, set[str]], set[str], set[str], list[set[str]], Price, int]:
    edges = draw(graphs())
    some = st.sets(st.sampled_from(sorted(edges)))
    definite = draw(some)
    maybe = ordering.reachable(ordering.inverted(edges), definite) - definite
    price = Price(draw(st.sampled_from([0.01, 0.3, 15.0])), 0.006, draw(st.sampled_from([20.0, 350.0])))
    return edges, definite, maybe, draw(st.lists(some, max_size=2)), price, draw(st.integers(1, 4))


@settings(max_examples=120, deadline=None)
@given(problems())
def test_batches_are_convex_disjoint_and_in_order(
    problem: tuple[dict[str, set[str]], set[str], set[str], list[set[str]], Price, int],
) -> None:
    edges, definite, maybe, together, price, workers = problem
    sizes = {name: place * 7 % 40 for place, name in enumerate(sorted(edges))}
    found = batches(
        edges, definite, maybe=maybe, together=together, sizes=sizes, price=price, workers=workers, may_run_whole=False
    )
    placed = [unit for batch in found.batches for unit in batch.units]
    assert len(placed) == len(set(placed))
    assert definite <= set(placed)
    for batch in found.batches:
        assert ordering.between(edges, batch.units) == set(batch.units)
        assert set(batch.units) & (definite | maybe)
    batch_of = {unit: batch.units[0] for batch in found.batches for unit in batch.units}
    quotient: dict[str, set[str]] = {batch_of.get(unit, unit): set() for unit in edges}
    for unit, needed in edges.items():
        quotient[batch_of.get(unit, unit)] |= {batch_of.get(other, other) for other in needed}
    ordering.ordered({name: needed - {name} for name, needed in quotient.items()})  # CycleError if there is a circle
    for chosen in together:
        if chosen & set(placed):
            assert len({batch_of[unit] for unit in chosen}) == 1


@settings(max_examples=100, deadline=None)
@given(problems())
def test_waves_respect_every_path(
    problem: tuple[dict[str, set[str]], set[str], set[str], list[set[str]], Price, int],
) -> None:
    edges, definite, maybe, together, price, workers = problem
    sizes = dict.fromkeys(edges, 10)
    found = batches(
        edges, definite, maybe=maybe, together=together, sizes=sizes, price=price, workers=workers, may_run_whole=False
    )
    wave = {unit: batch.wave for batch in found.batches for unit in batch.units}
    of = {unit: batch for batch in found.batches for unit in batch.units}
    for unit, place in wave.items():
        for other in ordering.reachable(edges, [unit]) & wave.keys():
            assert of[other] == of[unit] or wave[other] < place
    assert [batch.wave for batch in found.batches] == sorted(batch.wave for batch in found.batches)


@settings(max_examples=60, deadline=None)
@given(problems())
def test_it_is_never_dearer_than_the_whole_and_always_the_same(
    problem: tuple[dict[str, set[str]], set[str], set[str], list[set[str]], Price, int],
) -> None:
    edges, definite, maybe, together, price, workers = problem
    sizes = dict.fromkeys(edges, 10)
    found = batches(edges, definite, maybe=maybe, together=together, sizes=sizes, price=price, workers=workers)
    assert found.seconds <= found.whole_seconds
    if found.whole is not None:
        assert [batch.units for batch in found.batches] == [tuple(sorted(edges))]
    backwards = {name: set(edges[name]) for name in sorted(edges, reverse=True)}
    again = batches(
        backwards,
        sorted(definite, reverse=True),
        maybe=sorted(maybe, reverse=True),
        together=[sorted(one, reverse=True) for one in reversed(together)],
        sizes=sizes,
        price=price,
        workers=workers,
    )
    assert again == found


def test_sizes_follow_the_measured_table() -> None:
    """engine.md §12, where each was planned once: 100x5 best with batches of 10 to 25 modules, 100x20 with 5."""
    small, large = every(star(100), 5, Price(again=0.0)), every(star(100), 20, Price(again=0.0))
    assert 10 <= middle(small) <= 25
    assert 3 <= middle(large) <= 7
    assert small.whole is None
    assert large.whole is None
    assert small.seconds == pytest.approx(2.3, rel=0.25)
    assert large.seconds == pytest.approx(8.9, rel=0.25)


def test_a_dearer_process_makes_larger_batches() -> None:
    assert 5 <= middle(every(star(100), 20, Price(0.3, 0.006, 350.0))) <= 10
    assert middle(every(star(100), 20, Price(0.3, 0.006, 350.0))) > middle(every(star(100), 20, Price()))


@pytest.mark.parametrize(
    ("modules", "resources", "size", "seconds"),
    [(100, 5, 1, 7.3), (100, 5, 10, 2.4), (100, 5, 25, 2.3), (100, 5, 100, 6.4), (100, 20, 1, 11.3), (100, 20, 5, 8.9),
     (100, 20, 25, 15.8), (100, 20, 100, 78)],
)  # fmt: skip
def test_the_default_price_gives_the_measurements_back(modules: int, resources: int, size: int, seconds: float) -> None:
    """Batches of equal size on two workers, from nothing."""
    rounds = -(-modules // size // 2) if size < modules else 1
    assert rounds * Price().batch(size * resources) == pytest.approx(seconds, rel=0.35)


def test_the_worst_case_is_still_quicker_than_the_whole() -> None:
    found = every(chain(500), 5, Price())
    assert found.whole_seconds == pytest.approx(107, rel=0.25)
    assert found.seconds < found.whole_seconds / 2


def test_what_reads_of_another_batch_is_planned_twice() -> None:
    price = Price(1.0, 0.0, 100.0, again=0.5)
    found = batches(chain(3), chain(3), sizes={}, price=price, may_run_whole=False)
    assert (len(found.batches), found.seconds, found.whole_seconds) == (1, 1.0, 1.0)
    assert price.batch(10, waits=True) == 1.5


def test_of_a_whole_root_only_what_changes_is_written() -> None:
    """engine.md §12: one leaf of 500x20 takes the whole root 66 s."""
    found = batches(star(500), ["module.m0499"], sizes=dict.fromkeys(star(500), 20), price=Price())
    assert found.whole_seconds == pytest.approx(66, rel=0.25)
    assert found.seconds < 1


def test_an_expensive_provider_gets_one_batch_or_the_whole() -> None:
    assert every(star(100), 5, AWS).whole == Reason("cheaper")
    edges = star(100)
    some = sorted(edges)[20:60]
    few = batches(edges, some, sizes=dict.fromkeys(edges, 5), price=AWS, workers=2)
    assert [len(batch.units) for batch in few.batches] == [40]
    assert few.whole is None


def test_a_maybe_rides_along_only_when_a_further_wave_is_dear() -> None:
    edges = {"a": set[str](), "b": {"a"}, "c": {"b"}, "d": set(), "e": set(), "f": set()}
    sizes = dict.fromkeys(edges, 20)
    cheap = batches(edges, ["a"], maybe=["b", "c"], sizes=sizes, price=Price(), workers=2)
    dear = batches(edges, ["a"], maybe=["b", "c"], sizes=sizes, price=AWS, workers=2)
    assert [batch.units for batch in cheap.batches] == [("a",)]
    assert [batch.units for batch in dear.batches] == [("a", "b", "c")]


def test_what_lies_between_rides_along() -> None:
    edges = {"a": set[str](), "b": {"a"}, "c": {"b"}, "d": set()}
    sizes = dict.fromkeys(edges, 5) | {"d": 500}
    found = batches(edges, ["a", "c"], maybe=["b"], together=[{"a", "c"}], sizes=sizes, price=Price())
    assert [batch.units for batch in found.batches] == [("a", "b", "c")]


def test_independent_chains_go_side_by_side() -> None:
    edges: dict[str, set[str]] = {}
    for name in "ab":
        edges |= {f"{name}{i}": {f"{name}{i - 1}"} if i else set() for i in range(6)}
    found = every(edges, 5, Price(), workers=2)
    assert [batch.units for batch in found.batches] == [tuple(f"{name}{i}" for i in range(6)) for name in "ab"]
    assert {batch.wave for batch in found.batches} == {0}


def test_nothing_to_run_takes_no_time() -> None:
    found = batches(star(3), [], sizes={}, price=Price())
    assert (found.batches, found.whole, found.seconds) == ((), None, 0.0)


def test_unknown_units_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="x is no unit"):
        batches(star(3), ["x"], sizes={}, price=Price())
    with pytest.raises(ValueError, match="y is no unit"):
        batches(star(3), ["module.m0000"], together=[["y"]], sizes={}, price=Price())


def test_prices_are_assumed_by_provider_and_learned_from_runs() -> None:
    assert assumed(["terraform.io/builtin/terraform"]) == Price()
    assert assumed(["registry.terraform.io/hashicorp/random"]).fixed > Price().fixed
    assert assumed(["registry.terraform.io/hashicorp/aws", "terraform.io/builtin/terraform"]).fixed == 15.0
    learned = measured([(count, AWS.batch(count)) for count in (1, 10, 40)], Price(1.0, 0.5, AWS.bend))
    assert learned.fixed == pytest.approx(15.0)
    assert learned.resource == pytest.approx(0.02)
    assert measured([], AWS) == AWS
    assert measured([(5, 15.1), (9, 15.18), (5, 90.0), (40, 15.8)], AWS).fixed == pytest.approx(15.0, abs=0.2)
    assert measured([(3, 60.0), (125, 2.0)], Price()).resource > 0
    assert measured([(10, 2.0), (10, 4.0)], Price(1.0, 0.1, 100.0)).fixed == pytest.approx(1.9)
