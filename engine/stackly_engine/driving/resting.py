"""What is on record after a plan that has nothing to do: units that were looked at are as new, without an apply."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from stackly_engine import slices
from stackly_engine.addresses import top
from stackly_engine.applying import Applying, Left, Step
from stackly_engine.cutting import REMOVED
from stackly_engine.driving import state
from stackly_engine.driving.carrying import still
from stackly_engine.driving.chain import Chain, Piece
from stackly_engine.driving.known import Known
from stackly_engine.driving.ports import Planned
from stackly_engine.exports import Recorded
from stackly_engine.marks import some
from stackly_engine.readings import late_data, readings_of_plan, readings_of_state, same
from stackly_engine.reasons import IMPURE, TOGETHER
from stackly_engine.records import Record


def resting(known: Known, chain: Chain, at: datetime) -> tuple[dict[str, Record], Recorded]:
    """Records and exports of the planned units of which an apply would leave state and exports as they are.

    Not of units that are looked at by each run whatever is on record: those would be written each time, for nothing.
    """
    applying = Applying(known.facts, chain.outcome)
    pieces = {tuple(sorted(piece.units)): piece for piece in chain.pieces}
    records: dict[str, Record] = {}
    exports: Recorded = {}
    while ready := applying.ready():
        for units in ready:
            if applying.step(units) is Step.DROP:
                applying.drop(units)
                continue
            piece, as_planned = pieces[units], applying.step(units) is Step.SAVED
            applying.start(units)
            if not as_planned or not _rests(piece):
                applying.failed(units)
                continue
            left = {unit: Left(_digests(known, unit), False, at) for unit in units}
            found = applying.succeeded(units, known.all_hashes(piece.exports), left)
            records |= {unit: record for unit, record in found.items() if _gains(chain, unit)}
            exports |= piece.exports
    return records, exports


def _rests(piece: Piece) -> bool:
    plan = piece.planned
    if plan is None or piece.stands_in or REMOVED in piece.units or not still(plan.document, plan.cut):
        return False
    if any(some(export.unknown) for named in piece.exports.values() for export in named.values()):
        return False
    return _as_read(plan)


def _as_read(plan: Planned) -> bool:
    """Whether its data sources read what the state has of them, all of that and nothing else."""
    copied = plan.cut.copied
    kept, read = (
        _own(readings_of_state(slices.parse(plan.job.state)), copied),
        _own(readings_of_plan(plan.document), copied),
    )
    if late_data(plan.document) or kept.keys() != read.keys():
        return False
    return all(same(value, read[address]) for address, value in kept.items())


def _own(readings: Mapping[str, Any], copied: Collection[str]) -> dict[str, Any]:
    return {address: value for address, value in readings.items() if top(address) not in copied}


def _gains(chain: Chain, unit: str) -> bool:
    """Whether it has a reason that being on record takes away."""
    return any(reason.code not in {IMPURE, TOGETHER} for reason in chain.outcome.decisions[unit].reasons)


def _digests(known: Known, unit: str) -> dict[str, str]:
    tops = state.tops(known, (unit,))
    return {address: known.slices[address] for address in sorted(tops) if address in known.slices}
