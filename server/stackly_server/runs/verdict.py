"""What follows from a plan, a vote or the end of a batch: pure."""

from datetime import datetime, timedelta

from stackly_server.policies.model import Choice, Verdict, Vote
from stackly_server.runs.model import READ_ONLY, Approval, BatchRow, BatchStatus, Outcome, Phase, Run, Status, counts


def after_plan(run: Run, has_changes: bool, verdict: Verdict, deferred: int = 0, *, others: bool = False) -> Status:  # noqa: FBT001
    """Where a run goes with a new plan, in which so many units are deferred; `others` as of `progresses`."""
    if run.type in READ_ONLY:
        return Status.PLANNED_AND_FINISHED
    if not has_changes:
        return Status.APPLIED if run.partly_applied else Status.PLANNED_AND_FINISHED
    if verdict.deny or not progresses(run, deferred, others=others):
        return Status.FAILED
    return Status.APPLY_QUEUED if verdict.satisfied else Status.AWAITING_APPROVAL


def progresses(run: Run, left: int, *, others: bool = False) -> bool:
    """Whether so many units that an apply leaves, or is to leave, are fewer than the apply before left: so rounds end.

    When `others` applied since, there may be more to do than was left: then this round is like the first.
    """
    return others or not run.partly_applied or left < run.left_count


def after_apply(run: Run, outcome: Outcome, left: int = 0, *, others: bool = False) -> Status:
    """Where a run goes when its apply ended, and left so many units to be planned again; `others` as of `progresses`.

    An apply that came to its end is applied, though it was to be stopped.
    """
    if outcome is Outcome.SUCCEEDED:
        return Status.APPLIED
    if run.status is Status.CANCELING and outcome is not Outcome.LOST:
        return Status.CANCELED
    if outcome is Outcome.PARTIAL and progresses(run, left, others=others):
        return Status.PARTIALLY_APPLIED
    return Status.FAILED


def votes(approvals: list[Approval], run: Run, policies: tuple[str, ...]) -> list[Vote]:
    """The words that count for the current plan."""
    return [
        Vote(
            subject=one.member,
            groups=frozenset(one.groups),
            is_author=one.member == run.creator,
            choice=Choice.APPROVE if one.approved else Choice.REJECT,
        )
        for one in approvals
        if counts(one, run, policies)
    ]


LOST_SECONDS = 15
"""A batch whose runner and worker were both silent for so long after their leases (45 s) is lost: a minute in all."""

EPOCHS_MAX = 10
"""A plan whose worker was lost so often is given up: each attempt takes two, one to claim and one to take back."""

SETTLING_IN = timedelta(seconds=30)
"""How long workers and runners have to be heard again after the API was away."""


def silent_since(heard: datetime | None, serving: datetime | None) -> datetime | None:
    """Since when a worker is silent by its own fault: None while the API is away, and not before it is well back.

    `heard` is the end of its lease, `serving` since when the API is up.
    """
    if serving is None:
        return None
    return max(heard or serving, serving + SETTLING_IN)


def settle(batch: BatchRow, worker_alive: bool, silent_since: datetime | None, now: datetime) -> str:  # noqa: FBT001
    """What to do with a batch whose task failed: `done`, `wait`, `again`, `attach` or `lost`.

    A plan may simply be made again. An apply that did not begin may begin elsewhere once its lease is over; one that
    began is never begun again: its worker is asked, and if that is silent for too long, it is lost.
    """
    if batch.finished_at is not None:
        return "done"
    if batch.phase is Phase.PLAN and batch.epoch >= EPOCHS_MAX:
        return "lost"
    if batch.status is BatchStatus.QUEUED:
        return "again"
    if worker_alive and batch.phase is Phase.APPLY:
        return "attach"
    if batch.lease_live:
        return "wait"
    return _abandoned(batch, silent_since, now)


def _abandoned(batch: BatchRow, silent_since: datetime | None, now: datetime) -> str:
    """What to do with a batch that nobody holds."""
    if batch.phase is Phase.PLAN or batch.apply_started_at is None:
        return "again"
    silent = 0.0 if silent_since is None else (now - silent_since).total_seconds()
    return "lost" if silent > LOST_SECONDS else "wait"
