"""Hypothesis strategies that fill any message of a descriptor with values that both codecs can hold."""

import datetime as dt
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

# Surrogates are no text on the wire.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# betterproto2 gives datetime and timedelta, which end at microseconds: finer times are cut, and nobody sends them.
_MOMENTS = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30), timezones=st.just(dt.UTC))  # noqa: DTZ001
# betterproto2 0.10 gets negative spans with a fraction wrong; no field of ours is ever negative.
_SPANS = st.timedeltas(dt.timedelta(0), dt.timedelta(days=10_000))
_KINDS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_STRING: TEXT,
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=12),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.TYPE_DOUBLE: st.floats(allow_nan=False),
}


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, depth: int = 3) -> Message:
    """A message of any subset of its fields; at most one of each oneof."""
    message = GetMessageClass(descriptor)()
    fields = draw(st.lists(st.sampled_from(list(descriptor.fields)), unique_by=_group)) if descriptor.fields else []
    for field in fields:
        _fill(draw, message, field, depth)
    return message


def _group(field: FieldDescriptor) -> str:
    return field.containing_oneof.full_name if field.containing_oneof else field.full_name


def _fill(draw: st.DrawFn, message: Message, field: FieldDescriptor, depth: int) -> None:
    values: Any = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        _fill_map(draw, values, field.message_type, depth)
    elif field.message_type is not None and depth == 0:
        return
    elif field.is_repeated:
        kinds = st.lists(_values(field, depth), max_size=3)
        for value in draw(kinds):
            values.add().CopyFrom(value) if field.message_type else values.append(value)
    elif field.message_type is not None:
        values.CopyFrom(draw(_values(field, depth)))
        values.SetInParent()
    else:
        setattr(message, field.name, draw(_values(field, depth)))


def _fill_map(draw: st.DrawFn, values: Any, entry: Descriptor, depth: int) -> None:
    key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
    for name, filled in draw(st.dictionaries(_values(key, depth), _values(value, depth), max_size=3)).items():
        if value.message_type:
            values[name].CopyFrom(filled)
        else:
            values[name] = filled


def _values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    if field.message_type is None:
        return _KINDS[field.type]
    name = field.message_type.full_name
    if name == "google.protobuf.Timestamp":
        return _MOMENTS.map(lambda moment: _from_micros(field.message_type, moment - _EPOCH))
    if name == "google.protobuf.Duration":
        return _SPANS.map(lambda span: _span(field.message_type, span))
    return messages(field.message_type, depth - 1)


def _from_micros(descriptor: Descriptor | None, span: dt.timedelta) -> Message:
    assert descriptor is not None
    micros = span // dt.timedelta(microseconds=1)
    return GetMessageClass(descriptor)(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1000)


def _span(descriptor: Descriptor | None, span: dt.timedelta) -> Message:
    assert descriptor is not None
    message: Any = GetMessageClass(descriptor)()
    message.FromTimedelta(span)
    return message  # type: ignore[no-any-return]
