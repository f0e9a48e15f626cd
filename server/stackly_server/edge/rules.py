"""The rule of each method, read from its descriptor; a method without one stops the server from starting."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from stackly.options.v1 import options_pb2
from stackly_server import limits
from stackly_server.edge.fields import Fields
from stackly_server.errors import Invalid, TooMuch

_RULE: Any = options_pb2.rule  # the stubs give no value type to custom options
_BOUNDS: Any = options_pb2.bounds
_UNARY_SECONDS = 30.0
_WAIT_SECONDS = 70.0  # longer than the longest wait of 60, so that it ends by itself
_UPLOAD_SECONDS = 600.0


class MissingRuleError(Exception):
    """A method has no rule, or nobody answers it: the server does not start."""


@dataclass(frozen=True, slots=True)
class Rule:
    """All that the door knows of one method. `path` is `/package.Service/Method`; `seconds` is None for streams out."""

    path: str
    audience: int
    permission: str
    resource_of: Callable[[Message], str]
    keyed: bool
    returns_secret: bool
    fields: Fields
    request: type[Message]
    most_bytes: int
    streams_in: bool
    streams_out: bool
    seconds: float | None

    @property
    def waits(self) -> bool:
        """Whether a call may last long by doing nothing: a stream, or a long poll. It is ended when the server stops."""
        return self.seconds in {None, _WAIT_SECONDS}

    def parse(self, sent: bytes) -> Message:
        """The request; TooMuch above the bound of the method, Invalid when the bytes are none."""
        if len(sent) > self.most_bytes:
            message = f"The request has {len(sent)} bytes; {self.most_bytes} are allowed."
            raise TooMuch("LIMIT_EXCEEDED", message, limit="request_bytes", most=str(self.most_bytes))
        try:
            return self.request.FromString(sent)
        except DecodeError as error:
            raise Invalid("VALIDATION_FAILED", "The request does not parse.") from error

    def request_hash(self, request: Message) -> bytes:
        """SHA-256 over the request without its request_id, the same for equal requests."""
        bare = self.request()
        bare.CopyFrom(request)
        bare.ClearField("request_id")
        return hashlib.sha256(bare.SerializeToString(deterministic=True)).digest()


def rules_of(service: ServiceDescriptor) -> list[tuple[str, Rule]]:
    """Each method's name with its rule."""
    return [(method.name, _rule(method)) for method in service.methods]


def _rule(method: MethodDescriptor) -> Rule:
    options: options_pb2.MethodRule = method.GetOptions().Extensions[_RULE]
    if not (options.audience and options.idempotency and options.audit):
        raise MissingRuleError(f"{method.full_name} has no whole rule (audience, idempotency, audit).")
    request = method.input_type
    reads = options.idempotency in {options_pb2.IDEMPOTENCY_READ, options_pb2.IDEMPOTENCY_STREAM}
    keyed = options.idempotency == options_pb2.IDEMPOTENCY_KEYED
    if keyed and "request_id" not in request.fields_by_name:
        raise MissingRuleError(f"{method.full_name} is KEYED, but its request has no request_id.")
    return Rule(
        path=f"/{method.containing_service.full_name}/{method.name}",
        audience=options.audience,
        permission=options.permission,
        resource_of=_reader(options.resource_field),
        keyed=keyed,
        returns_secret=options.returns_secret,
        fields=Fields(request, options.resource_field, _resource(method, options.resource_field), wildcard=reads),
        request=GetMessageClass(request),
        most_bytes=limits.WEBHOOK_BYTES if options.audience == options_pb2.AUDIENCE_HMAC else limits.MESSAGE_BYTES,
        streams_in=method.client_streaming,
        streams_out=method.server_streaming,
        seconds=_seconds(method),
    )


def _reader(dotted: str) -> Callable[[Message], str]:
    """Reads the name of the thing acted on; `` for methods that act on the caller itself."""
    steps = dotted.split(".") if dotted else []

    def read(request: Message) -> str:
        value: Any = request
        for step in steps:
            value = getattr(value, step)
        return value if steps else ""

    return read


def _resource(method: MethodDescriptor, dotted: str) -> str:
    """The pattern of the names that the resource field holds: as its bounds say, or the method's path."""
    message: Any = method.input_type
    pattern = ""
    for step in dotted.split(".") if dotted else []:
        if message is None or step not in message.fields_by_name:
            raise MissingRuleError(f"{method.full_name} has no field {dotted}, which its rule names.")
        field = message.fields_by_name[step]
        message, pattern = field.message_type, field.GetOptions().Extensions[_BOUNDS].resource
    if dotted and not pattern:
        http = method.GetOptions().Extensions[annotations_pb2.http]
        path = http.patch or http.post or http.get or http.delete or http.put
        pattern = path.partition(f"{{{dotted}=")[2].partition("}")[0]
    if dotted and not pattern.startswith("accounts/*"):
        raise MissingRuleError(f"{method.full_name}: {dotted} is not bound to names that begin with an account.")
    return pattern


def _seconds(method: MethodDescriptor) -> float | None:
    if method.server_streaming:
        return None
    if method.client_streaming:
        return _UPLOAD_SECONDS
    waits = {"wait_seconds", "timeout"}.intersection(method.input_type.fields_by_name.keys())
    return _WAIT_SECONDS if waits else _UNARY_SECONDS
