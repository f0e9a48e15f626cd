"""Applying as a state machine: what is applied as planned, planned again, dropped, asked for; and that nothing is left."""

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine_facts import LONG_AGO, NOW, digest_of, plain_graph, plain_parts, settled_facts, with_code, with_record
from engine_runs import plan_all, runs
from stackly_engine import ordering
from stackly_engine.applying import Applied, Applying, Left, Step
from stackly_engine.records import Place, Record
from stackly_engine.schedule import UNKNOWN, Facts, Planning

CHAIN = {"a": set[str](), "b": {"a"}, "c": {"b"}}


def apply_all(data: st.DataObject, facts: Facts, applying: Applying, *, faithful: bool) -> dict[str, Record]:
    """Drive an applying; what was known at the plan comes true when `faithful`."""
    records: dict[str, Record] = {}
    while ready := applying.ready():
        batch = data.draw(st.sampled_from(ready))
        step = applying.step(batch)
        inputs = [(place, unit) for unit in batch for place in facts.parts[unit].inputs if place[0] not in batch]
        same = all(applying.outcome.exports.get(place) == applying.exports.get(place) for place, _ in inputs)
        if step is Step.SAVED:
            assert same
            assert not applying.outcome.deferred & set(batch)
        if step is Step.DROP:
            applying.drop(batch)
            continue
        applying.start(batch)
        exports: dict[Place, str] = {}
        for unit in batch:
            planned = applying.outcome.exports.get((unit, "id"), UNKNOWN)
            free = planned == UNKNOWN or not faithful or step is not Step.SAVED
            real = digest_of(unit, data.draw(st.integers(0, 2))) if free else planned
            exports[unit, "id"] = real
        left = {unit: Left({unit: "left"}, data.draw(st.booleans()), NOW) for unit in batch}
        records |= applying.succeeded(batch, exports, left)
    return records


@settings(max_examples=100, deadline=None)
@given(st.data(), runs())
def test_after_an_apply_nothing_has_to_run(data: st.DataObject, facts: Facts) -> None:
    planning = plan_all(data, facts, failures=False)
    applying = Applying(facts, planning.outcome())
    records = apply_all(data, facts, applying, faithful=True)
    assert applying.done
    surprised = [decision.unit for decision in applying.surprises()]
    slices = {**facts.slices, **dict.fromkeys(records, "left")}
    after = replace(facts, records={**facts.records, **records}, slices=slices, forced={})
    again = Planning(after)
    ran = {unit for unit, decision in again.decisions.items() if decision.run}
    blocked = {unit for unit, status in applying.statuses.items() if status is Applied.BLOCKED}
    assert ran <= set(surprised) | blocked
    if not surprised:
        assert again.done
        assert not blocked


@settings(max_examples=60, deadline=None)
@given(st.data(), runs())
def test_a_skipped_unit_is_never_left_behind(data: st.DataObject, facts: Facts) -> None:
    """Whatever really comes out: what was skipped is unchanged, or the run says that it is not."""
    applying = Applying(facts, plan_all(data, facts, failures=False).outcome())
    apply_all(data, facts, applying, faithful=False)
    assert applying.done
    for unit, status in applying.statuses.items():
        if status in {Applied.SKIPPED, Applied.DROPPED}:
            record = facts.records[unit]
            inputs = {place: applying.exports[place] for place in facts.parts[unit].inputs}
            assert all(record.parts[f"input:{address}.id"] == value for (address, _), value in inputs.items())
        if status is Applied.SURPRISED:
            below = ordering.reachable(ordering.inverted(facts.upstream), [unit])
            assert all(applying.statuses[other] is Applied.BLOCKED for other in below)


def test_what_its_inputs_did_not_change_is_dropped_at_the_apply() -> None:
    facts = with_code(settled_facts(plain_graph(CHAIN)), "a")
    planning = Planning(facts)
    for unit in "abc":
        planning.start([unit])
        planning.planned(unit, {(unit, "id"): UNKNOWN}, changes=True)
    applying = Applying(facts, planning.outcome())
    assert applying.ready() == (("a",),)
    assert applying.step(["a"]) is Step.SAVED
    applying.start(["a"])
    left = {"a": Left({"a": "slice"}, changed=True, at=NOW)}
    records = applying.succeeded(["a"], {("a", "id"): digest_of("a")}, left)
    assert records["a"].complete
    assert records["a"].generation == 3
    assert applying.ready() == (("b",),)
    assert applying.step(["b"]) is Step.DROP
    applying.drop(["b"])
    applying.drop(["c"])
    assert applying.done


