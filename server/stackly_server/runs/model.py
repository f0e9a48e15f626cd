"""Runs, plans, batches and approvals, and which step may follow which: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

BATCH = "b1"
"""The first batch of each phase: it plans or applies the whole run, and may offer parts of an apply to others."""
WHOLE = ("*",)
"""The slices of a batch that plans the root whole."""


class RunType(StrEnum):
    """What a run does."""

    APPLY = "APPLY"
    PLAN_ONLY = "PLAN_ONLY"
    DESTROY = "DESTROY"
    AUDIT = "AUDIT"


OF_WHAT_IS = frozenset({RunType.DESTROY, RunType.AUDIT})
"""They are about the commit that was applied last."""
READ_ONLY = frozenset({RunType.PLAN_ONLY, RunType.AUDIT})
"""Their plan is all there is of them: nothing is asked, locked or applied."""


class Trigger(StrEnum):
    """What started a run."""

    API = "API"
    PUSH = "PUSH"
    SCHEDULE = "SCHEDULE"


class Status(StrEnum):
    """Where a run is in its life."""

    QUEUED = "QUEUED"
    PLANNING = "PLANNING"
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    APPLY_QUEUED = "APPLY_QUEUED"
    APPLYING = "APPLYING"
    PARTIALLY_APPLIED = "PARTIALLY_APPLIED"
    CANCELING = "CANCELING"
    PLANNED_AND_FINISHED = "PLANNED_AND_FINISHED"
    APPLIED = "APPLIED"
    FAILED = "FAILED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    SUPERSEDED = "SUPERSEDED"
    CANCELED = "CANCELED"


DONE = frozenset({
    Status.PLANNED_AND_FINISHED, Status.APPLIED, Status.FAILED, Status.REJECTED, Status.EXPIRED, Status.SUPERSEDED,
    Status.CANCELED,
})  # fmt: skip

FOLLOWS: Mapping[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.PLANNING, Status.FAILED, Status.SUPERSEDED, Status.CANCELED}),
    Status.PLANNING: frozenset({
        Status.QUEUED, Status.AWAITING_APPROVAL, Status.APPLY_QUEUED, Status.PLANNED_AND_FINISHED, Status.APPLIED,
        Status.FAILED, Status.SUPERSEDED, Status.CANCELING, Status.CANCELED,
    }),
    Status.AWAITING_APPROVAL: frozenset({
        Status.APPLY_QUEUED, Status.REJECTED, Status.EXPIRED, Status.SUPERSEDED, Status.CANCELED, Status.FAILED,
    }),
    Status.APPLY_QUEUED: frozenset({
        Status.APPLYING, Status.QUEUED, Status.AWAITING_APPROVAL, Status.CANCELED, Status.FAILED,
    }),
    Status.APPLYING: frozenset({Status.APPLIED, Status.PARTIALLY_APPLIED, Status.FAILED, Status.CANCELING}),
    Status.PARTIALLY_APPLIED: frozenset({Status.PLANNING, Status.FAILED, Status.SUPERSEDED, Status.CANCELED}),
    Status.CANCELING: frozenset({Status.CANCELED, Status.APPLIED, Status.FAILED, Status.PLANNED_AND_FINISHED}),
    **{status: frozenset() for status in DONE},
}  # fmt: skip
"""Which status may follow which. Each step in SQL is guarded by it."""

TO_PLAN = frozenset({Status.QUEUED, Status.PARTIALLY_APPLIED})
"""In these a run waits for a worker to plan it."""

SUPERSEDABLE = (Status.QUEUED, Status.PLANNING, Status.AWAITING_APPROVAL, Status.PARTIALLY_APPLIED)
"""A newer push takes the place of older pushes' runs in these."""


def before(target: Status) -> list[str]:
    """The statuses from which a run may come to `target`."""
    return sorted(status.value for status, following in FOLLOWS.items() if target in following)


class Phase(StrEnum):
    """What is done with a batch."""

    PLAN = "PLAN"
    APPLY = "APPLY"


class BatchStatus(StrEnum):
    """Where a batch is in its life."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class Outcome(StrEnum):
    """How a runner says that its batch ended."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    GONE = "GONE"
    LOST = "LOST"
    PARTIAL = "PARTIAL"
    STALE = "STALE"


@dataclass(frozen=True, slots=True)
class Run:
    """A row of `runs`."""

    id: UUID
    stack_state_id: UUID
    number: int
    type: RunType
    trigger: Trigger
    status: Status
    from_commit: str
    to_commit: str
    message: str
    auto_apply: bool
    variables: Mapping[str, str]
    secret_variables: bytes | None
    creator: str
    delivery_id: str
    selector_hash: str
    plan_number: int
    plan_digest: str
    expires_at: datetime | None
    worker_id: UUID | None
    error: Mapping[str, Any] | None
    suspects: tuple[str, ...]
    status_times: Mapping[str, str]
    cancel_force: bool
    log_size: int
    version: int
    done_at: datetime | None
    created_at: datetime
    updated_at: datetime
    left_count: int = 0
    left_units: Sequence[Mapping[str, Any]] = ()

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self.status in DONE

    @property
    def partly_applied(self) -> bool:
        """Whether an apply of it left units, and none since has applied them."""
        return self.left_count > 0


@dataclass(frozen=True, slots=True)
class Left:
    """A unit that an apply left to be planned again. `cause`: DEFERRED, NOT_COVERED, INPUTS_CHANGED or NEEDS_OTHERS."""

    unit: str
    cause: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class NewRun:
    """What a caller asks for. `commit` empty: the stack state's desired commit. Variables are JSON texts by name."""

    type: RunType
    trigger: Trigger = Trigger.API
    commit: str = ""
    message: str = ""
    auto_apply: bool = False
    variables: Mapping[str, str] | None = None
    secret_variables: Mapping[str, str] | None = None
    delivery_id: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A row of `plans`. `units` are documents of `PlanUnit`, empty for a plan of the whole root.

    `record_generations` is the sum of the generations of all records that a plan by units was made from.
    """

    run_id: UUID
    number: int
    digest: str
    has_changes: bool
    summary: Mapping[str, int]
    output_changes: list[Mapping[str, Any]]
    engine: str
    platform: str
    commit_hash: str
    tree_sha256: str
    state_serial: int
    state_lineage: str
    plan_blob: str
    plan_sha256: str
    created_at: datetime
    units: Sequence[Mapping[str, Any]] = ()
    whole_reasons: Sequence[str] = ()
    record_generations: int = 0

    @property
    def deferred(self) -> int:
        """How many units can only be planned after this plan is applied."""
        return sum(bool(unit["deferred"]) for unit in self.units)


@dataclass(frozen=True, slots=True)
class Approval:
    """A row of `approvals`: a member's word on one plan under one set of policies."""

    member: str
    groups: tuple[str, ...]
    approved: bool
    plan_digest: str
    commit_hash: str
    serial: int
    policies: tuple[str, ...]
    comment: str
    given_at: datetime


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A row of `run_batches`."""

    run_id: UUID
    plan_number: int
    phase: Phase
    batch: str
    slices: tuple[str, ...]
    status: BatchStatus
    task_queue: str
    nonce: str
    worker_id: UUID | None
    epoch: int
    lease_live: bool
    start_token: UUID | None
    apply_started_at: datetime | None
    outcome: str | None
    started_at: datetime | None
    finished_at: datetime | None
    uncovered: tuple[str, ...] = ()

    @property
    def helps(self) -> bool:
        """Whether it was offered by the first batch of its run."""
        return self.batch != BATCH

    @property
    def step(self) -> str:
        """The word for it in steps and logs, such as `plan-1-b1`."""
        return f"{self.phase.value.lower()}-{self.plan_number}-{self.batch}"


def counts(approval: Approval, run: Run, policies: tuple[str, ...]) -> bool:
    """Whether a word is on the run's current plan, commit and policies (decision 13)."""
    return (
        approval.plan_digest == run.plan_digest
        and approval.commit_hash == run.to_commit
        and approval.policies == policies
    )
