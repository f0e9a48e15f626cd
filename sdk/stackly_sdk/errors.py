"""Every error that the SDK raises, by name: of calls by status and by reason, and of runs that did not get there."""

from stackly_sdk._gen import reasons as _reasons
from stackly_sdk._gen.reasons import *  # noqa: F403
from stackly_sdk.outcomes import (
    ApprovalRequired,
    RunCanceled,
    RunDenied,
    RunFailed,
    RunNotReached,
    RunSuperseded,
    WaitTimeout,
)
from stackly_sdk.statuses import (
    AlreadyExists,
    Canceled,
    Conflict,
    DeadlineExceeded,
    FailedPrecondition,
    FieldProblem,
    InvalidArgument,
    LoginRequired,
    NotFound,
    OutOfRange,
    PermissionDenied,
    RateLimited,
    ServerError,
    StacklyError,
    Unavailable,
    Unimplemented,
)

__all__ = [
    "AlreadyExists",
    "ApprovalRequired",
    "Canceled",
    "Conflict",
    "DeadlineExceeded",
    "FailedPrecondition",
    "FieldProblem",
    "InvalidArgument",
    "LoginRequired",
    "NotFound",
    "OutOfRange",
    "PermissionDenied",
    "RateLimited",
    "RunCanceled",
    "RunDenied",
    "RunFailed",
    "RunNotReached",
    "RunSuperseded",
    "ServerError",
    "StacklyError",
    "Unavailable",
    "Unimplemented",
    "WaitTimeout",
]
__all__ += _reasons.__all__