def test_unknown_inputs_are_planned_again_and_deferred_units_asked_for() -> None:
    facts = with_code(settled_facts(plain_graph(CHAIN)), "a")
    planning = Planning(facts)
    planning.start(["a"])
    planning.planned("a", {("a", "id"): UNKNOWN}, changes=True)
    planning.start(["b"])
    planning.planned("b", {("b", "id"): UNKNOWN}, changes=True)
    planning.start(["c"])
    planning.deferred("c")
    applying = Applying(facts, planning.outcome())
    assert applying.generations(["b"]) == {"a": 1, "b": 1}
    for unit, expected in (("a", Step.SAVED), ("b", Step.AGAIN), ("c", Step.ASK)):
        assert applying.step([unit]) is expected
        if unit != "c":
            applying.start([unit])
            applying.succeeded([unit], {(unit, "id"): "other"}, {unit: Left({}, changed=True, at=NOW)})


def test_a_plan_that_put_reading_off_is_never_applied() -> None:
    graph = plain_graph({"a": set(), "b": {"a"}})
    parts = plain_parts(graph)
    parts["b"] = replace(parts["b"], inputs=(), data=("data.x.y",), applies=("a",))
    facts = with_code(settled_facts(graph, parts), "a", "b")
    planning = Planning(facts)
    planning.start(["a"])
    planning.planned("a", {("a", "id"): digest_of("a")}, changes=True)
    planning.start(["b"])
    planning.planned("b", {}, changes=True)
    applying = Applying(facts, planning.outcome())
    applying.start(["a"])
    applying.succeeded(["a"], {("a", "id"): digest_of("a")}, {"a": Left({}, changed=True, at=NOW)})
    assert applying.step(["b"]) is Step.AGAIN


def test_nothing_below_a_failed_apply_starts() -> None:
    facts = with_code(settled_facts(plain_graph(CHAIN)), "a", "b", "c")
    planning = Planning(facts)
    for unit in "abc":
        planning.start([unit])
        planning.planned(unit, {(unit, "id"): UNKNOWN}, changes=True)
    applying = Applying(facts, planning.outcome())
    applying.start(["a"])
    applying.failed(["a"])
    assert applying.done
    assert applying.statuses == {"a": Applied.FAILED, "b": Applied.BLOCKED, "c": Applied.BLOCKED}
    with pytest.raises(ValueError, match="cannot start now: b"):
        applying.start(["b"])


@pytest.mark.parametrize(
    ("changed", "cleared", "expected"), [(True, False, NOW), (False, False, LONG_AGO), (False, True, NOW)]
)
def test_an_apply_that_may_have_changed_something_is_told_apart(
    changed: bool, cleared: bool, expected: datetime
) -> None:
    facts = with_code(settled_facts(plain_graph({"a": set()})), "a")
    facts = with_record(facts, "a", facts.records["a"].cleared()) if cleared else facts
    planning = Planning(facts)
    planning.start(["a"])
    planning.planned("a", {}, changes=changed)
    applying = Applying(facts, planning.outcome())
    applying.start(["a"])
    assert applying.succeeded(["a"], {}, {"a": Left({}, changed, NOW)})["a"].changed_at == expected


def test_a_caller_whose_records_move_on_changes_nothing() -> None:
    facts = with_code(settled_facts(plain_graph(CHAIN)), "a")
    records, slices = dict(facts.records), dict(facts.slices)
    facts = replace(facts, records=records, slices=slices)
    planning = Planning(facts)
    planning.start(["a"])
    planning.planned("a", {("a", "id"): digest_of("a")}, changes=True)
    applying = Applying(facts, planning.outcome())
    applying.start(["a"])
    records["a"] = records["a"].cleared()
    slices["b"] = "other"
    written = applying.succeeded(["a"], {("a", "id"): digest_of("a")}, {"a": Left({}, changed=False, at=NOW)})
    assert written["a"].generation == 3
    assert applying.done
    assert applying.surprises() == ()


def test_what_is_gone_holds_nothing_up_when_it_cannot_go() -> None:
    """Something may use it that is about to let it go: if that waited, no later run could ever go on."""
    facts = with_code(replace(settled_facts(plain_graph(CHAIN)), removed=True), "a")
    planning = Planning(facts)
    planning.start(["removed"])
    planning.planned("removed", {}, changes=True)
    planning.start(["a"])
    planning.planned("a", {("a", "id"): digest_of("a")}, changes=True)
    applying = Applying(facts, planning.outcome())
    assert applying.ready() == (("removed",),)
    applying.start(["removed"])
    applying.failed(["removed"])
    assert applying.ready() == (("a",),)
    assert applying.statuses["removed"] is Applied.FAILED
