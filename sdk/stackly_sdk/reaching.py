"""What a waiting client makes of a run: go on, done, or an exception. Pure."""

from typing import TYPE_CHECKING, Literal

from stackly_sdk.durations import said
from stackly_sdk.mistakes import Mistake
from stackly_sdk.outcomes import (
    ApprovalRequired,
    RunCanceled,
    RunDenied,
    RunFailed,
    RunNotReached,
    RunSuperseded,
    WaitTimeout,
)

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import Run, WaitUntil

Until = Literal["planned", "waiting", "done", "applying"]


def wait_until(until: Until) -> "WaitUntil":
    from stackly_sdk._gen.stackly.v1 import WaitUntil

    known = {
        "planned": WaitUntil.PLANNED,
        "waiting": WaitUntil.WAITING,
        "done": WaitUntil.DONE,
        "applying": WaitUntil.APPLYING,
    }
    if until not in known:
        raise Mistake(f"{until!r} is nothing to wait for: {', '.join(known)} are")
    return known[until]


def check_ended(run: "Run") -> None:
    """Raises what a run that ended otherwise than asked stands for."""
    from stackly_sdk._gen.stackly.v1 import RunOutcome

    if not run.done or run.outcome == RunOutcome.SUCCEEDED:
        return
    if run.outcome == RunOutcome.FAILED:
        raise RunFailed(run, _failure(run), f"See `stackly runs logs {short(run)}`.")
    kinds: dict[int, type[RunNotReached]] = {
        RunOutcome.DENIED: RunDenied,
        RunOutcome.CANCELED: RunCanceled,
        RunOutcome.SKIPPED: RunSuperseded,
    }
    status = (run.status.name or "ended").lower().replace("_", " ")
    raise kinds.get(run.outcome, RunNotReached)(run, f"{short(run)} was {status}{_by(run)}")


def check_approval(run: "Run", until: Until) -> None:
    """Raises ApprovalRequired when the run waits for people on its way to `until`."""
    from stackly_sdk._gen.stackly.v1 import RunStatus

    if run.status == RunStatus.AWAITING_APPROVAL and until in ("done", "applying"):
        raise ApprovalRequired(
            run,
            f"{short(run)} waits for approval{missing(run)}",
            f"`stackly runs approve {short(run)}` approves its plan.",
        )


def timed_out(run: "Run", until: Until, seconds: float) -> WaitTimeout:
    status = (run.status.name or "").lower().replace("_", " ")
    return WaitTimeout(run, f"{short(run)} is {status}, not {until}, after {said(seconds)}; it goes on")


def short(run: "Run") -> str:
    """`hello/run-3`."""
    parts = run.name.split("/")
    return (
        f"{parts[3]}/{parts[5]}" if len(parts) == len(("accounts", "a", "stackStates", "s", "runs", "r")) else run.name
    )


def missing(run: "Run") -> str:
    """` (1 more approval of group ops by policy two-eyes)`; empty when the server says nothing."""
    words = []
    for each in run.waiting_on.approvals if run.waiting_on else []:
        groups = f" of group {' or '.join(each.groups)}" if each.groups else ""
        policy = f" by policy {each.policy.rsplit('/', 1)[-1]}" if each.policy else ""
        words.append(f"{each.count} more approval{'s' if each.count > 1 else ''}{groups}{policy}")
    return f" ({', '.join(words)})" if words else ""


def _failure(run: "Run") -> str:
    if run.error is None:
        return f"{short(run)} failed"
    lines = [f"{short(run)} failed: {run.error.message or run.error.reason} [{run.error.reason}]"]
    for each in run.error.terraform_errors:
        place = f" at {each.path}:{each.line}" if each.path else ""
        lines.append(f"  {each.address or 'terraform'}{place}: {each.summary}")
    return "\n".join(lines)


def _by(run: "Run") -> str:
    said_no = [each for each in run.approvals if not each.approved]
    if not said_no:
        return ""
    comment = f": {said_no[-1].comment}" if said_no[-1].comment else ""
    return f" by {said_no[-1].member.rsplit('/', 1)[-1]}{comment}"
