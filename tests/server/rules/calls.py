"""Every RPC of the wire, found in the descriptors, and one way to call any of them."""

import importlib
import pkgutil
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import grpc
from google.api import annotations_pb2, field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2

import stackly
from api import Metadata, details
from stackly.options.v1 import options_pb2

_RULE: Any = options_pb2.rule  # the stubs give no value type to custom options
_BOUNDS: Any = options_pb2.bounds
_NEVER_SERVED = {"stackly.worker.v1.Tasks"}
_OUTPUT_ONLY = field_behavior_pb2.FieldBehavior.Value("OUTPUT_ONLY")
_REQUIRED = field_behavior_pb2.FieldBehavior.Value("REQUIRED")
_SECONDS = 30.0
# What grpc.aio's client says in place of the status when a server refuses a client stream that it is still sending.
_LOST = "Internal error from Core"
_TRIES = 20


@dataclass(frozen=True)
class Naming:
    """A field of a request that names a resource: its dotted path, and the pattern of what it may hold."""

    path: str
    pattern: str
    required: bool

    def read(self, request: Message) -> str:
        holder, last = self._holder(request)
        return str(getattr(holder, last))

    def write(self, request: Message, name: str) -> None:
        holder, last = self._holder(request)
        setattr(holder, last, name)

    def _holder(self, request: Message) -> tuple[Any, str]:
        *way, last = self.path.split(".")
        holder: Any = request
        for step in way:
            holder = getattr(holder, step)
        return holder, last


@dataclass(frozen=True)
class Rpc:
    """One method with its rule."""

    method: MethodDescriptor

    @property
    def name(self) -> str:
        """`RunService/GetRun`."""
        return f"{self.method.containing_service.name}/{self.method.name}"

    @property
    def path(self) -> str:
        return f"/{self.method.containing_service.full_name}/{self.method.name}"

    @cached_property
    def rule(self) -> options_pb2.MethodRule:
        rule: options_pb2.MethodRule = self.method.GetOptions().Extensions[_RULE]
        return rule

    @cached_property
    def request(self) -> Any:
        """The class of its requests."""
        return GetMessageClass(self.method.input_type)

    @cached_property
    def answer(self) -> Any:
        """The class of its answers."""
        return GetMessageClass(self.method.output_type)

    @property
    def reads(self) -> bool:
        return self.rule.idempotency in {options_pb2.IDEMPOTENCY_READ, options_pb2.IDEMPOTENCY_STREAM}

    @property
    def endless(self) -> bool:
        return self.method.name.startswith("Watch")

    def has(self, field: str) -> bool:
        return field in self.method.input_type.fields_by_name

    @cached_property
    def naming(self) -> tuple[Naming, ...]:
        """All fields that name resources, nested ones too."""
        return tuple(self._naming(self.method.input_type, "", required=True))

    def _naming(self, message: Descriptor, at: str, *, required: bool) -> Iterator[Naming]:
        for field in message.fields:
            options, path = field.GetOptions(), f"{at}{field.name}"
            behaviour = options.Extensions[field_behavior_pb2.field_behavior]
            kept = path == self.rule.resource_field
            if _OUTPUT_ONLY in behaviour and not kept:
                continue
            needed = required and (kept or _REQUIRED in behaviour)
            pattern = options.Extensions[_BOUNDS].resource or (self._pattern_of_path(path) if kept else "")
            if pattern:
                assert not field.is_repeated, f"{self.name}: {path} is repeated; nothing here swaps its items yet"
                yield Naming(path, pattern, needed)
            if _goes_on(field):
                held: Any = field.message_type
                yield from self._naming(held, f"{path}.", required=needed)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """Dotted paths of all text fields that a caller may set."""
        return tuple(self._texts(self.method.input_type, ""))

    def _texts(self, message: Any, at: str) -> Iterator[str]:
        for field in message.fields:
            if _OUTPUT_ONLY in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]:
                continue
            if field.type == FieldDescriptor.TYPE_STRING:
                yield f"{at}{field.name}"
            if _goes_on(field):
                yield from self._texts(field.message_type, f"{at}{field.name}.")

    def _pattern_of_path(self, field: str) -> str:
        http = self.method.GetOptions().Extensions[annotations_pb2.http]
        way = http.patch or http.post or http.get or http.delete or http.put
        return str(way.partition(f"{{{field}=")[2].partition("}")[0])


