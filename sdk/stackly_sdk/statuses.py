"""Errors of calls: one class for each status. The classes for single reasons, below these, are in `errors`."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldProblem:
    """What is wrong with one field of a request."""

    field: str
    problem: str


class StacklyError(Exception):
    """A call that failed. The classes below say how; `reason` is the server's stable word for why."""

    code = 2
    status = "UNKNOWN"
    default_hint = ""

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        fields: tuple[FieldProblem, ...] = (),
        retry_after: float | None = None,
        request_id: str = "",
        hint: str = "",
    ) -> None:
        """`metadata` are facts by key, `retry_after` is seconds, `request_id` finds the call in the server's log."""
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.metadata: Mapping[str, str] = dict(metadata or {})
        self.fields = fields
        self.retry_after = retry_after
        self.request_id = request_id
        self.hint = hint or self.default_hint

    def __str__(self) -> str:
        lines = [f"{self.message} [{self.reason}]" if self.reason else self.message]
        lines.extend(f"  {problem.field}: {problem.problem}" for problem in self.fields)
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)


class Canceled(StacklyError):
    """The call was canceled."""

    code, status = 1, "CANCELLED"


class InvalidArgument(StacklyError):
    """The request itself is wrong."""

    code, status = 3, "INVALID_ARGUMENT"


class DeadlineExceeded(StacklyError):
    """No answer came in time. A call that changes something may have done so."""

    code, status = 4, "DEADLINE_EXCEEDED"
    default_hint = "Give it more time (timeout=), or look at what it did before trying again."


class NotFound(StacklyError):
    """There is no such thing, or it is not yours to see."""

    code, status = 5, "NOT_FOUND"


class AlreadyExists(StacklyError):
    """A thing of that name exists."""

    code, status = 6, "ALREADY_EXISTS"


class PermissionDenied(StacklyError):
    """The caller may not, or the thing may not exist."""

    code, status = 7, "PERMISSION_DENIED"


class RateLimited(StacklyError):
    """A bound or a rate is passed."""

    code, status = 8, "RESOURCE_EXHAUSTED"


class FailedPrecondition(StacklyError):
    """The thing is not in a status for that."""

    code, status = 9, "FAILED_PRECONDITION"


class Conflict(StacklyError):
    """Somebody else was faster: read again."""

    code, status = 10, "ABORTED"
    default_hint = "Read it again and repeat the change."


class OutOfRange(StacklyError):
    """An offset or token points outside of what is kept."""

    code, status = 11, "OUT_OF_RANGE"


class Unimplemented(StacklyError):
    """The server does not know the method: it is older than this SDK."""

    code, status = 12, "UNIMPLEMENTED"


class ServerError(StacklyError):
    """A fault of the server."""

    code, status = 13, "INTERNAL"


class Unavailable(StacklyError):
    """The server, or a part behind it, does not answer; it was tried again as long as that was safe."""

    code, status = 14, "UNAVAILABLE"


class LoginRequired(StacklyError):
    """Nobody knows who calls: there are no credentials, or they are no longer good."""

    code, status = 16, "UNAUTHENTICATED"
    default_hint = "Run `stackly login`, or set STACKLY_ENDPOINT and STACKLY_API_KEY."


STATUSES: dict[int, type[StacklyError]] = {
    kind.code: kind
    for kind in (
        Canceled,
        InvalidArgument,
        DeadlineExceeded,
        NotFound,
        AlreadyExists,
        PermissionDenied,
        RateLimited,
        FailedPrecondition,
        Conflict,
        OutOfRange,
        Unimplemented,
        ServerError,
        Unavailable,
        LoginRequired,
    )
}
