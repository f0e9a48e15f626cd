"""The order of a cloud's operations: what was complete before what began, among things that know each other."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from provider.cloud import Entry

_CHANGES = ("create", "update", "delete")


@dataclass(frozen=True, order=True)
class Operation:
    """The n-th operation of its kind on things of that name."""

    operation: str
    name: str
    number: int
    good: bool

    def __str__(self) -> str:
        return f"{self.operation} {self.name}{'' if self.good else ' refused'}"


def operations(ledger: Collection[Entry]) -> dict[Operation, Entry]:
    """What changed the cloud."""
    found: dict[Operation, Entry] = {}
    for entry in ledger:
        if entry.operation in _CHANGES:
            number = sum(one.operation == entry.operation and one.name == entry.name for one in found)
            found[Operation(entry.operation, entry.name, number, entry.good)] = entry
    return found


def pairs(
    found: Mapping[Operation, Entry], related: Collection[frozenset[str]]
) -> frozenset[tuple[Operation, Operation]]:
    """(first, second): first was complete before second began, and their things depend on each other or are one."""
    result = set()
    for one, other in combinations(sorted(found), 2):
        if one.name == other.name or frozenset({one.name, other.name}) in related:
            for first, second in ((one, other), (other, one)):
                if found[first].ended <= found[second].began:
                    result.add((first, second))
    return frozenset(result)


def out_of_order(
    theirs: Collection[Entry], ours: Collection[Entry], related: Collection[frozenset[str]]
) -> Iterator[str]:
    """Orders of the whole run that the other did not keep; and operations that only one of them had."""
    whole, units = operations(theirs), operations(ours)
    for one in sorted(whole.keys() ^ units.keys()):
        yield f"operation: {one} only {'of the whole run' if one in whole else 'by units'}"
    kept = pairs(units, related)
    for first, second in sorted(pairs(whole, related)):
        if first in units and second in units and (first, second) not in kept:
            yield f"order: {first} before {second} in the whole run, not by units"
