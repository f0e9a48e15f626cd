"""Runs made up by Hypothesis: roots to which anything happened, and a planning driven as a driver does it."""

from collections.abc import Callable
from dataclasses import replace

from hypothesis import strategies as st

from engine_facts import NOW, digest_of, plain_graph, plain_parts, settled_facts, with_code, with_record
from stackly_engine import ordering
from stackly_engine.dispatching import Dispatch
from stackly_engine.pricing import Price
from stackly_engine.reasons import Reason
from stackly_engine.schedule import UNKNOWN, Facts, Planning, Status


@st.composite
def runs(draw: st.DrawFn) -> Facts:
    """A root that was applied, and then anything happened to some of its units."""
    names = [f"u{i}" for i in range(draw(st.integers(1, 8)))]
    edges = {
        name: set(draw(st.lists(st.sampled_from(names[:place]), max_size=3))) if place else set()
        for place, name in enumerate(names)
    }
    graph = plain_graph(edges)
    parts = plain_parts(graph)
    for name in names:
        if draw(st.integers(0, 3)) == 0 and edges[name]:  # reads nothing, but has a data source that waits
            waited = tuple(sorted(ordering.reachable(edges, [name])))
            parts[name] = replace(parts[name], inputs=parts[name].inputs[:1], data=("data.x.y",), applies=waited)
    facts = settled_facts(graph, parts)
    for name in names:
        facts = happened(facts, name, draw(st.integers(0, 9)))
    return facts


def happened(facts: Facts, name: str, what: int) -> Facts:
    """Something that makes a unit run, or that is not its own doing, or nothing."""
    record = facts.records[name]
    changes: dict[int, Callable[[], Facts]] = {
        0: lambda: with_code(facts, name),
        1: lambda: with_record(facts, name, None),
        2: lambda: with_record(facts, name, record.cleared()),
        3: lambda: replace(facts, slices={**facts.slices, name: "by hand"}),
        4: lambda: with_record(facts, name, replace(record, exports={(name, "id"): "newer"})),
        5: lambda: replace(facts, forced={**facts.forced, name: (Reason("forced", "replace"),)}),
        6: lambda: with_record(facts, name, replace(record, changed_at=NOW)),
    }
    return changes.get(what, lambda: facts)()


def plan_all(data: st.DataObject, facts: Facts, *, failures: bool) -> Planning:
    """Drive a planning as the driver does; each unit that runs comes out anyhow."""
    planning = Planning(facts)
    sizes = dict.fromkeys(facts.graph.units, 10)
    price = Price(data.draw(st.sampled_from([0.01, 1.0])), 0.01, 100.0)
    dispatch = Dispatch(planning, sizes=sizes, price=price, workers=2)
    flying: list[str] = []
    started: list[str] = []
    while not planning.done:
        ready = dispatch.ready()
        if ready and (not flying or data.draw(st.booleans())):
            batch = data.draw(st.sampled_from(ready))
            for unit in batch:
                for needed in facts.upstream[unit] - set(batch):
                    assert planning.statuses[needed] in {Status.PLANNED, Status.SKIPPED, Status.DEFERRED}
            planning.start(batch)
            flying += batch
            started += batch
            continue
        assert flying, "nothing to wait for, and not done"
        unit = data.draw(st.sampled_from(flying))
        flying.remove(unit)
        kind = data.draw(st.sampled_from(["same", "other", "unknown", "deferred", *(["failed"] if failures else [])]))
        if kind == "failed":
            planning.failed(unit)
        elif kind == "deferred":
            planning.deferred(unit)
        else:
            value = {"same": digest_of(unit), "other": digest_of(unit, 1), "unknown": UNKNOWN}[kind]
            planning.planned(unit, {(unit, "id"): value}, changes=data.draw(st.booleans()) or kind != "same")
    assert len(started) == len(set(started)), "a unit was started twice"
    assert not flying
    return planning
