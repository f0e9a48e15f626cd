"""Errors as they leave the server: a gRPC code and a google.rpc.Status with ErrorInfo and what else helps."""

import uuid
from dataclasses import dataclass

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from stackly_server import errors
from stackly_server.errors import StacklyError

_DOMAIN = "stackly.dev"
_CODES: dict[type[StacklyError], grpc.StatusCode] = {
    errors.Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.Denied: grpc.StatusCode.PERMISSION_DENIED,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.NotNow: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Conflict: grpc.StatusCode.ABORTED,
    errors.TooMuch: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.OutOfRange: grpc.StatusCode.OUT_OF_RANGE,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call's bad end: what the client gets, and what only the log gets."""

    code: grpc.StatusCode
    reason: str
    message: str
    details: tuple[Message, ...]
    retry_after: float | None = None
    incident: str = ""

    def status(self) -> status_pb2.Status:
        """The same as a message, for `grpc-status-details-bin`."""
        number: int = self.code.value[0]
        return status_pb2.Status(code=number, message=self.message, details=[_packed(part) for part in self.details])


def refusal(error: StacklyError) -> Refusal:
    """What a refusal of a room looks like outside."""
    code = next(code for kind in type(error).__mro__ if (code := _CODES.get(kind)) is not None)
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=_DOMAIN, metadata=dict(error.facts))
    ]
    if error.fields:
        problems = [
            error_details_pb2.BadRequest.FieldViolation(field=problem.field, description=problem.problem)
            for problem in error.fields
        ]
        details.append(error_details_pb2.BadRequest(field_violations=problems))
    if error.retry_after is not None:
        delay = Duration()
        delay.FromMilliseconds(int(error.retry_after * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return Refusal(code, error.reason, error.message, tuple(details), error.retry_after)


def fault() -> Refusal:
    """A fault of ours: nothing of it leaves the server but an incident id, which the log has beside its text."""
    incident = uuid.uuid4().hex
    details = (
        error_details_pb2.ErrorInfo(reason="INTERNAL", domain=_DOMAIN, metadata={"incident": incident}),
        error_details_pb2.RequestInfo(request_id=incident),
    )
    message = f"Something went wrong on our side. The incident id is {incident}."
    return Refusal(grpc.StatusCode.INTERNAL, "INTERNAL", message, details, incident=incident)


def too_late(seconds: float) -> Refusal:
    """The call took longer than the server allows."""
    message = f"The call took longer than {seconds:.0f} seconds. It may or may not have had its effect."
    return Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE", message, ())


def _packed(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed
