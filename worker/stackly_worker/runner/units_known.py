"""All that a run of units is made from: code, state, what is kept of the last applies; as the engine takes it."""

import hmac
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from stackly_engine import exact, slices
from stackly_engine.cheaper import cheaper
from stackly_engine.driving import state
from stackly_engine.driving.forcing import forced
from stackly_engine.driving.known import Known
from stackly_engine.driving.ports import Hands
from stackly_engine.exports import Recorded, from_document, to_document
from stackly_engine.fingerprints import BUILTIN, Context, Parts, all_parts
from stackly_engine.graph import Graph, build
from stackly_engine.marks import some
from stackly_engine.moves import replaced, routes
from stackly_engine.pricing import assumed, measured
from stackly_engine.records import Record
from stackly_engine.schedule import Freshness
from stackly_worker.runner.options import EngineOptions
from stackly_worker.runner.place import write_atomically
from stackly_worker.runner.ports import UnitRow
from stackly_worker.runner.units_source import UnitSource, keyed_variables

APART = False  # every unit in a batch of its own, whatever that costs; for tests, whose roots are small


@dataclass(frozen=True)
class Given:
    """What the run says: engine (`terraform 1.11.4`), key of hashes, variables, declared environment, instances to replace.

    `notes` is a folder that remembers hashes of providers. `costs` are resources and seconds of batches of earlier runs.
    """

    engine: str
    key: bytes
    variables: Mapping[str, Any]
    environment: Mapping[str, str]
    notes: Path
    replace: tuple[str, ...] = ()
    options: EngineOptions = field(default_factory=EngineOptions)
    costs: tuple[tuple[int, float], ...] = ()


def read(
    source: UnitSource,
    given: Given,
    document: dict[str, Any],
    rows: Iterable[UnitRow],
    hands: Hands,
    now: datetime,
    digests: Mapping[str, str] | None = None,
) -> Known:
    """Everything, at `now`; the configuration must have no reason to run whole.

    `digests` are those of the slices by top-level address, of a document that is an outline.
    """
    graph = build(source.configuration)
    found = routes(graph, document)
    kept = tuple(rows)
    instances = replaced(graph, document, given.replace)
    facts = context(source, given)
    return Known(
        hands=hands, graph=graph, parts=all_parts(graph, facts), key=given.key, routes=found,
        freshness=Freshness(now, given.options.data, given.options.age),
        price=measured(given.costs, assumed(facts.packages)), workers=given.options.processes, document=document,
        slices=state.digests(document) if digests is None else dict(digests), records=_records(kept),
        exports=exports_of(graph, kept),
        forced=forced(graph, document, found, instances), replace=instances,
        apart=APART,
    )  # fmt: skip


def whole_reasons(source: UnitSource, known: Known | None = None) -> tuple[str, ...]:
    """Why the root cannot be cut, in words; the second time with what is known of its state."""
    found = [_said(one.code, one.detail, one.file, one.line) for one in source.configuration.whole]
    if known is not None:
        found += [_said(one.code, one.detail, one.file, one.line) for one in known.routes.whole]
    return tuple(dict.fromkeys(found))


def cheaper_whole(source: UnitSource) -> tuple[str, ...]:
    """Why the root is better planned whole, in words; asked before anything else is read."""
    return tuple(_said(one.code, one.detail, one.file, one.line) for one in cheaper(source.configuration))


def context(source: UnitSource, given: Given) -> Context:
    """What counts for every unit; secret things as keyed hashes."""
    values = keyed_variables(source, given.variables)
    seen = {"environment": dict(given.environment), "root": str(source.root) if source.sees_its_place else ""}
    return Context(
        version=given.engine,
        environment=_keyed(given.key, exact.dumps(seen)),
        source=source.digest,
        variables={name: _keyed(given.key, name.encode() + b"\0" + value) for name, value in values.items()},
        packages={BUILTIN: given.engine, **dict(_packages(source.data, given.notes))},
        trees=source.trees,
        beside=True,
    )


def parts_digest(parts: Mapping[str, Parts]) -> str:
    """Over all static parts: equal when plan and apply saw the same code, variables, engine, providers, environment."""
    listed = {
        unit: [dict(one.of), sorted(map(str, one.inputs)), one.applies, one.impure] for unit, one in parts.items()
    }
    return sha256(exact.dumps(listed)).hexdigest()


def generations(rows: Iterable[UnitRow]) -> dict[str, int]:
    return {row.unit: row.generation for row in rows}


def exports_of(graph: Graph, rows: Iterable[UnitRow]) -> Recorded:
    """What units exported when they were last applied; of an address only what its unit of today kept."""
    found: Recorded = {}
    for row in rows:
        if row.exports:
            for address, named in from_document(exact.loads(row.exports)).items():
                if graph.owner.get(address) == row.unit:
                    found[address] = named
    return found


def secrets_in(exports: Recorded) -> set[str]:
    """The text of every exported value of which a part is sensitive."""
    hidden = (export.value for named in exports.values() for export in named.values() if some(export.sensitive))
    return {text for value in hidden for text in slices.leaves(value)}


def rows_of(
    graph: Graph, records: Mapping[str, Record], exports: Recorded, before: Mapping[str, int]
) -> tuple[UnitRow, ...]:
    """What is to be kept; `before` has the generations that were found before the apply cleared these units."""
    return tuple(
        UnitRow(
            unit, before.get(unit, 0) + 2, _numbered(record, before.get(unit, 0) + 2), _exports(graph, unit, exports)
        )
        for unit, record in sorted(records.items())
    )


def _numbered(record: Record, generation: int) -> bytes:
    return replace(record, generation=generation).to_bytes()


def _exports(graph: Graph, unit: str, exports: Recorded) -> bytes:
    members = graph.units[unit].members
    return exact.dumps(to_document({address: exports[address] for address in members if address in exports}))


def _records(rows: Iterable[UnitRow]) -> dict[str, Record]:
    return {row.unit: Record.from_bytes(row.record) for row in rows if row.record}


def _said(code: str, detail: str, file: str, line: int) -> str:
    place = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
    return f"{code}: {place}{detail}"


def _keyed(key: bytes, data: bytes) -> str:
    return hmac.new(key, data, sha256).hexdigest()


def _packages(data: Path, notes: Path) -> Iterator[tuple[str, str]]:
    """Provider address → hash of what is installed: version, platform, every file."""
    providers = data / "providers"
    for package in sorted(providers.glob("*/*/*/*/*")) if providers.is_dir() else ():
        host, namespace, name = package.relative_to(providers).parts[:3]
        yield f"{host}/{namespace}/{name}", _package(package, str(package.relative_to(providers)), notes)


def _package(package: Path, title: str, notes: Path) -> str:
    """Large, so a hash is remembered by path, size and time of each file."""
    files = sorted(path for path in package.resolve().rglob("*") if path.is_file())
    facts = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    note = notes / f"provider-{sha256(json.dumps([title, facts]).encode()).hexdigest()[:32]}"
    if note.exists():
        return note.read_text(encoding="utf-8")
    whole = sha256(title.encode())
    for path in files:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                whole.update(piece)
        whole.update(os.fsencode(path.name) + b"\0")
    notes.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(note, whole.hexdigest().encode())
    return whole.hexdigest()


def now() -> datetime:
    return datetime.now(UTC)
