"""What the fields of a request may hold: rules of the descriptors, compiled once into closures."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from stackly.options.v1 import options_pb2
from stackly_server.errors import FieldProblem, Invalid, NotFound


@dataclass(slots=True)
class Findings:
    """What a check finds: wrong fields, and names of things of another account than the caller's (if it has one)."""

    account: str
    problems: list[FieldProblem] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def add(self, place: str, problem: str) -> None:
        """Notes what is wrong with a field."""
        self.problems.append(FieldProblem(place, problem))


Check = Callable[[Message, str, Findings], None]
_Value = Callable[[Any], str | None]

_PROBLEMS_MAX = 20
_SEGMENT = r"[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?"
_REQUIRED = field_behavior_pb2.FieldBehavior.Value("REQUIRED")
_OUTPUT_ONLY = field_behavior_pb2.FieldBehavior.Value("OUTPUT_ONLY")
_TEXT = (FieldDescriptor.CPPTYPE_STRING,)
_BOUNDS: Any = options_pb2.bounds  # the stubs give no value type to custom options
_NUMBERS = (
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
)


class Fields:
    """The checks of one kind of request.

    The field `resource_field` (dotted) must hold a name of the pattern `resource`, even where its message says
    OUTPUT_ONLY. In an update, told by its `update_mask`, nested fields are not required: what is not set stays as it is.
    With `wildcard` a name may end in `-`.
    """

    def __init__(self, request: Descriptor, resource_field: str, resource: str, *, wildcard: bool) -> None:
        self._keep = resource_field
        self._resource = resource
        self._update = "update_mask" in request.fields_by_name
        self._wildcard = wildcard
        self._messages: dict[tuple[str, str], list[Check]] = {}
        self._check = self._message(request, "")

    def check(self, request: Message, account: str = "") -> None:
        """Clears what only the server sets, then refuses with VALIDATION_FAILED and every field that is wrong.

        With `account`, a name anywhere in the request that begins with another account is not found.
        """
        found = Findings(account)
        self._check(request, "", found)
        if problems := found.problems[:_PROBLEMS_MAX]:
            names = ", ".join(problem.field for problem in problems[:3])
            raise Invalid("VALIDATION_FAILED", f"The request is not valid: {names}.", fields=problems)
        if found.foreign:
            raise NotFound("such thing as", found.foreign[0])

    def _message(self, descriptor: Descriptor, path: str) -> Check:
        """The check of a message; `path` matters only on the way to the resource field."""
        place = (descriptor.full_name, path if self._keep.startswith(path) else "-")
        if place not in self._messages:
            checks = self._messages[place] = []  # filled below: a message may hold itself
            checks.extend(check for field in descriptor.fields for check in self._field(field, place[1]))
        held = self._messages[place]

        def check_message(message: Message, at: str, found: Findings) -> None:
            for check in held:
                check(message, at, found)

        return check_message

    def _field(self, field: FieldDescriptor, path: str) -> Iterable[Check]:
        options = field.GetOptions()
        behaviour = options.Extensions[field_behavior_pb2.field_behavior]
        full = f"{path}.{field.name}".lstrip(".")
        kept = full == self._keep
        if _OUTPUT_ONLY in behaviour and not kept:
            yield _clear(field)
            return
        on_the_way = self._keep.startswith(f"{full}.")
        if kept or on_the_way or (_REQUIRED in behaviour and not (self._update and path)):
            yield _required(field)
        bounds: options_pb2.FieldRule = options.Extensions[_BOUNDS]
        yield from _sizes(field, bounds)
        if resource := self._resource if kept else bounds.resource:
            yield _names(field, resource, wildcard=self._wildcard)
        values = [*_values(field, bounds), *_closed_enum(field)]
        if values:
            yield _each(field, values)
        if field.message_type is not None and not _foreign(field):
            yield self._nested(field, full)

    def _nested(self, field: FieldDescriptor, path: str) -> Check:
        name = field.name
        if _is_map(field) and (value_type := _map_value(field)) is not None:
            inner = self._message(value_type, "-")

            def check_map(message: Message, at: str, found: Findings) -> None:
                for key, value in getattr(message, name).items():
                    inner(value, f"{at}{name}[{key[:64]}].", found)

            return check_map
        held: Any = field.message_type
        inner = self._message(held, path)
        if field.is_repeated:

            def check_items(message: Message, at: str, found: Findings) -> None:
                for index, value in enumerate(getattr(message, name)):
                    inner(value, f"{at}{name}[{index}].", found)

            return check_items

        def check_one(message: Message, at: str, found: Findings) -> None:
            if message.HasField(name):
                inner(getattr(message, name), f"{at}{name}.", found)

        return check_one


