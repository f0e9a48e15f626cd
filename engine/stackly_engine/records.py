"""What is kept of a unit's last apply: one row, one compare-and-set on its generation."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

# A real address and an attribute of it; None: the whole object.
Place = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Record:
    """The last apply of a unit.

    `parts` is its whole fingerprint, part name to digest, and empty when an apply started and has not succeeded.
    `slices` maps top-level addresses to the digest of the slice that the apply left; `exports` places to keyed hashes.
    `applies` counts the applies that changed a managed resource. `generation` grows with every write of the row.
    `applied_at` is when the last successful apply ended, `read_at` when the real world was last read; both aware.
    """

    parts: Mapping[str, str]
    slices: Mapping[str, str]
    exports: Mapping[Place, str]
    applied_at: datetime
    read_at: datetime
    generation: int = 0
    applies: int = 0
    details: Mapping[str, str] = field(default_factory=dict)

    def cleared(self) -> "Record":
        """The row to write before an apply starts, or when drift is found: it will not be skipped again as it is."""
        return replace(self, parts={}, generation=self.generation + 1)

    def to_bytes(self) -> bytes:
        raise NotImplementedError

    @classmethod
    def from_bytes(cls, data: bytes) -> "Record":
        """The record that `to_bytes` wrote; FormatError for anything else."""
        raise NotImplementedError
