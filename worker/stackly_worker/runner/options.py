"""How the engine works on one batch of a run: how long things hold, how many Terraforms run at a time."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from stackly_worker.runner import limits

if TYPE_CHECKING:
    from stackly.worker.v1 import runner_service_pb2 as messages


@dataclass(frozen=True)
class EngineOptions:
    """As the stack file says. `data` and `age` of None: what was read, what was skipped holds for ever.

    `processes` are Terraforms at a time.
    """

    data: timedelta | None = None
    age: timedelta | None = None
    processes: int = field(default_factory=lambda: limits.UNIT_PROCESSES)

    @classmethod
    def of(cls, said: "messages.UnitOptions") -> "EngineOptions":
        read = timedelta(seconds=said.data_refresh_seconds) if said.HasField("data_refresh_seconds") else None
        age = timedelta(seconds=said.max_age_seconds) if said.max_age_seconds else None
        return cls(read, age, said.max_parallel or limits.UNIT_PROCESSES)


@dataclass
class Budget:
    """One budget of `-parallelism` for all Terraforms of a run that work side by side; for one loop.

    Each gets at least 1: so it is exceeded by 1 for each that comes while others have all of it.
    """

    places: int
    processes: int
    _taken: int = 0

    def take(self, width: int) -> int:
        """The share of one more, of `width` that are about to run side by side; give it back with `give`."""
        fair = self.places // max(1, min(width, self.processes))
        share = max(1, min(fair, self.places - self._taken))
        self._taken += share
        return share

    def give(self, share: int) -> None:
        """One has ended."""
        self._taken -= share
