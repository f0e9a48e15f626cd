"""What is kept of a unit's last apply: one row, one compare-and-set on its generation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from stackly_engine import exact
from stackly_engine.exact import FormatError

# A real address and an attribute of it; None: the whole object.
Place = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Record:
    """The last apply of a unit.

    `parts` is its whole fingerprint, part name to digest, and empty when an apply started and has not succeeded.
    `slices` maps top-level addresses to the digest of the slice that the apply left; `exports` places to keyed hashes.
    `applied_at` is when the last successful apply ended, `read_at` when the real world was last read; both with a zone.
    `changed_at` is when an apply last changed a managed resource of it; None while that is not known. `generation` grows
    with every write of the row.
    """

    parts: Mapping[str, str]
    slices: Mapping[str, str]
    exports: Mapping[Place, str]
    applied_at: datetime
    read_at: datetime
    changed_at: datetime | None = None
    generation: int = 0

    @property
    def complete(self) -> bool:
        """Whether the last apply succeeded and nothing was found since that makes it worthless."""
        return bool(self.parts)

    def holds(self, place: Place) -> bool:
        """Whether an attribute was recorded, by itself or within the whole object."""
        return place in self.exports or (place[0], None) in self.exports

    def cleared(self) -> "Record":
        """The row to write before an apply starts, or when drift is found: it will not be skipped again as it is."""
        return replace(self, parts={}, changed_at=None, generation=self.generation + 1)

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return exact.dumps(
            {
                "parts": dict(self.parts),
                "slices": dict(self.slices),
                "exports": sorted(([*place, digest] for place, digest in self.exports.items()), key=_order),
                "applied_at": self.applied_at.isoformat(),
                "read_at": self.read_at.isoformat(),
                "changed_at": self.changed_at.isoformat() if self.changed_at is not None else None,
                "generation": self.generation,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "Record":
        """The record that `to_bytes` wrote; FormatError for anything else."""
        document = exact.loads(data)
        try:
            return cls(
                parts=_texts(document["parts"]),
                slices=_texts(document["slices"]),
                exports={_place(address, attribute): str(digest) for address, attribute, digest in document["exports"]},
                applied_at=_time(document["applied_at"]),
                read_at=_time(document["read_at"]),
                changed_at=_time(document["changed_at"]) if document["changed_at"] is not None else None,
                generation=int(document["generation"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            raise FormatError("this is no record of a unit") from None


def name_of(place: Place) -> str:
    """How a place is shown: `module.vpc.id`, `module.vpc` for the whole object."""
    address, attribute = place
    return address if attribute is None else f"{address}.{attribute}"


def _order(row: list[str | None]) -> list[str]:
    return [cell or "" for cell in row]


def _texts(document: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(digest) for name, digest in document.items()}


def _place(address: str, attribute: str | None) -> Place:
    return address, attribute


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time without a zone")
    return time
