"""Where each unit of a plan is: what was decided, what its plan changes, how its apply goes. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stackly_server.runs.graphing import ROOT, Activity, Edges, needs_of
from stackly_server.runs.model import BatchRow, BatchStatus, Phase, Plan
from stackly_server.runs.steps import ended
from stackly_server.runs.unit_batches import UnitBatch

Counted = Iterable[tuple[str, tuple[str, ...], bool, int]]  # unit, actions, whether it is an import, how many

_COUNTS: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("create",): ("add",), ("update",): ("change",), ("delete",): ("destroy",), ("forget",): ("forget",),
    ("delete", "create"): ("add", "destroy", "replace"), ("create", "delete"): ("add", "destroy", "replace"),
}  # fmt: skip
_APPLIES = {
    "RUNNING": "RUNNING", "FAILED": "FAILED", "CANCELED": "CANCELED", "SKIPPED": "SKIPPED", "DEFERRED": "DEFERRED",
}  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """All that is kept of a run's plan and what came of it; `seconds` is what the last plan of skipped units took."""

    plan: Plan
    tasks: Sequence[BatchRow]
    batches: Sequence[UnitBatch]
    counted: Sequence[tuple[str, tuple[str, ...], bool, int]]
    seconds: Mapping[str, float]

    @property
    def needs(self) -> Edges:
        """What each activity needs."""
        return needs_of(self.plan.units) if self.plan.units else {ROOT: ()}

    def activities(self) -> Iterator[Activity]:
        """One for each unit of the plan, or one for the whole root."""
        if not self.plan.units:
            yield self._whole()
            return
        changes = summaries(self.counted)
        last = self._last()
        for unit in self.plan.units:
            yield self._activity(unit, changes.get(unit["unit"], {}), last.get(unit["unit"]))

    def _activity(self, unit: Mapping[str, Any], changes: dict[str, int], batch: UnitBatch | None) -> Activity:
        name = unit["unit"]
        if name == "outputs" and (outputs := len(self.plan.output_changes)):
            changes = {**changes, "output_changes": outputs}
        task = self._task(batch.phase) if batch else None
        status, finished_at = ended(task, batch) if task and batch else ("", None)
        applies = batch is not None and batch.phase is Phase.APPLY
        return Activity(
            name, _status(unit, changes, status if applies else "", self._applied), unit["run"], tuple(unit["reasons"]),
            unit["batch"], tuple(unit.get("inputs", ())), tuple(unit.get("outputs", ())),
            changes if unit["batch"] else None, batch.started_at if batch else None, finished_at,
            self.seconds.get(name, 0.0),
        )  # fmt: skip

    def _whole(self) -> Activity:
        apply = self._task(Phase.APPLY)
        begun = apply is not None and apply.apply_started_at is not None
        task = apply if begun else self._task(Phase.PLAN)
        status = "CHANGED" if self.plan.has_changes else "UNCHANGED"
        if begun and task is not None:
            status = "APPLIED" if task.status is BatchStatus.SUCCEEDED else _APPLIES.get(task.status.value, status)
        return Activity(
            ROOT, status, True, ("whole",), 1, (), (), self.plan.summary, task.started_at if task else None,
            task.finished_at if task else None,
        )  # fmt: skip

    def _last(self) -> dict[str, UnitBatch]:
        """The last batch of each unit under this plan: of its apply when that has begun."""
        return {unit: one for one in self.batches if one.plan_number == self.plan.number for unit in one.units}

    def _task(self, phase: Phase) -> BatchRow | None:
        found = (one for one in self.tasks if (one.plan_number, one.phase) == (self.plan.number, phase))
        return next(found, None)

    @property
    def _applied(self) -> bool:
        task = self._task(Phase.APPLY)
        return task is not None and task.status is BatchStatus.SUCCEEDED


def summaries(counted: Counted) -> dict[str, dict[str, int]]:
    """Counts by unit as PlanSummary has them."""
    found: dict[str, dict[str, int]] = {}
    for unit, actions, imported, count in counted:
        mine = found.setdefault(unit, {})
        for word in (*_COUNTS.get(actions, ()), *(("import",) if imported else ())):
            mine[word] = mine.get(word, 0) + count
    return found


def _status(unit: Mapping[str, Any], changes: Mapping[str, int], apply: str, applied: bool) -> str:  # noqa: FBT001
    """`apply` is how its apply goes, empty when none was reported; `applied`: that of the plan succeeded."""
    if apply in _APPLIES:
        return _APPLIES[apply]
    if unit["deferred"]:
        return "DEFERRED"
    if not unit["run"]:
        return "SKIPPED"
    if not changes:
        return "UNCHANGED"
    return "APPLIED" if apply or applied else "CHANGED"
