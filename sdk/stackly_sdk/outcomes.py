"""Why a wait for a run ended otherwise than asked. None of these touches the run itself."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import Run


class RunNotReached(Exception):
    """A run did not get where it was waited for. `run` is the message as last read."""

    def __init__(self, run: "Run", message: str, hint: str = "") -> None:
        super().__init__(message)
        self.run = run
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class RunFailed(RunNotReached):
    """The run ended with an error; `run.error` has it."""


class RunDenied(RunNotReached):
    """The run was rejected, or nobody approved it in time."""


class RunCanceled(RunNotReached):
    """Somebody stopped the run."""


class RunSuperseded(RunNotReached):
    """A newer push took the run's place."""


class ApprovalRequired(RunNotReached):
    """The run waits for people; `run.waiting_on.approvals` says for whom."""


class WaitTimeout(RunNotReached, TimeoutError):
    """The time of the wait is over. The run goes on."""
