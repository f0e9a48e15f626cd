"""A planned chain as bytes, from its plan to its apply on any worker; a secret as a whole."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from stackly_engine import exact
from stackly_engine.cutting import cut
from stackly_engine.driving import state
from stackly_engine.driving.chain import Chain, Piece
from stackly_engine.driving.known import Known
from stackly_engine.driving.pending import changed_resources, pending
from stackly_engine.driving.ports import Job, Planned
from stackly_engine.exports import Recorded, planned, unknown_of
from stackly_engine.reasons import Reason
from stackly_engine.schedule import UNKNOWN, Decision, Outcome
from stackly_worker.runner.ports import BundleError

MAGIC = b"stackly units 1\n"  # a saved plan of Terraform is a zip, and never begins so


@dataclass(frozen=True)
class PlannedOn:
    """What the plan was made from; all of it must be so at the apply. `at` decides what was too old to be skipped.

    `lineage` is that of the state; of the first one, when `serial` is None. `parts` is `units_known.parts_digest`.
    """

    at: datetime
    lineage: str
    serial: int | None
    state_sha256: str
    parts: str
    generations: Mapping[str, int]


@dataclass(frozen=True)
class ChainBundle:
    """A chain without what can be made again from what it was planned on."""

    on: PlannedOn
    outcome: Outcome
    pieces: tuple[
        tuple[tuple[str, ...], bytes, bytes, bool], ...
    ]  # units, plan file, plan document, preview; empty: deferred

    @classmethod
    def of(cls, on: PlannedOn, chain: Chain) -> "ChainBundle":
        return cls(on, chain.outcome, tuple(map(_packed, chain.pieces)))

    def pack(self) -> bytes:
        blobs = [blob for _, plan, document, _ in self.pieces for blob in (plan, zlib.compress(document, 1))]
        head = {
            "on": _on(self.on), "outcome": _outcome(self.outcome),
            "pieces": [[units, preview] for units, _, _, preview in self.pieces], "sizes": [len(blob) for blob in blobs],
        }  # fmt: skip
        return MAGIC + exact.dumps(head) + b"\n" + b"".join(blobs)

    @classmethod
    def unpack(cls, data: bytes) -> "ChainBundle":
        head_line, _, body = data.removeprefix(MAGIC).partition(b"\n")
        try:
            head, at, blobs = exact.loads(head_line), 0, []
            for size in head["sizes"]:
                blobs.append(body[at : at + size])
                at += size
            pieces = tuple(
                (tuple(units), blobs[2 * number], zlib.decompress(blobs[2 * number + 1]), bool(preview))
                for number, (units, preview) in enumerate(head["pieces"])
            )
            return cls(_read_on(head["on"]), _read_outcome(head["outcome"]), pieces)
        except (KeyError, TypeError, ValueError, IndexError, zlib.error):
            raise BundleError("this is no planned chain") from None

    def chain(self, known: Known) -> Chain:
        """The chain again, on what it was planned on: the same cuts, the same parts of the state."""
        known.require(state.tops(known, {unit for units, *_ in self.pieces for unit in units}))
        exports: Recorded = dict(known.exports)
        moved: set[str] = set()
        pieces = []
        for units, data, document, preview in self.pieces:
            piece = _piece(known, units, (data, document, preview), exports, moved)
            pieces.append(piece)
            exports.update(piece.exports)
            if piece.planned is not None:
                moved |= changed_resources(piece.document, piece.planned.cut.prefix)
        return Chain(tuple(pieces), self.outcome, {})


def _packed(piece: Piece) -> tuple[tuple[str, ...], bytes, bytes, bool]:
    plan = piece.planned
    if plan is None:
        return piece.units, b"", b"", False
    return piece.units, plan.data, exact.dumps(plan.document), plan.cut.preview


def _piece(
    known: Known, units: tuple[str, ...], found: tuple[bytes, bytes, bool], exports: Recorded, moved: set[str]
) -> Piece:
    data, document, preview = found
    if not data:
        return Piece(units, unknown_of(known.graph, units))
    made = cut(known.graph, units, exports, pending=pending(known.graph, moved))
    made = replace(made, preview=made.preview or preview)
    replaced = tuple(sorted(address for unit in units for address in known.replace.get(unit, ())))
    job = Job(
        units, made, state.part(known, units), state.declared(known.graph, units), state.share(known, units), replaced
    )
    plan = Planned(job, exact.loads(document), data)
    return Piece(units, planned(known.graph, units, data, known.exports), plan)


def _on(on: PlannedOn) -> dict[str, Any]:
    return {
        "at": on.at.isoformat(), "lineage": on.lineage, "serial": on.serial, "state": on.state_sha256, "parts": on.parts,
        "generations": dict(on.generations),
    }  # fmt: skip


def _read_on(document: Mapping[str, Any]) -> PlannedOn:
    return PlannedOn(
        datetime.fromisoformat(document["at"]), document["lineage"], document["serial"], document["state"],
        document["parts"], document["generations"],
    )  # fmt: skip


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "decisions": [
            [one.unit, one.run, [[reason.code, reason.detail] for reason in one.reasons]]
            for one in outcome.decisions.values()
        ],
        "batches": outcome.batches,
        "exports": [[*place, str(hashed)] for place, hashed in outcome.exports.items()],
        "changing": sorted(outcome.changing),
        "deferred": sorted(outcome.deferred),
    }


def _read_outcome(document: Mapping[str, Any]) -> Outcome:
    return Outcome(
        {
            unit: Decision(unit, run, tuple(Reason(code, detail) for code, detail in reasons))
            for unit, run, reasons in document["decisions"]
        },
        tuple(tuple(batch) for batch in document["batches"]),
        {(address, name): UNKNOWN if hashed == UNKNOWN else hashed for address, name, hashed in document["exports"]},
        frozenset(document["changing"]),
        frozenset(document["deferred"]),
    )
