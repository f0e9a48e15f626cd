"""From what gRPC says to the SDK's errors: `grpc-status-details-bin` and the statuses inside streams."""

from collections.abc import Iterable
from functools import cache
from typing import Any, TypeVar

import betterproto2
import grpc

from stackly_sdk._gen.google.rpc import BadRequest, ErrorInfo, RequestInfo, RetryInfo, Status
from stackly_sdk._gen.reasons import REASONS
from stackly_sdk.statuses import STATUSES, FieldProblem, StacklyError

_DETAILS = "grpc-status-details-bin"
_REQUEST_ID = "x-request-id"
_BROKEN = (ValueError, EOFError, IndexError)
M = TypeVar("M", bound=betterproto2.Message)


def error_of_call(call: Any) -> StacklyError:
    """Turns a failed call of grpc or grpc.aio into an error; foreign or broken details are left out."""
    trailing = dict(_pairs(call.trailing_metadata()))
    code: int = call.code().value[0]
    status = Status(code=code, message=call.details() or "")
    details = trailing.get(_DETAILS)
    if isinstance(details, bytes):
        status = _parsed(details) or status
    request_id = dict(_pairs(call.initial_metadata())).get(_REQUEST_ID) or trailing.get(_REQUEST_ID) or ""
    return error_of_status(status, request_id=str(request_id))


def error_of_status(status: Status, *, request_id: str = "") -> StacklyError:
    info = _detail(status, ErrorInfo) or ErrorInfo()
    retry = _detail(status, RetryInfo)
    asked = _detail(status, RequestInfo)
    problems = _detail(status, BadRequest) or BadRequest()
    kind = _kind(info.reason, status.code)
    delay = retry.retry_delay if retry else None
    return kind(
        status.message or _status_name(status.code),
        reason=info.reason,
        metadata=info.metadata,
        fields=tuple(FieldProblem(each.field, each.description) for each in problems.field_violations),
        retry_after=delay.total_seconds() if delay is not None else None,
        request_id=(asked.request_id if asked else "") or request_id,
    )


@cache
def _kind(reason: str, code: int) -> type[StacklyError]:
    """The class of the reason; one below the status' class too where that is another than the reason's usual one."""
    by_code = STATUSES.get(code, StacklyError)
    by_reason = REASONS.get(reason, by_code)
    if issubclass(by_reason, by_code):
        return by_reason
    words = {"code": by_code.code, "status": by_code.status, "__doc__": by_reason.__doc__, "__module__": __name__}
    return type(by_reason.__name__, (by_reason, by_code), words)


def _parsed(details: bytes) -> Status | None:
    try:
        return Status.parse(details)
    except _BROKEN:
        return None


def _detail(status: Status, kind: type[M]) -> M | None:
    for packed in status.details:
        if packed.type_url.endswith(f"/google.rpc.{kind.__name__}"):
            try:
                return kind.parse(packed.value)
            except _BROKEN:
                return None
    return None


def _pairs(metadata: Iterable[tuple[str, str | bytes]] | None) -> Iterable[tuple[str, str | bytes]]:
    return ((key, value) for key, value in metadata or ())


def _status_name(code: int) -> str:
    names = {each.value[0]: each.name for each in grpc.StatusCode}
    return names.get(code, f"status {code}")
