"""The steps of a run: its tasks, and within each those of its units. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from stackly_server.runs.model import BatchRow, BatchStatus, Phase
from stackly_server.runs.unit_batches import UnitBatch, UnitStatus

Units = Mapping[int, Mapping[str, Mapping[str, Any]]]  # by plan number and unit: documents of PlanUnit


@dataclass(frozen=True, slots=True)
class Step:
    """A task (`unit` is empty), or a unit within it; `name` is the last part of its resource name."""

    name: str
    phase: Phase
    status: str
    plan_number: int
    batch: str
    worker_id: UUID | None
    started_at: datetime | None
    finished_at: datetime | None
    slices: tuple[str, ...] = ()
    unit: str = ""
    reasons: tuple[str, ...] = ()


def steps_of(tasks: Iterable[BatchRow], batches: Sequence[UnitBatch], units: Units) -> Iterator[Step]:
    """In order: each task, and after it its units as they began. Of a unit that was planned twice the last time counts."""
    for task in tasks:
        yield Step(
            task.step, task.phase, task.status.value, task.plan_number, task.batch, task.worker_id, task.started_at,
            task.finished_at, task.slices,
        )  # fmt: skip
        for unit, batch in _last(task, batches).items():
            yield _unit_step(task, unit, batch, units.get(task.plan_number, {}).get(unit, {}))


def ended(task: BatchRow, batch: UnitBatch) -> tuple[str, datetime | None]:
    """Status and end of a batch of units. One that nobody works on any more, as its task went on without it, ended with it."""
    alive = task.status is BatchStatus.RUNNING and task.epoch == batch.epoch
    if batch.status is not UnitStatus.RUNNING or alive:
        return batch.status.value, batch.finished_at
    stopped = task.status is BatchStatus.CANCELED
    return (UnitStatus.CANCELED if stopped else UnitStatus.FAILED).value, task.finished_at


def _last(task: BatchRow, batches: Iterable[UnitBatch]) -> dict[str, UnitBatch]:
    """The last batch of each unit in a task, in the order in which these began."""
    found: dict[str, UnitBatch] = {}
    for batch in batches:
        if (batch.plan_number, batch.phase) == (task.plan_number, task.phase):
            for unit in batch.units:
                found.pop(unit, None)
                found[unit] = batch
    return found


def _unit_step(task: BatchRow, unit: str, batch: UnitBatch, planned: Mapping[str, Any]) -> Step:
    status, finished_at = ended(task, batch)
    return Step(
        f"{task.phase.value.lower()}-{task.plan_number}-{unit}", task.phase, status, task.plan_number,
        str(planned.get("batch") or ""), batch.worker_id, batch.started_at, finished_at, (), unit,
        tuple(planned.get("reasons", ())),
    )  # fmt: skip
