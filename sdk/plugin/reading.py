"""Reads what the clients need to know from descriptors: methods, fields, comments, rules."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from plugin.types import Field, field_of

PACKAGE = "stackly.v1"
# Callers of the public API; the other kinds of caller are machines with clients of their own.
_AUDIENCES = ("AUDIENCE_USER", "AUDIENCE_ANONYMOUS")
_REQUIRED = 2  # google.api.FieldBehavior
_RESUME = {"resume_token": "resume_token", "offset": "next_offset"}


@dataclass(frozen=True)
class Method:
    name: str
    path: str
    request: str
    response: str
    fields: tuple[Field, ...]
    comment: str
    idempotency: str
    anonymous: bool
    keyed: bool
    streams: bool
    resume: tuple[str, str] | None
    ends_with_run: bool
    items: Field | None

    @property
    def snake(self) -> str:
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", self.name).lower()


@dataclass(frozen=True)
class Service:
    name: str
    module: str
    comment: str
    methods: tuple[Method, ...]


@dataclass(frozen=True)
class EnumValue:
    name: str
    comment: str


class _Descriptors:
    """A pool of the request's own files, so that nothing generated need be importable."""

    def __init__(self, request: CodeGeneratorRequest) -> None:
        self.pool = DescriptorPool()
        self.comments: dict[str, str] = {}
        for file in request.proto_file:
            self.pool.Add(file)
            self.comments.update(_comments(file))

    def option(self, holder: MethodDescriptor | FieldDescriptor, extension: str) -> Any:
        options = holder.GetOptions()
        known = GetMessageClass(self.pool.FindMessageTypeByName(options.DESCRIPTOR.full_name))
        read: Any = known.FromString(options.SerializeToString())
        return read.Extensions[self.pool.FindExtensionByName(extension)]


def read_services(request: CodeGeneratorRequest) -> Iterator[Service]:
    """Gives the services of the public package in the order of their files."""
    known = _Descriptors(request)
    for name in request.file_to_generate:
        file = known.pool.FindFileByName(name)
        if file.package == PACKAGE:
            yield from (_service(known, service) for service in file.services_by_name.values())


def read_enum(request: CodeGeneratorRequest, full_name: str) -> list[EnumValue]:
    known = _Descriptors(request)
    enum = known.pool.FindEnumTypeByName(full_name)
    return [EnumValue(value.name, known.comments.get(f"{full_name}.{value.name}", "")) for value in enum.values]


def _service(known: _Descriptors, service: ServiceDescriptor) -> Service:
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", service.name).lower()
    methods = (_method(known, method) for method in service.methods)
    return Service(
        service.name, snake, known.comments.get(service.full_name, ""), tuple(method for method in methods if method)
    )


def _method(known: _Descriptors, method: MethodDescriptor) -> Method | None:
    rule = known.option(method, "stackly.options.v1.rule")
    audience = rule.DESCRIPTOR.fields_by_name["audience"].enum_type.values_by_number[rule.audience].name
    if audience not in _AUDIENCES:
        return None
    idempotency = rule.DESCRIPTOR.fields_by_name["idempotency"].enum_type.values_by_number[rule.idempotency].name
    request, response = method.input_type, method.output_type
    end = response.fields_by_name.get("end")
    return Method(
        name=method.name,
        path=f"/{method.containing_service.full_name}/{method.name}",
        request=request.name,
        response=response.name,
        fields=tuple(_field(known, field) for field in request.fields),
        comment=known.comments.get(method.full_name, ""),
        idempotency=idempotency.removeprefix("IDEMPOTENCY_"),
        anonymous=audience == "AUDIENCE_ANONYMOUS",
        keyed=idempotency == "IDEMPOTENCY_KEYED" and "request_id" in request.fields_by_name,
        streams=method.server_streaming,
        resume=_resume(method) if method.server_streaming else None,
        ends_with_run=bool(end and end.message_type and "run" in end.message_type.fields_by_name),
        items=_items(known, method),
    )


def _field(known: _Descriptors, field: FieldDescriptor) -> Field:
    required = _REQUIRED in known.option(field, "google.api.field_behavior")
    return field_of(field, required=required, comment=known.comments.get(field.full_name, ""))


def _resume(method: MethodDescriptor) -> tuple[str, str] | None:
    for asked, told in _RESUME.items():
        if asked in method.input_type.fields_by_name and told in method.output_type.fields_by_name:
            return asked, told
    return None


def _items(known: _Descriptors, method: MethodDescriptor) -> Field | None:
    """The repeated field of a page; None when the method gives no pages."""
    if "page_token" not in method.input_type.fields_by_name:
        return None
    return next(_field(known, field) for field in method.output_type.fields if field.is_repeated)


def _comments(file: FileDescriptorProto) -> dict[str, str]:
    texts = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
    return {f"{file.package}.{name}": " ".join(texts[path].split()) for name, path in _places(file) if texts.get(path)}


def _places(file: FileDescriptorProto) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and paths of source info; the numbers are those of descriptor.proto's fields."""
    for i, message in enumerate(file.message_type):
        yield message.name, (4, i)
        yield from ((f"{message.name}.{field.name}", (4, i, 2, j)) for j, field in enumerate(message.field))
    for i, enum in enumerate(file.enum_type):
        yield from ((f"{enum.name}.{value.name}", (5, i, 2, j)) for j, value in enumerate(enum.value))
    for i, service in enumerate(file.service):
        yield service.name, (6, i)
        yield from ((f"{service.name}.{method.name}", (6, i, 2, j)) for j, method in enumerate(service.method))
