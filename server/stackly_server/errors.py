"""The errors that rooms raise. One interceptor turns them into a gRPC status with ErrorInfo; no room knows a gRPC code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldProblem:
    """What is wrong with one field of a request: its dotted path, and what to do."""

    field: str
    problem: str


class StacklyError(Exception):
    """A refusal with a stable reason (a name of `stackly.v1.ErrorReason` without its prefix) and facts for metadata."""

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        fields: Sequence[FieldProblem] = (),
        retry_after: float | None = None,
        **facts: str,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.fields = tuple(fields)
        self.retry_after = retry_after
        self.facts: Mapping[str, str] = facts


class Invalid(StacklyError):
    """The request itself is wrong (INVALID_ARGUMENT)."""


class Unauthenticated(StacklyError):
    """Nobody knows who calls (UNAUTHENTICATED)."""


class Denied(StacklyError):
    """The caller may not (PERMISSION_DENIED)."""


class NotFound(StacklyError):
    """There is no such thing for this caller (NOT_FOUND)."""

    def __init__(self, what: str, name: str) -> None:
        super().__init__("NOT_FOUND", f"There is no {what} {name!r}, or it is not yours to see.", resource=name)


class AlreadyExists(StacklyError):
    """A thing of that name exists (ALREADY_EXISTS)."""


class NotNow(StacklyError):
    """The thing is not in a status for that (FAILED_PRECONDITION)."""


class Conflict(StacklyError):
    """Somebody else was faster (ABORTED)."""


class TooMuch(StacklyError):
    """A bound or quota is passed (RESOURCE_EXHAUSTED)."""


class OutOfRange(StacklyError):
    """An offset or token points outside of what is kept (OUT_OF_RANGE)."""


class Unavailable(StacklyError):
    """A part does not answer; try again (UNAVAILABLE)."""
