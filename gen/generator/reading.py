"""Reads what a descriptor set says beside its types: comments and options."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    MethodDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

# Field numbers of FileDescriptorProto and DescriptorProto, which make up the paths of source info.
_FILE_MESSAGE, _FILE_ENUM, _FILE_SERVICE = 4, 5, 6
_MESSAGE_FIELD, _MESSAGE_NESTED, _MESSAGE_ENUM = 2, 3, 4
_ENUM_VALUE, _SERVICE_METHOD = 2, 2


@dataclass(frozen=True)
class Method:
    service: str
    proto: MethodDescriptorProto
    comment: str


@dataclass(frozen=True)
class Messages:
    """Every message and enum by its full name with a leading dot, as descriptors refer to them."""

    messages: dict[str, DescriptorProto] = field(default_factory=dict)
    enums: dict[str, EnumDescriptorProto] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)


class Options:
    """Reads extensions with the types of the set itself, so nothing generated need be importable."""

    def __init__(self, files: Iterable[FileDescriptorProto]) -> None:
        self._pool = DescriptorPool()
        for file in files:
            self._pool.Add(file)

    def get(self, holder: MethodDescriptorProto | FieldDescriptorProto, extension: str) -> Any:
        """Gives the value of an extension such as `google.api.http`, its default when unset."""
        name = type(holder.options).DESCRIPTOR.full_name
        known = GetMessageClass(self._pool.FindMessageTypeByName(name))
        options: Message = known.FromString(holder.options.SerializeToString())
        return options.Extensions[self._pool.FindExtensionByName(extension)]  # type: ignore[index]


def methods(files: Iterable[FileDescriptorProto]) -> Iterator[Method]:
    """Gives the methods of our services in the order of their files."""
    for file in files:
        comments = _comments(file)
        for i, service in enumerate(file.service):
            for j, method in enumerate(service.method):
                yield Method(service.name, method, comments.get((_FILE_SERVICE, i, _SERVICE_METHOD, j), ""))


def messages(files: Iterable[FileDescriptorProto]) -> Messages:
    """Gives all messages and enums; comments by full name, of fields and values by `name.field`."""
    found = Messages()
    for file in files:
        comments = _comments(file)
        scope = f".{file.package}"
        for i, message in enumerate(file.message_type):
            _add_message(found, comments, scope, message, (_FILE_MESSAGE, i))
        for i, enum in enumerate(file.enum_type):
            _add_enum(found, comments, scope, enum, (_FILE_ENUM, i))
    return found


def _add_message(
    found: Messages, comments: dict[tuple[int, ...], str], scope: str, message: DescriptorProto, path: tuple[int, ...]
) -> None:
    name = f"{scope}.{message.name}"
    found.messages[name] = message
    found.comments[name] = comments.get(path, "")
    for i, member in enumerate(message.field):
        found.comments[f"{name}.{member.name}"] = comments.get((*path, _MESSAGE_FIELD, i), "")
    for i, nested in enumerate(message.nested_type):
        _add_message(found, comments, name, nested, (*path, _MESSAGE_NESTED, i))
    for i, enum in enumerate(message.enum_type):
        _add_enum(found, comments, name, enum, (*path, _MESSAGE_ENUM, i))


def _add_enum(
    found: Messages, comments: dict[tuple[int, ...], str], scope: str, enum: EnumDescriptorProto, path: tuple[int, ...]
) -> None:
    name = f"{scope}.{enum.name}"
    found.enums[name] = enum
    found.comments[name] = comments.get(path, "")
    for i, value in enumerate(enum.value):
        found.comments[f"{name}.{value.name}"] = comments.get((*path, _ENUM_VALUE, i), "")


def _comments(file: FileDescriptorProto) -> dict[tuple[int, ...], str]:
    return {
        tuple(place.path): " ".join(line.strip() for line in place.leading_comments.splitlines()).strip()
        for place in file.source_code_info.location
        if place.leading_comments
    }
