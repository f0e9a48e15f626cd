"""Writes the OpenAPI 3.1 document of the REST side from the same descriptors that Envoy transcodes by."""

import json
import re
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

from generator.reading import Method, Options, messages, methods
from generator.schemas import Schema, Schemas

_VERBS = ("get", "post", "put", "patch", "delete")
_VARIABLE = re.compile(r"\{([a-z_.]+)(?:=([^}]*))?\}")
_ANONYMOUS = 1  # stackly.options.v1.Audience
_ERROR: Schema = {
    "type": "object",
    "description": "What went wrong, for every status that is not 2xx.",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "integer", "description": "The gRPC status code, 1 to 16."},
        "message": {"type": "string", "description": "For people; may change."},
        "reason": {"type": "string", "description": "A name of ErrorReason without its prefix; stable, for programs."},
        "details": {"type": "array", "items": {"type": "object"}, "description": "google.rpc error details."},
    },
}


def write(files: list[FileDescriptorProto], path: Path) -> None:
    """Writes the document: one operation for each HTTP rule, in the order of the paths."""
    path.write_text(json.dumps(document(files), indent=1, ensure_ascii=False) + "\n")


def document(files: list[FileDescriptorProto]) -> dict[str, Any]:
    """Gives the document as JSON-ready values."""
    options = Options(files)
    schemas = Schemas(messages(files), options)
    paths: dict[str, dict[str, Any]] = {}
    for method in methods(file for file in files if file.name.startswith("stackly/")):
        rule = options.get(method.proto, "google.api.http")
        for number, binding in enumerate((rule, *rule.additional_bindings)):
            verb = binding.WhichOneof("pattern")
            if verb in _VERBS:
                operation = _Operation(method, binding.body, getattr(binding, verb), schemas)
                anonymous = options.get(method.proto, "stackly.options.v1.rule").audience == _ANONYMOUS
                paths.setdefault(operation.path, {})[verb] = operation.made(number, anonymous=anonymous)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stackly",
            "version": "v1",
            "description": "Terraform stacks under policy. The same calls as by gRPC: JSON names in camelCase, 64-bit "
            "integers and durations as strings, enums by name, bytes as base64, streams as one JSON object a line.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"bearer": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": dict(sorted({**schemas.made, "Error": _ERROR}.items())),
        },
    }


class _Operation:
    def __init__(self, method: Method, body: str, template: str, schemas: Schemas) -> None:
        self._method = method
        self._body = body
        self._schemas = schemas
        self._bound = {found[1] for found in _VARIABLE.finditer(template)}
        self._variables: list[tuple[str, str]] = []
        self.path = _VARIABLE.sub(self._expand, template)

    def made(self, number: int, *, anonymous: bool) -> dict[str, Any]:
        method = self._method
        operation: dict[str, Any] = {
            "operationId": f"{method.service}_{method.proto.name}" + (f"_{number}" if number else ""),
            "tags": [method.service],
            "description": method.comment,
        }
        if anonymous:
            operation["security"] = []
        if parameters := [*self._path_parameters(), *self._query_parameters()]:
            operation["parameters"] = parameters
        if self._body:
            operation["requestBody"] = {"required": True, "content": self._body_content()}
        error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
        operation["responses"] = {"200": self._answer(), "default": {"description": "An error.", "content": error}}
        return operation

    @property
    def _request(self) -> DescriptorProto:
        return self._schemas.message(self._method.proto.input_type)

    def _expand(self, found: re.Match[str]) -> str:
        field, pattern = found[1], found[2] or "*"
        parts = pattern.split("/")
        for place, part in enumerate(parts):
            if part in {"*", "**"}:
                name = _singular(parts[place - 1]) if place else field.rpartition(".")[2]
                self._variables.append((name, field))
                parts[place] = f"{{{name}}}"
        return "/".join(parts)

    def _path_parameters(self) -> list[Schema]:
        return [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "description": f"In `{field}`"}
            for name, field in self._variables
        ]

    def _query_parameters(self) -> list[Schema]:
        if self._body == "*":
            return []
        owner = self._method.proto.input_type
        return [
            _query_parameter(member, self._schemas.field(owner, member))
            for member in self._request.field
            if member.name != self._body and not any(_is_within(bound, member.name) for bound in self._bound)
        ]

    def _body_content(self) -> Schema:
        owner = self._method.proto.input_type
        if self._body == "*":
            schema = self._schemas.object(owner, self._request, frozenset(self._bound))
            return {"application/json": {"schema": schema}}
        member = next(member for member in self._request.field if member.name == self._body)
        return self._content(member.type_name) or {"application/json": {"schema": self._schemas.field(owner, member)}}

    def _answer(self) -> Schema:
        response = self._method.proto.output_type
        if content := self._content(response):
            return {"description": "The bytes as they are.", "content": content}
        schema = self._schemas.reference(response)
        if self._method.proto.server_streaming:
            return {
                "description": "A stream, one JSON object a line; its last record says how it ended.",
                "content": {"application/x-ndjson": {"schema": schema}},
            }
        return {"description": "The answer.", "content": {"application/json": {"schema": schema}}}

    @staticmethod
    def _content(type_name: str) -> Schema:
        return {"*/*": {"schema": {}}} if type_name == ".google.api.HttpBody" else {}


def _query_parameter(member: FieldDescriptorProto, schema: Schema) -> Schema:
    description = schema.pop("description", "")
    return {"name": member.json_name, "in": "query", "schema": schema, "description": description}


def _is_within(path: str, field: str) -> bool:
    return path == field or path.startswith(f"{field}.")


def _singular(plural: str) -> str:
    return f"{plural[:-3]}y" if plural.endswith("ies") else plural.removesuffix("s")
