"""Units written down by their edges: graphs without code, records of applied units, facts to decide from."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from stackly_engine.configuration import Configuration
from stackly_engine.deciding import Facts, Freshness
from stackly_engine.edges import Edges
from stackly_engine.graph import Graph, Unit
from stackly_engine.parts import Parts, fingerprint
from stackly_engine.records import Place, Record
from stackly_engine.source import Module

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=30)


def plain_graph(upstream: Mapping[str, Collection[str]]) -> Graph:
    """Each unit `u` has one member of the same name, which exports `id` to whatever needs it."""
    nothing = Configuration(Module({}, {}, ()), {}, {}, ())
    used = {needed for units in upstream.values() for needed in units}
    return Graph(
        nothing,
        {unit: Unit(unit, (unit,)) for unit in upstream},
        {unit: frozenset(needed) for unit, needed in upstream.items()},
        {unit: unit for unit in upstream},
        {unit: frozenset({"id"}) for unit in sorted(used)},
        {unit: frozenset(needed) for unit, needed in upstream.items()},
        Edges({}, {}, {}, {}),
    )


def plain_parts(graph: Graph, **changes: Any) -> dict[str, Parts]:
    """Every unit reads the id of all that it needs."""
    return {
        unit: replace(
            Parts({"schema": "1", "code:main.tf": "1"}, inputs=tuple((other, "id") for other in sorted(needed))),
            **changes,
        )
        for unit, needed in graph.upstream.items()
    }


def digest_of(unit: str, version: int = 0) -> str:
    return f"{unit}@{version}"


def settled_facts(graph: Graph, parts: Mapping[str, Parts] | None = None, **changes: Any) -> Facts:
    """Every unit was applied as it is now: nothing has to run."""
    parts = parts if parts is not None else plain_parts(graph)
    exports: dict[Place, str] = {(unit, "id"): digest_of(unit) for unit in graph.units}
    times = dict.fromkeys(graph.units, LONG_AGO.isoformat())
    records = {
        unit: Record(
            parts=fingerprint(parts[unit], exports, times),
            slices={unit: "slice"},
            exports={(unit, "id"): digest_of(unit)},
            applied_at=LONG_AGO,
            read_at=LONG_AGO,
            changed_at=LONG_AGO,
            generation=1,
        )
        for unit in graph.units
    }
    return replace(Facts(graph, parts, records, dict.fromkeys(graph.units, "slice"), Freshness(NOW)), **changes)


def with_record(facts: Facts, unit: str, record: Record | None) -> Facts:
    records = {name: found for name, found in facts.records.items() if name != unit}
    return replace(facts, records=records | ({unit: record} if record is not None else {}))


def with_code(facts: Facts, *units: str) -> Facts:
    """The code of these units is another one now."""
    other = {"schema": "1", "code:main.tf": "2"}
    return replace(facts, parts={**facts.parts, **{unit: replace(facts.parts[unit], of=other) for unit in units}})
