"""The engine's options on a worker: what the control plane says, and one budget of parallelism for all that work at once."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from stackly.worker.v1 import runner_service_pb2 as messages
from stackly_worker.runner import limits
from stackly_worker.runner.options import Budget, EngineOptions


def test_what_is_not_said_holds_for_ever() -> None:
    assert EngineOptions.of(messages.UnitOptions()) == EngineOptions(None, None, limits.UNIT_PROCESSES)


def test_each_run_is_not_the_same_as_nothing_said() -> None:
    said = messages.UnitOptions(data_refresh_seconds=0, max_age_seconds=3600, max_parallel=9)
    assert EngineOptions.of(said) == EngineOptions(timedelta(0), timedelta(hours=1), 9)


def test_those_that_start_together_get_equal_shares() -> None:
    budget = Budget(places=10, processes=4)
    assert [budget.take(4) for _ in range(4)] == [2, 2, 2, 2]
    budget.give(2)
    assert budget.take(1) == 4  # alone in its turn: what is left


@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.lists(st.tuples(st.booleans(), st.integers(1, 200)), max_size=60),
)
def test_the_budget_is_exceeded_by_one_for_each_that_comes_late_at_most(
    places: int, processes: int, steps: list[tuple[bool, int]]
) -> None:
    budget, running = Budget(places, processes), list[int]()
    for starts, width in steps:
        if starts and len(running) < processes:
            running.append(budget.take(width))
        elif running:
            budget.give(running.pop(width % len(running)))
        assert all(share >= 1 for share in running)
        assert sum(running) <= places + max(0, len(running) - 1)
    for share in running:
        budget.give(share)
    assert budget.take(1) == places
