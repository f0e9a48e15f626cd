"""Planning and applying as state machines: what runs and why, in which order, and what never needs to."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine_facts import LONG_AGO, NOW, digest_of, plain_graph, plain_parts, settled_facts, with_code, with_record
from engine_runs import plan_all, runs
from stackly_engine import ordering
from stackly_engine.dispatching import Dispatch
from stackly_engine.parts import fingerprint
from stackly_engine.pricing import Price
from stackly_engine.reasons import Reason
from stackly_engine.records import Place, Record
from stackly_engine.schedule import UNKNOWN, Facts, Freshness, Planning, Status, decide

CHAIN = {"a": set[str](), "b": {"a"}, "c": {"b"}}
SMALL = Price(0.1, 0.001, 1000.0)


def shown(planning: Planning) -> dict[str, str]:
    return {unit: str(decision.reasons[0]) for unit, decision in planning.decisions.items()}


def test_nothing_has_to_run_when_nothing_moved() -> None:
    planning = Planning(settled_facts(plain_graph(CHAIN)))
    assert planning.done
    assert set(shown(planning).values()) == {"unchanged"}
    assert planning.outcome().batches == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda facts: with_code(facts, "b"), "code: main.tf"),
        (lambda facts: with_record(facts, "b", None), "new"),
        (lambda facts: with_record(facts, "b", facts.records["b"].cleared()), "incomplete"),
        (lambda facts: replace(facts, slices={**facts.slices, "b": "other"}), "state: b"),
        (lambda facts: replace(facts, slices={"a": "slice", "c": "slice"}), "state: b"),
        (lambda facts: replace(facts, forced={"b": (Reason("drift"),)}), "drift"),
        (lambda facts: replace(facts, forced={"b": (Reason("forced", "replace"),)}), "forced: replace"),
        (
            lambda facts: replace(facts, parts={**facts.parts, "b": replace(facts.parts["b"], impure=("uuid()",))}),
            "impure: uuid()",
        ),
        (
            lambda facts: with_record(facts, "b", replace(facts.records["b"], exports={})),
            "export: b.id",
        ),
    ],
)
def test_a_unit_runs_for_a_reason_of_its_own(change: Callable[[Facts], Facts], reason: str) -> None:
    planning = Planning(change(settled_facts(plain_graph(CHAIN))))
    assert planning.definite() == {"b"}
    assert planning.maybe() == {"c"}
    assert shown(planning) == {"a": "unchanged", "b": reason}


def test_early_cut_off_when_the_planned_exports_are_the_recorded_ones() -> None:
    planning = Planning(with_code(settled_facts(plain_graph(CHAIN)), "a"))
    planning.start(["a"])
    assert planning.maybe() == {"b", "c"}
    planning.planned("a", {("a", "id"): digest_of("a")}, changes=True)
    assert planning.done
    assert shown(planning) == {"a": "code: main.tf", "b": "unchanged", "c": "unchanged"}


@pytest.mark.parametrize("value", ["other", UNKNOWN])
def test_a_changed_or_unknown_input_makes_the_next_one_run(value: str) -> None:
    planning = Planning(with_code(settled_facts(plain_graph(CHAIN)), "a"))
    planning.start(["a"])
    planning.planned("a", {("a", "id"): value}, changes=True)
    assert planning.definite() == {"b"}
    assert shown(planning)["b"] == "input: a.id"
    planning.start(["b"])
    planning.planned("b", {("b", "id"): digest_of("b")}, changes=False)
    assert shown(planning)["c"] == "unchanged"
    assert planning.outcome().batches == (("a",), ("b",))
    assert planning.outcome().changing == {"a"}


def test_an_input_that_was_recorded_otherwise_makes_a_unit_run_though_nothing_runs_above() -> None:
    facts = settled_facts(plain_graph(CHAIN))
    newer = replace(facts.records["a"], exports={("a", "id"): "newer"})
    assert shown(Planning(with_record(facts, "a", newer)))["b"] == "input: a.id"


def test_nothing_below_a_failure_starts() -> None:
    planning = Planning(with_code(settled_facts(plain_graph({**CHAIN, "d": set()})), "a", "c", "d"))
    planning.start(["a"])
    planning.failed("a")
    assert shown(planning) == {"a": "code: main.tf", "b": "blocked: a", "c": "blocked: a", "d": "code: main.tf"}
    assert not planning.ready(["c"])
    planning.start(["d"])
    planning.planned("d", {}, changes=False)
    assert planning.done
    assert planning.outcome().batches == (("d",),)


def test_a_deferred_unit_exports_what_nobody_knows() -> None:
    planning = Planning(with_code(settled_facts(plain_graph(CHAIN)), "a"))
    planning.start(["a"])
    planning.deferred("a")
    assert planning.definite() == {"b"}
    assert planning.exports["a", "id"] == UNKNOWN


def test_the_removed_unit_is_first_of_all() -> None:
    planning = Planning(with_code(replace(settled_facts(plain_graph(CHAIN)), removed=True), "a"))
    assert not planning.ready(["a"])
    assert planning.ready(["removed"])
    planning.start(["removed"])
    planning.planned("removed", {}, changes=True)
    assert planning.ready(["a"])
    assert shown(planning)["removed"] == "removed"


def test_a_unit_waits_until_what_it_needs_is_settled() -> None:
    planning = Planning(with_code(settled_facts(plain_graph(CHAIN)), "a", "c"))
    assert not planning.ready(["c"])
    assert not planning.ready(["a", "c"])
    with pytest.raises(ValueError, match="cannot start now: c"):
        planning.start(["c"])
    planning.start(["a", "b", "c"])
    assert not planning.ready(["a"])
    planning.planned("c", {}, changes=False)
    planning.planned("a", {("a", "id"): digest_of("a")}, changes=False)
    planning.planned("b", {("b", "id"): digest_of("b")}, changes=False)
    assert shown(planning) == {"a": "code: main.tf", "b": "together: a", "c": "code: main.tf"}
    with pytest.raises(ValueError, match="a is planned"):
        planning.planned("a", {}, changes=False)


def test_exports_are_only_taken_of_the_unit_itself() -> None:
    planning = Planning(with_code(settled_facts(plain_graph(CHAIN)), "a"))
    planning.start(["a"])
    with pytest.raises(ValueError, match="b is no address of a"):
        planning.planned("a", {("b", "id"): "x"}, changes=False)


def test_data_sources_are_read_again_when_their_time_is_over() -> None:
    graph = plain_graph(CHAIN)
    parts = plain_parts(graph)
    parts["b"] = replace(parts["b"], data=("data.aws_ami.x",))
    facts = settled_facts(graph, parts)
    assert Planning(facts).done
    due = replace(facts, freshness=Freshness(NOW, data=timedelta(days=30)))
    assert shown(Planning(due)) == {"a": "unchanged", "b": "data: data.aws_ami.x"}
    early = replace(facts, freshness=Freshness(NOW, data=timedelta(days=31)))
    assert Planning(early).done
    ahead = with_record(facts, "b", replace(facts.records["b"], read_at=NOW + timedelta(hours=1)))  # by another's clock
    each = replace(ahead, freshness=Freshness(NOW, data=timedelta(0)))
    assert shown(Planning(each)) == {"a": "unchanged", "b": "data: data.aws_ami.x"}
    old = replace(facts, freshness=Freshness(NOW, unit=timedelta(days=7)))
    assert Planning(old).definite() == {"a", "b", "c"}


def test_data_sources_are_read_again_when_what_they_depend_on_changes() -> None:
    graph = plain_graph(CHAIN)
    parts = plain_parts(graph)
    parts["b"] = replace(parts["b"], inputs=(), data=("data.x.y",), applies=("a",))
    facts = with_code(settled_facts(graph, parts), "a")
    for changes, expected in ((False, "unchanged"), (True, "applied: a")):
        planning = Planning(facts)
        planning.start(["a"])
        planning.planned("a", {("a", "id"): "other"}, changes=changes)
        assert shown(planning)["b"] == expected
    later = with_record(settled_facts(graph, parts), "a", replace(facts.records["a"], changed_at=NOW))
    assert shown(Planning(later))["b"] == "applied: a"


def test_an_impure_unit_is_planned_with_what_its_unknown_inputs_come_from() -> None:
    graph = plain_graph(CHAIN)
    parts = plain_parts(graph)
    parts["c"] = replace(parts["c"], impure=("plantimestamp()",))
    planning = Planning(with_code(settled_facts(graph, parts), "b"))
    planning.start(["b"])
    planning.planned("b", {("b", "id"): UNKNOWN}, changes=True)
    assert planning.joins() == (frozenset({"b", "c"}),)
    dispatch = Dispatch(planning, sizes={}, price=SMALL)
    dispatch.join(planning.joins())
    assert dispatch.ready() == (("b", "c"),)
    planning.start(["b", "c"])
    planning.planned("b", {("b", "id"): UNKNOWN}, changes=True)
    planning.planned("c", {}, changes=True)
    assert planning.joins() == ()
    assert planning.outcome().batches == (("b", "c"),)


def test_coupled_units_are_taken_back_and_run_together() -> None:
    edges = {"a": set[str](), "b": {"a"}, "c": {"b"}, "d": {"c"}}
    planning = Planning(with_code(settled_facts(plain_graph(edges)), "a", "c"))
    dispatch = Dispatch(planning, sizes=dict.fromkeys(edges, 40), price=Price(0.001, 0.01, 10.0))
    assert dispatch.ready() == (("a",),)
    planning.start(["a"])
    planning.planned("a", {("a", "id"): digest_of("a")}, changes=True)
    assert dispatch.ready() == (("c",),)
    planning.start(["c"])
    planning.planned("c", {("c", "id"): digest_of("c")}, changes=True)
    assert planning.done
    dispatch.join([{"a", "c"}])
    assert dispatch.ready() == (("a", "b", "c"),)
    planning.start(["a", "b", "c"])
    for unit in "abc":
        planning.planned(unit, {(unit, "id"): digest_of(unit)}, changes=True)
    assert planning.done
    assert shown(planning) == {"a": "code: main.tf", "b": "together: a", "c": "code: main.tf", "d": "unchanged"}


def test_a_whole_run_takes_the_skipped_units_along() -> None:
    edges = {name: set[str]() for name in "abcd"}
    planning = Planning(with_code(settled_facts(plain_graph(edges)), "a", "b", "c"))
    dispatch = Dispatch(planning, sizes=dict.fromkeys(edges, 1), price=Price(10.0, 0.0, 1.0), workers=1)
    assert dispatch.whole == Reason("cheaper")
    assert dispatch.ready() == (("a", "b", "c", "d"),)
    planning.start("abcd")
    assert dispatch.ready() == ()


def test_a_skipped_unit_that_runs_along_wakes_what_was_skipped_below_it() -> None:
    edges = {**CHAIN, "d": set()}
    planning = Planning(with_code(settled_facts(plain_graph(edges)), "d"))
    assert planning.statuses["b"] is Status.SKIPPED
    planning.start(["a", "d"])
    assert planning.maybe() == {"b", "c"}
    planning.planned("d", {}, changes=True)
    planning.planned("a", {("a", "id"): "other"}, changes=False)
    assert shown(planning) == {"a": "together: d", "b": "input: a.id", "d": "code: main.tf"}


def test_a_skipped_unit_cannot_run_along_once_what_needs_it_was_started() -> None:
    edges = {**CHAIN, "d": set()}
    planning = Planning(with_code(settled_facts(plain_graph(edges)), "b", "d"))
    planning.start(["b"])
    assert not planning.ready(["a", "d"])
    planning.planned("b", {("b", "id"): digest_of("b")}, changes=False)
    assert not planning.ready(["a", "d"])
    assert planning.reopen(["a"]) == {"a", "b", "c"}
    assert planning.ready(["a", "b", "d"])


def test_deciding_two_thousand_units_takes_little_time() -> None:
    edges = {f"u{i:04d}": {f"u{i - 1:04d}", f"u{i // 2:04d}"} - {f"u{i:04d}"} if i else set() for i in range(2000)}
    graph = plain_graph(edges)
    parts = plain_parts(graph)
    of = {"schema": "1", **{f"code:modules/m/{i}.tf": "1" for i in range(30)}}
    facts = settled_facts(graph, {unit: replace(static, of=of) for unit, static in parts.items()})
    exports: dict[Place, str] = {(unit, "id"): digest_of(unit) for unit in edges}
    times = dict.fromkeys(edges, LONG_AGO.isoformat())
    start = time.process_time()
    assert not any(decide(facts, unit, exports, times).run for unit in edges)
    assert (time.process_time() - start) / len(edges) < 0.0002
    start = time.process_time()
    assert Planning(facts).done
    assert (time.process_time() - start) / len(edges) < 0.0004


@settings(max_examples=100, deadline=None)
@given(st.data(), runs())
def test_a_planning_skips_only_what_did_not_move(data: st.DataObject, facts: Facts) -> None:
    planning = plan_all(data, facts, failures=True)
    exports = planning.exports
    for unit, status in planning.statuses.items():
        above = {planning.statuses[needed] for needed in ordering.reachable(facts.upstream, [unit])}
        decision = planning.decisions[unit]
        assert decision.reasons
        assert decision.run == (status in {Status.PLANNED, Status.DEFERRED, Status.FAILED})
        if status is Status.BLOCKED:
            assert Status.FAILED in above
        if status is Status.SKIPPED:
            record = facts.records[unit]
            now = {other: facts.records[other].changed_at for other in facts.parts[unit].applies}
            times = {other: at.isoformat() for other, at in now.items() if at is not None}
            times |= dict.fromkeys(planning.outcome().changing, str(UNKNOWN))
            assert record.parts == fingerprint(facts.parts[unit], exports, times)
            assert record.slices == {unit: facts.slices.get(unit)}
            assert unit not in facts.forced
            assert Status.FAILED not in {planning.statuses[needed] for needed in facts.upstream[unit]}


def test_records_go_out_and_in() -> None:
    record = settled_facts(plain_graph(CHAIN)).records["b"]
    whole = replace(record, exports={("b", None): "h", ("b", "id"): "i"}, changed_at=None)
    assert Record.from_bytes(whole.to_bytes()) == whole
    assert Record.from_bytes(record.to_bytes()) == record
    for bad in (
        b"[]",
        b"{}",
        record.to_bytes().replace(b"+00:00", b""),
        record.to_bytes().replace(b'"parts":{', b'"parts":[{'),
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - two kinds of it
            Record.from_bytes(bad)
