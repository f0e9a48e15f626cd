"""What a batch reads of units outside of it: is that what was approved? With values where they are known, else by hashes. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from stackly_engine.coverage import Finding
from stackly_engine.deciding import UNKNOWN
from stackly_engine.export_refinement import refines
from stackly_engine.exports import Export, Exports, part_of
from stackly_engine.parts import value_at
from stackly_engine.projected_chain import ProjectedChain
from stackly_engine.records import Place, name_of

OTHERWISE = "this batch reads it, and it came out otherwise than was approved"
UNTOLD = "this batch reads it, and it was not told how that came out"


def unrefined(approved: Exports, real: Exports, places: Iterable[Place]) -> tuple[Finding, ...]:
    """Which of the places did not come out as approved: known then and equal, or unknown then and of its type and marks."""
    found = (place for place in places if not _refines(_at(approved, place), _at(real, place)))
    return tuple(Finding(name_of(place), "", OTHERWISE) for place in found)


def unrefined_in_chain(
    approved: ProjectedChain, units: Collection[str], reads: Mapping[Place, str]
) -> tuple[Finding, ...]:
    """The same by keyed hashes: `reads` says what units of an approved batch read now. An export that was known is equal.

    Less strict than `unrefined`: of what was unknown in part nothing is asked. What the units read by the approved plan,
    and is none of their own, must be told.
    """
    exports = {(address, name): hashed for address, name, hashed in approved.document["exports"]}
    other = (
        name_of(place) for place, hashed in reads.items() if value_at(exports, place) not in {str(UNKNOWN), hashed}
    )
    untold = _read(approved, units) - {name_of(place) for place in reads}
    return (
        *(Finding(name, "", OTHERWISE) for name in sorted(other)),
        *(Finding(name, "", UNTOLD) for name in sorted(untold)),
    )


def _at(exports: Exports, place: Place) -> Export | None:
    """Where a part cannot be told from the rest, all of it counts."""
    return part_of(exports, place) or exports.get(place[0], {}).get(None)


def _refines(approved: Export | None, real: Export | None) -> bool:
    if approved is None or real is None:
        return approved is real
    return refines(approved, real)


def _read(approved: ProjectedChain, units: Collection[str]) -> set[str]:
    """Names of what these units read of others."""
    mine = [one for one in approved.units if one.unit in units]
    return set(_each(one.inputs for one in mine)) - set(_each(one.outputs for one in mine))


def _each(names: Iterable[Iterable[str]]) -> Iterator[str]:
    for some in names:
        yield from some