def resource_pattern(pattern: str, *, wildcard: bool) -> re.Pattern[str]:
    """`accounts/*/runs/*` as a regular expression; with `wildcard` the last part may be `-`."""
    parts = [_SEGMENT if part == "*" else re.escape(part) for part in pattern.split("/")]
    if wildcard and len(parts) > 2 and pattern.endswith("*"):  # noqa: PLR2004  (never all accounts)
        parts[-1] = f"({parts[-1]}|-)"
    return re.compile("/".join(parts))


def _clear(field: FieldDescriptor) -> Check:
    def clear(message: Message, _at: str, _found: Findings) -> None:
        message.ClearField(field.name)

    return clear


def _required(field: FieldDescriptor) -> Check:
    name, presence = field.name, field.has_presence

    def required(message: Message, at: str, found: Findings) -> None:
        if not (message.HasField(name) if presence else getattr(message, name)):
            found.add(at + name, "is required")

    return required


def _sizes(field: FieldDescriptor, bounds: options_pb2.FieldRule) -> Iterable[Check]:
    name, least, most = field.name, bounds.min_length, bounds.max_length
    if not (least or most):
        return
    unit = (
        "items" if field.is_repeated else "characters" if field.cpp_type in _TEXT and not _is_bytes(field) else "bytes"
    )

    def sized(message: Message, at: str, found: Findings) -> None:
        length = len(getattr(message, name))
        if length and length < least:
            found.add(at + name, f"must have at least {least} {unit}")
        if most and length > most:
            found.add(at + name, f"must have at most {most} {unit}")

    yield sized


def _each(field: FieldDescriptor, values: list[_Value]) -> Check:
    """Checks each value that is set: of a repeated field its items, of a map its keys."""
    name = field.name

    def each(message: Message, at: str, found: Findings) -> None:
        for value in _set_values(message, field):
            for problem in filter(None, (check(value) for check in values)):
                found.add(at + name, problem)
                return

    return each


def _names(field: FieldDescriptor, pattern: str, *, wildcard: bool) -> Check:
    """Checks resource names: their shape, and that they are of the caller's account."""
    name, shape = field.name, resource_pattern(pattern, wildcard=wildcard)

    def names(message: Message, at: str, found: Findings) -> None:
        for value in _set_values(message, field):
            if not shape.fullmatch(value):
                found.add(at + name, f"must be {pattern}")
                return
            if found.account and value.split("/")[1] != found.account:
                found.foreign.append(value)

    return names


def _values(field: FieldDescriptor, bounds: options_pb2.FieldRule) -> Iterable[_Value]:
    if bounds.pattern:
        yield _matches(re.compile(bounds.pattern), f"must match {bounds.pattern}")
    if bounds.uuid:
        yield _is_uuid
    if field.cpp_type in _NUMBERS and (bounds.HasField("min") or bounds.HasField("max")):
        yield _within(bounds.min if bounds.HasField("min") else None, bounds.max if bounds.HasField("max") else None)


def _set_values(message: Message, field: FieldDescriptor) -> Iterable[Any]:
    """The values of a field that are set; an empty text without presence is not."""
    held = getattr(message, field.name)
    if field.is_repeated:
        return held  # type: ignore[no-any-return]
    return (held,) if held or (field.has_presence and message.HasField(field.name)) else ()


def _matches(pattern: re.Pattern[str], problem: str) -> _Value:
    return lambda value: None if pattern.fullmatch(value) else problem


def _within(least: int | None, most: int | None) -> _Value:
    def within(value: int) -> str | None:
        if least is not None and value < least:
            return f"must be at least {least}"
        if most is not None and value > most:
            return f"must be at most {most}"
        return None

    return within


def _is_uuid(value: str) -> str | None:
    try:
        good = str(UUID(value)) == value
    except ValueError:
        good = False
    return None if good else "must be a UUID in lower case with hyphens"


def _closed_enum(field: FieldDescriptor) -> Iterable[_Value]:
    if field.enum_type is not None:
        known = frozenset(field.enum_type.values_by_number)
        yield lambda value: None if value in known else "is no known value"


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _map_value(field: FieldDescriptor) -> Descriptor | None:
    entry: Any = field.message_type
    return entry.fields_by_name["value"].message_type  # type: ignore[no-any-return]


def _is_bytes(field: FieldDescriptor) -> bool:
    return bool(field.type == FieldDescriptor.TYPE_BYTES)


def _foreign(field: FieldDescriptor) -> bool:
    """Messages that carry no rules of ours: well-known types, HttpBody, and maps of plain values."""
    held = _map_value(field) if _is_map(field) else field.message_type
    return held is None or not held.full_name.startswith("stackly.")
