"""How a field of a request looks as a keyword argument of a client's method."""

import keyword
from dataclasses import dataclass

from google.protobuf.descriptor import FieldDescriptor

_SCALARS = {
    FieldDescriptor.TYPE_STRING: ("str", '""'),
    FieldDescriptor.TYPE_BYTES: ("bytes", 'b""'),
    FieldDescriptor.TYPE_BOOL: ("bool", "False"),
    FieldDescriptor.TYPE_INT32: ("int", "0"),
    FieldDescriptor.TYPE_INT64: ("int", "0"),
    FieldDescriptor.TYPE_UINT32: ("int", "0"),
    FieldDescriptor.TYPE_UINT64: ("int", "0"),
    FieldDescriptor.TYPE_DOUBLE: ("float", "0.0"),
}
_WELL_KNOWN = {
    "google.protobuf.Timestamp": "datetime.datetime",
    "google.protobuf.Duration": "datetime.timedelta",
}
_MASK = "google.protobuf.FieldMask"


@dataclass(frozen=True)
class Field:
    """`name` is the field's, `argument` the keyword's; `value` is what goes into the message."""

    name: str
    argument: str
    annotation: str
    default: str | None
    value: str
    comment: str
    item: str  # the type of one value: of an item, where the field is repeated


def field_of(field: FieldDescriptor, *, required: bool, comment: str) -> Field:
    """Raises ValueError for a kind of field that no request has yet."""
    name = f"{field.name}_" if keyword.iskeyword(field.name) else field.name
    # Every method has a `timeout` of its own.
    argument = f"server_{name}" if name == "timeout" else name
    item = _type(field)
    if (entry := _map_value(field)) is not None:
        return Field(
            name, argument, f"Mapping[str, {_type(entry)}] | None", "None", f"dict({argument} or {{}})", comment, item
        )
    if field.is_repeated:
        return Field(name, argument, f"Sequence[{item}]", "()", f"list({argument})", comment, item)
    if item == _MASK:
        value = f"FieldMask(paths=list({argument})) if {argument} else None"
        return Field(name, argument, "Sequence[str]", "()", value, comment, item)
    if field.message_type is not None or field.has_presence:
        annotation = item if required else f"{item} | None"
        return Field(name, argument, annotation, None if required else "None", argument, comment, item)
    return Field(name, argument, item, None if required else _default(field), argument, comment, item)


def _default(field: FieldDescriptor) -> str:
    return f"{field.enum_type.name}(0)" if field.enum_type else _SCALARS[field.type][1]


def _type(field: FieldDescriptor) -> str:
    if field.message_type is not None:
        full = field.message_type.full_name
        return _WELL_KNOWN.get(full) or (_MASK if full == _MASK else field.message_type.name)
    if field.enum_type is not None:
        return field.enum_type.name
    if field.type not in _SCALARS:
        raise ValueError(f"{field.full_name}: no client has an argument of this kind yet")
    return _SCALARS[field.type][0]


def _map_value(field: FieldDescriptor) -> FieldDescriptor | None:
    """The value's field of a map; None when the field is none."""
    if field.message_type is None or not field.message_type.GetOptions().map_entry:
        return None
    return field.message_type.fields_by_name["value"]
