"""Messages and enums as JSON schemas, in the JSON mapping of protobuf as Envoy writes it."""

from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto

from generator.reading import Messages, Options

Schema = dict[str, Any]

_F = FieldDescriptorProto
_INT32: Schema = {"type": "integer", "format": "int32"}
_INT64: Schema = {"type": "string", "format": "int64"}
_UINT32: Schema = {"type": "integer", "minimum": 0}
_UINT64: Schema = {"type": "string", "format": "uint64"}
_SCALARS: dict[int, Schema] = {
    _F.TYPE_BOOL: {"type": "boolean"},
    _F.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    _F.TYPE_DOUBLE: {"type": "number", "format": "double"},
    _F.TYPE_FIXED32: _UINT32,
    _F.TYPE_FIXED64: _UINT64,
    _F.TYPE_FLOAT: {"type": "number", "format": "float"},
    _F.TYPE_INT32: _INT32,
    _F.TYPE_INT64: _INT64,
    _F.TYPE_SFIXED32: _INT32,
    _F.TYPE_SFIXED64: _INT64,
    _F.TYPE_SINT32: _INT32,
    _F.TYPE_SINT64: _INT64,
    _F.TYPE_STRING: {"type": "string"},
    _F.TYPE_UINT32: _UINT32,
    _F.TYPE_UINT64: _UINT64,
}
_WELL_KNOWN: dict[str, Schema] = {
    ".google.protobuf.Any": {"type": "object", "properties": {"@type": {"type": "string"}}},
    ".google.protobuf.Duration": {"type": "string", "description": 'Seconds, such as "3.5s".'},
    ".google.protobuf.Empty": {"type": "object"},
    ".google.protobuf.FieldMask": {"type": "string", "description": "Field names in camelCase, by comma."},
    ".google.protobuf.ListValue": {"type": "array", "items": {}},
    ".google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    ".google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    ".google.protobuf.Value": {},
}
_REQUIRED, _OUTPUT_ONLY = 2, 3  # google.api.FieldBehavior


class Schemas:
    """Makes schemas on demand; `made` holds each that was referred to, by its name in the document."""

    def __init__(self, known: Messages, options: Options) -> None:
        self._known = known
        self._options = options
        self.made: dict[str, Schema] = {}

    def message(self, name: str) -> DescriptorProto:
        return self._known.messages[name]

    def reference(self, name: str) -> Schema:
        """Gives a `$ref` to a message or enum (the schema itself for well-known types) and makes what it needs."""
        if name in _WELL_KNOWN:
            return dict(_WELL_KNOWN[name])
        shown = name.removeprefix(".stackly.v1.").lstrip(".")
        if shown not in self.made:
            self.made[shown] = {}  # stands before its members are made: a message may hold itself
            enum = self._known.enums.get(name)
            made = self._enum(name, enum) if enum else self.object(name, self._known.messages[name])
            self.made[shown] = made
        return {"$ref": f"#/components/schemas/{shown}"}

    def object(self, name: str, message: DescriptorProto, without: frozenset[str] = frozenset()) -> Schema:
        """Gives the schema of a message, leaving out the fields named in `without`."""
        fields = [member for member in message.field if member.name not in without]
        schema: Schema = {"type": "object"}
        if comment := self._known.comments.get(name):
            schema["description"] = comment
        if fields:
            schema["properties"] = {member.json_name: self.field(name, member) for member in fields}
        if required := [member.json_name for member in fields if _REQUIRED in self._behavior(member)]:
            schema["required"] = required
        return schema

    def field(self, owner: str, member: FieldDescriptorProto) -> Schema:
        """Gives the schema of a field with its comment and bounds."""
        schema = self._container(member)
        notes = [self._known.comments.get(f"{owner}.{member.name}", ""), self._oneof_note(owner, member)]
        if text := " ".join(note for note in notes if note):
            schema["description"] = text
        if _OUTPUT_ONLY in self._behavior(member):
            schema["readOnly"] = True
        return schema

    def _container(self, member: FieldDescriptorProto) -> Schema:
        if member.label != _F.LABEL_REPEATED:
            return {**self._single(member), **self._bounds(member, "Length")}
        entry = self._known.messages.get(member.type_name)
        if entry is not None and entry.options.map_entry:
            values = self._single(entry.field[1])
            return {"type": "object", "additionalProperties": values, **self._bounds(member, "Properties")}
        return {"type": "array", "items": self._single(member), **self._bounds(member, "Items")}

    def _single(self, member: FieldDescriptorProto) -> Schema:
        return dict(_SCALARS[member.type]) if member.type in _SCALARS else self.reference(member.type_name)

    def _bounds(self, member: FieldDescriptorProto, counted: str) -> Schema:
        bounds = self._options.get(member, "stackly.options.v1.bounds")
        found: Schema = {}
        if bounds.min_length:
            found[f"min{counted}"] = bounds.min_length
        if bounds.max_length:
            found[f"max{counted}"] = bounds.max_length
        if bounds.pattern and counted == "Length":
            found["pattern"] = bounds.pattern
        if bounds.uuid and counted == "Length":
            found["format"] = "uuid"
        if bounds.HasField("min"):
            found["minimum"] = bounds.min
        if bounds.HasField("max"):
            found["maximum"] = bounds.max
        return found

    def _behavior(self, member: FieldDescriptorProto) -> list[int]:
        return list(self._options.get(member, "google.api.field_behavior"))

    def _oneof_note(self, owner: str, member: FieldDescriptorProto) -> str:
        if not member.HasField("oneof_index") or member.proto3_optional:
            return ""
        siblings = [
            other.json_name
            for other in self._known.messages[owner].field
            if other.HasField("oneof_index") and other.oneof_index == member.oneof_index
        ]
        return f"At most one of {', '.join(siblings)} is set."

    def _enum(self, name: str, enum: EnumDescriptorProto) -> Schema:
        comments = self._known.comments
        lines = [comments.get(name, ""), *(f"- {v.name}: {comments.get(f'{name}.{v.name}', '')}" for v in enum.value)]
        return {"type": "string", "enum": [value.name for value in enum.value], "description": "\n".join(lines)}
