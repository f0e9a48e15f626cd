"""A planned chain as what may leave the worker."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from stackly_engine import exact, plans
from stackly_engine.driving.chain import Chain
from stackly_engine.driving.known import Known
from stackly_engine.driving.ports import Planned
from stackly_engine.graph import top
from stackly_engine.parts import value_at
from stackly_engine.projected_chain import PlannedUnit, ProjectedChain, project_chain
from stackly_engine.records import Place, name_of
from stackly_engine.schedule import UNKNOWN


def secrets_of(chain: Chain) -> set[str]:
    """The text of every value that a plan of the chain marks as sensitive."""
    return {text for plan in _plans(chain) for text in plans.sensitive_values(exact.dumps(plan.document))}


def projected_chain(
    known: Known,
    chain: Chain,
    secrets: Collection[str] = (),
    *,
    providers: Mapping[str, str] | None = None,
    identity: str = "",
) -> ProjectedChain:
    """The chain without its secrets: `secrets` of the run are masked wherever they show, and those of every batch.

    Only of a chain whose every unit was planned, skipped or deferred: FormatError for another.
    """
    hidden = {*secrets, *secrets_of(chain)}
    found = list(_plans(chain))
    batches = [
        (plan.job.units, plans.project(exact.dumps(plan.document), known.key, hidden, generated=plan.cut.prefix))
        for plan in found
    ]
    changes = ((units, change["address"]) for units, plan in batches for change in plan.resource_changes)
    owners = {address: _owner(known, units, address) for units, address in changes}
    return project_chain(
        _units(known, chain, found),
        batches,
        owners,
        exports=_consumed(chain, found),
        providers=providers,
        identity=identity,
    )


def _plans(chain: Chain) -> Iterator[Planned]:
    return (piece.planned for piece in chain.pieces if piece.planned is not None)


def _units(known: Known, chain: Chain, found: Iterable[Planned]) -> Iterator[PlannedUnit]:
    at = {unit: number for number, plan in enumerate(found, start=1) for unit in plan.job.units}
    upstream = known.facts.upstream
    for unit, decision in chain.outcome.decisions.items():
        reasons = tuple(str(reason) for reason in decision.reasons)
        run = decision.run or unit in at  # it may ride along in the batch of others
        deferred = unit in chain.outcome.deferred
        yield PlannedUnit(
            unit, run, (*reasons, *_waits(known, chain, unit)) if deferred else reasons, at.get(unit), deferred,
            tuple(upstream[unit]), tuple(map(name_of, _read(known, unit))), tuple(map(name_of, _given(known, unit))),
        )  # fmt: skip


def _read(known: Known, unit: str) -> Iterable[Place]:
    return known.parts[unit].inputs if unit in known.parts else ()


def _given(known: Known, unit: str) -> Iterator[Place]:
    exports, units = known.graph.exports, known.graph.units
    for member in units[unit].members if unit in units else ():
        yield from ((member, name) for name in exports.get(member, ()))


def _waits(known: Known, chain: Chain, unit: str) -> Iterator[str]:
    """What a deferred unit waits for."""
    unknown = [place for place in _read(known, unit) if value_at(chain.outcome.exports, place) == UNKNOWN]
    yield from (f"deferred: {name_of(place)} is known after apply" for place in unknown)
    if not unknown:
        changing = sorted(set(known.facts.upstream[unit]) & chain.outcome.changing)
        yield f"deferred: after the apply of {', '.join(changing) or 'what it needs'}"


def _owner(known: Known, units: Collection[str], address: str) -> str:
    """The unit of a change: by the code, else by where the run takes what is gone from the code."""
    owner = known.graph.owner_of(address) or known.routes.slices.get(top(address))
    return owner if owner is not None and owner in units else min(units)


def _consumed(chain: Chain, found: Iterable[Planned]) -> dict[Place, str]:
    """Hashes of what batches read of units outside of them, recorded or planned."""
    read = frozenset(address for plan in found for address in plan.cut.external)
    return {place: str(hashed) for place, hashed in chain.outcome.exports.items() if place[0] in read}
