"""Says what went wrong, where, and what to do; and with which code the program ends."""

import click

from stackly_sdk.cli.session import clean
from stackly_sdk.config import ConfigError
from stackly_sdk.mistakes import Mistake
from stackly_sdk.outcomes import ApprovalRequired, RunDenied, RunNotReached, WaitTimeout
from stackly_sdk.statuses import LoginRequired, NotFound, PermissionDenied, StacklyError, Unavailable

ERROR, USAGE, RUN_FAILED, NEEDS_APPROVAL, DENIED = 1, 2, 3, 4, 5

_HINTS = {
    "STACK_LOCKED": "`stackly stacks show STACK` says who holds the lock; `stackly state unlock STACK` gives it back.",
    "LOCK_ID_MISMATCH": "`stackly stacks show STACK` shows the lock; --force breaks another member's.",
    "PLAN_CHANGED": "Read the plan again (`stackly plan show RUN`), then approve it.",
    "NOT_WAITING": "`stackly runs show RUN` says where it is.",
    "RUN_DONE": "`stackly runs show RUN` says how it ended.",
    "SELF_APPROVAL": "Somebody else has to approve this run.",
    "STATE_NOT_EMPTY": "Destroy its resources first (`stackly stacks destroy`), or leave them unmanaged with --force.",
    "RUN_IN_PROGRESS": "`stackly runs list STACK` shows the run; wait for it or cancel it.",
    "PLAN_NOT_READY": "`stackly runs wait RUN --until planned` waits for it.",
    "VARIABLES_MISSING": "Give them with --var NAME=VALUE, or in the stack file.",
    "POLICY_IN_USE": "Take its name out of the stack files first; --force deletes it and denies their runs.",
    "REPOSITORY_NOT_CONNECTED": "`stackly repos connect` connects it.",
}


def exit_code(error: Exception) -> int | None:
    """Tells the error on stderr and gives the exit code; None for one that is a fault of ours."""
    if isinstance(error, RunNotReached):
        waits = isinstance(error, ApprovalRequired)
        _tell(error.message, error.hint, "Needs approval: " if waits else "Error: ", "yellow" if waits else "red")
        return _outcome_code(error)
    if isinstance(error, StacklyError):
        _tell_call(error)
        denied = isinstance(error, PermissionDenied) or error.reason == "SELF_APPROVAL"
        return DENIED if denied else ERROR
    if isinstance(error, Mistake):
        _tell(str(error), "")
        return USAGE
    if isinstance(error, ConfigError):
        _tell(error.message, error.hint)
        return ERROR
    if isinstance(error, OSError):
        _tell(f"{error.filename or 'file'}: {error.strerror or error}", "")
        return ERROR
    return None


def _outcome_code(error: RunNotReached) -> int:
    if isinstance(error, WaitTimeout):
        return ERROR
    if isinstance(error, ApprovalRequired):
        return NEEDS_APPROVAL
    return DENIED if isinstance(error, RunDenied) else RUN_FAILED


def _tell_call(error: StacklyError) -> None:
    reason = f" [{error.reason}]" if error.reason else ""
    unreached = "The server does not answer: " if isinstance(error, Unavailable) and not error.reason else ""
    lines = [f"{unreached}{error.message}{reason}", *(f"  {each.field}: {each.problem}" for each in error.fields)]
    facts = [f"{key}: {value}" for key, value in error.metadata.items() if value and value not in error.message]
    lines += [f"  {fact}" for fact in facts]
    if error.request_id and error.reason and not isinstance(error, LoginRequired | NotFound):
        lines.append(f"  request id: {error.request_id}")
    _tell("\n".join(lines), _HINTS.get(error.reason) or error.hint or _hint(error))


def _hint(error: StacklyError) -> str:
    if isinstance(error, NotFound):
        return "The `list` command of its kind shows what there is."
    if isinstance(error, Unavailable) and not error.reason:
        if "CERTIFICATE" in error.message.upper() or "handshake" in error.message:
            return "The server's certificate is not trusted: give its CA with STACKLY_CA_FILE, or at `stackly login`."
        return "Is the server up, and its address right? STACKLY_ENDPOINT or the profile names it."
    return ""


def _tell(message: str, hint: str, word: str = "Error: ", colour: str = "red") -> None:
    click.secho(word, fg=colour, bold=True, nl=False, err=True)
    click.echo(clean(message), err=True)
    if hint:
        click.echo(f"  {clean(hint)}", err=True)
