"""What a run needs of the world: Terraform on one batch, and a memory; implemented by the command and by the runner."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from stackly_engine.cutting import Cut
from stackly_engine.exports import Recorded
from stackly_engine.records import Place, Record


class StoppedError(Exception):
    """The run is being stopped, and this would have been new work."""


@dataclass(frozen=True)
class Share:
    """What of the stack's state a batch may write: enough to take its state in when nothing else is known any more.

    `copied` are data sources of other units that the batch read for itself: what it wrote of them is dropped.
    """

    tops: frozenset[str]
    outputs: bool
    prefix: str
    copied: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Job:
    """What to plan: the cut root, its part of the state, its variables' names, instances to replace.

    `width` is how many batches run side by side: they share one budget of parallelism. `reads` are keyed hashes of what a batch
    that is planned again reads of others.
    """

    units: tuple[str, ...]
    cut: Cut
    state: bytes
    declared: Collection[str]
    share: Share
    replace: Sequence[str] = ()
    width: int = 1
    reads: Mapping[Place, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Planned:
    """A batch's plan: `document` is that of `show -json`, `data` the plan file. On failure both are empty, `error` is not."""

    job: Job
    document: Mapping[str, Any]
    data: bytes
    error: str = ""
    place: Any = None

    @property
    def cut(self) -> Cut:
        return self.job.cut


@dataclass(frozen=True)
class Outcome:
    """The end of an apply: what Terraform said, and the state it left, None when it wrote none."""

    good: bool
    output: str
    state: dict[str, Any] | None


class Hands(Protocol):
    """All that a run does to the world. `plan` and `apply` are called from several threads, the rest from one."""

    @property
    def stopping(self) -> bool:
        """Whether nothing new may be started."""

    def plan(self, job: Job) -> Planned:
        """Plan a batch; an error of Terraform is told in the result."""

    def apply(self, planned: Planned, width: int) -> Outcome:
        """Apply a saved plan. Before Terraform starts, the records of its units are gone and a journal knows of it."""

    def keep(self, document: Mapping[str, Any]) -> None:
        """The stack's whole state; durable when this returns."""

    def learn(self, records: Mapping[str, Record], exports: Recorded) -> None:
        """Records and exports of units that were applied; durable when this returns."""

    def discard(self, planned: Planned) -> None:
        """Nothing of this plan is needed any more: what its apply left, if anything, was kept."""