def _goes_on(field: FieldDescriptor) -> bool:
    held = field.message_type
    if held is None or not held.full_name.startswith("stackly."):
        return False
    if held.GetOptions().map_entry:
        value = held.fields_by_name["value"].message_type
        return value is not None and value.full_name.startswith("stackly.")
    return True


def _all() -> Iterator[Rpc]:
    for module in pkgutil.walk_packages(stackly.__path__, "stackly."):
        if module.name.endswith("_pb2"):
            for service in importlib.import_module(module.name).DESCRIPTOR.services_by_name.values():
                if service.full_name not in _NEVER_SERVED:
                    yield from map(Rpc, service.methods)


RPCS = {rpc.name: rpc for rpc in sorted(_all(), key=lambda rpc: rpc.path)}


@dataclass(frozen=True)
class Outcome:
    """How a call ended; `answers` are the messages that came, serialized."""

    code: str = "OK"
    reason: str = ""
    message: str = ""
    answers: tuple[bytes, ...] = ()

    @property
    def ok(self) -> bool:
        return self.code == "OK"

    def __str__(self) -> str:
        return self.code if not self.reason else f"{self.code}/{self.reason}"


async def call(channel: grpc.aio.Channel, rpc: Rpc, sent: Sequence[Message], metadata: Metadata = ()) -> Outcome:
    """Calls; of a stream that does not end by itself the first message is read."""
    for _ in range(_TRIES):
        outcome = await _call(channel, rpc, sent, metadata)
        if outcome.message != _LOST:
            return outcome
    raise AssertionError(f"{rpc.name}: the client lost the answer every time")


async def _call(channel: grpc.aio.Channel, rpc: Rpc, sent: Sequence[Message], metadata: Metadata) -> Outcome:
    kinds = [("unary", "stream")[streams] for streams in (rpc.method.client_streaming, rpc.method.server_streaming)]
    method = getattr(channel, "_".join(kinds))(rpc.path)
    data = [message.SerializeToString() for message in sent]
    under_way = method(_each(data) if rpc.method.client_streaming else data[0], metadata=metadata, timeout=_SECONDS)
    try:
        if not rpc.method.server_streaming:
            return Outcome(answers=(await under_way,))
        answers: list[bytes] = []
        while (answer := await under_way.read()) is not grpc.aio.EOF:
            answers.append(answer)
            if rpc.endless:
                under_way.cancel()
                break
        return Outcome(answers=tuple(answers))
    except grpc.aio.AioRpcError as error:
        return _refused(error)


async def ask(
    channel: grpc.aio.Channel, method: str, metadata: Metadata = (), sent: Sequence[Message] | None = None, /,
    **fields: Any,
) -> Any:  # fmt: skip
    """The answer (the first one, of a stream) to a call that must succeed."""
    rpc = RPCS[method]
    outcome = await call(channel, rpc, [rpc.request(**fields)] if sent is None else sent, metadata)
    assert outcome.ok, f"{method}: {outcome}: {outcome.message}"
    return rpc.answer.FromString(outcome.answers[0]) if outcome.answers else rpc.answer()


async def _each(data: Sequence[bytes]) -> AsyncIterator[bytes]:
    for part in data:
        yield part


def _refused(error: grpc.aio.AioRpcError) -> Outcome:
    found = dict(error.trailing_metadata() or ())
    info = details(error, error_details_pb2.ErrorInfo) if "grpc-status-details-bin" in found else None
    return Outcome(error.code().name, info.reason if info else "", error.details() or "")
