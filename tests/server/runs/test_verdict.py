"""What follows from plans, votes and the ends of batches."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackly_server.policies.model import Choice, Missing, Verdict
from stackly_server.runs.model import (
    DONE,
    FOLLOWS,
    Approval,
    BatchRow,
    BatchStatus,
    Outcome,
    Phase,
    Run,
    RunType,
    Status,
    Trigger,
    before,
)
from stackly_server.runs.verdict import EPOCHS_MAX, LOST_SECONDS, after_apply, after_plan, settle, silent_since, votes

NOW = datetime(2026, 11, 24, tzinfo=UTC)
NOBODY = UUID(int=0)


def make_run(status: Status = Status.PLANNING, kind: RunType = RunType.APPLY, digest: str = "d1") -> Run:
    return Run(
        id=NOBODY, stack_state_id=NOBODY, number=1, type=kind, trigger=Trigger.API, status=status, from_commit="",
        to_commit="c1", message="", auto_apply=False, variables={}, secret_variables=None, creator="ann",
        delivery_id="", selector_hash="s", plan_number=1, plan_digest=digest, expires_at=None, worker_id=None,
        error=None, suspects=(), status_times={}, cancel_force=False, log_size=0, version=1, done_at=None,
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip


def make_batch(
    phase: Phase = Phase.APPLY, *, status: BatchStatus = BatchStatus.RUNNING, live: bool = False, began: bool = True,
    epoch: int = 1,
) -> BatchRow:  # fmt: skip
    return BatchRow(
        run_id=NOBODY, plan_number=1, phase=phase, batch="b1", slices=("*",), status=status, task_queue="q", nonce="n",
        worker_id=NOBODY, epoch=epoch, lease_live=live, start_token=NOBODY if began else None,
        apply_started_at=NOW if began else None, outcome=None, started_at=NOW,
        finished_at=NOW if status in {BatchStatus.SUCCEEDED, BatchStatus.FAILED} else None,
    )  # fmt: skip


def make_verdict(*, deny: tuple[str, ...] = (), satisfied: bool = True) -> Verdict:
    missing = () if satisfied else (Missing("p", 1, (), False),)
    return Verdict(deny=deny, required=missing, warnings=(), applied=(), expires_seconds=60)


def test_a_plan_without_changes_ends_the_run_whatever_policies_say() -> None:
    assert after_plan(make_run(), False, make_verdict(deny=("no",))) is Status.PLANNED_AND_FINISHED


def test_a_plan_with_changes_waits_applies_or_is_denied() -> None:
    assert after_plan(make_run(), True, make_verdict(satisfied=False)) is Status.AWAITING_APPROVAL
    assert after_plan(make_run(), True, make_verdict()) is Status.APPLY_QUEUED
    assert after_plan(make_run(), True, make_verdict(deny=("no",))) is Status.FAILED
    assert after_plan(make_run(kind=RunType.PLAN_ONLY), True, make_verdict()) is Status.PLANNED_AND_FINISHED


def test_an_apply_that_came_to_its_end_is_applied_though_it_was_to_be_stopped() -> None:
    assert after_apply(make_run(Status.CANCELING), Outcome.SUCCEEDED) is Status.APPLIED
    assert after_apply(make_run(Status.CANCELING), Outcome.GONE) is Status.CANCELED
    assert after_apply(make_run(Status.CANCELING), Outcome.LOST) is Status.FAILED
    assert after_apply(make_run(Status.APPLYING), Outcome.FAILED) is Status.FAILED


@pytest.mark.parametrize("changed", ["plan_digest", "commit_hash", "policies"])
def test_a_word_on_another_plan_commit_or_policy_does_not_count(changed: str) -> None:
    word = Approval("bob", ("g",), True, "d1", "c1", 1, ("p@1",), "", NOW)
    assert [vote.choice for vote in votes([word], make_run(), ("p@1",))] == [Choice.APPROVE]
    others = {
        "plan_digest": replace(word, plan_digest="d2"),
        "commit_hash": replace(word, commit_hash="c2"),
        "policies": replace(word, policies=("p@2",)),
    }
    other = others[changed]
    assert votes([other], make_run(), ("p@1",)) == []


def test_the_serial_of_a_word_is_for_the_record_only() -> None:
    word = Approval("bob", (), True, "d1", "c1", 41, (), "", NOW)
    assert len(votes([word], make_run(), ())) == 1


@pytest.mark.parametrize(
    ("batch", "alive", "silent", "word"),
    [
        (make_batch(status=BatchStatus.FAILED), False, 0, "done"),
        (make_batch(status=BatchStatus.QUEUED, began=False), False, 0, "again"),
        (make_batch(live=True), False, 0, "wait"),
        (make_batch(live=True), True, 0, "attach"),
        (make_batch(live=False), True, 0, "attach"),
        (make_batch(live=False, began=False), False, 0, "again"),
        (make_batch(live=False), False, LOST_SECONDS - 1, "wait"),
        (make_batch(live=False), False, LOST_SECONDS + 1, "lost"),
        (make_batch(Phase.PLAN, live=True, began=False), True, 0, "wait"),
        (make_batch(Phase.PLAN, live=False, began=False), True, 0, "again"),
        (make_batch(Phase.PLAN, live=False, began=False, epoch=EPOCHS_MAX), True, 0, "lost"),
    ],
)
def test_settle(batch: BatchRow, alive: bool, silent: int, word: str) -> None:
    assert settle(batch, alive, NOW - timedelta(seconds=silent), NOW) == word


def test_silence_counts_only_while_the_api_is_up() -> None:
    long_ago, just_now = NOW - timedelta(hours=1), NOW - timedelta(seconds=5)
    assert silent_since(long_ago, None) is None
    assert settle(make_batch(), False, silent_since(long_ago, None), NOW) == "wait"
    assert settle(make_batch(), False, silent_since(long_ago, just_now), NOW) == "wait", "it only just came back"
    assert settle(make_batch(), False, silent_since(long_ago, long_ago), NOW) == "lost"
    assert settle(make_batch(), False, silent_since(just_now, long_ago), NOW) == "wait"
    assert settle(make_batch(), False, silent_since(None, long_ago), NOW) == "lost"


@given(st.booleans(), st.booleans(), st.integers(0, 10_000))
def test_an_apply_that_began_is_never_begun_again(live: bool, alive: bool, silent: int) -> None:
    assert settle(make_batch(live=live), alive, NOW - timedelta(seconds=silent), NOW) != "again"


def test_nothing_follows_an_ended_run_and_every_status_can_be_reached() -> None:
    assert all(not FOLLOWS[status] for status in DONE)
    assert {status for status in Status if before(status)} | {Status.QUEUED} == set(Status)


@given(st.lists(st.sampled_from(list(Status)), max_size=12))
def test_every_open_status_can_still_end(path: list[Status]) -> None:
    """No walk along FOLLOWS leads to where a run is stuck."""
    at = Status.QUEUED
    for wish in path:
        at = wish if wish in FOLLOWS[at] else at
    seen, reach = {at}, [at]
    while reach:
        for follower in FOLLOWS[reach.pop()] - seen:
            seen.add(follower)
            reach.append(follower)
    assert seen & DONE
