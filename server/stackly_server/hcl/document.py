"""What an HCL file says: blocks, attributes and literal values, each with its place."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

LINE_TEXT_CHARACTERS = 200
"""A quoted line is cut after this many characters."""

Plain = str | Decimal | bool | None | tuple["Plain", ...] | Mapping[str, "Plain"]
"""A literal without places. Numbers are exact; objects keep the order of the file."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: line and column count from 1, columns in characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a file, with the offending line as it stands there (cut after 200 characters)."""

    message: str
    line: int
    column: int
    line_text: str = ""

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.message}"


class HclError(Exception):
    """The file cannot be accepted; `problems` (at least one) say why, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A string, an exact number, a bool or null."""

    value: str | Decimal | bool | None
    place: Place


@dataclass(frozen=True, slots=True)
class ListValue:
    """`[a, b]`."""

    items: tuple[Value, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class ObjectValue:
    """`{ a = 1 }`; keys are distinct."""

    items: tuple[Attribute, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Call:
    """`name(arguments)`: read, never evaluated here."""

    name: str
    arguments: tuple[Value, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Expression:
    """Any expression that is no literal; `text` is its source, cut after 200 characters."""

    text: str
    place: Place


Value = Scalar | ListValue | ObjectValue | Call | Expression


@dataclass(frozen=True, slots=True)
class Attribute:
    """`name = value`; the place is the name's."""

    name: str
    value: Value
    place: Place


@dataclass(frozen=True, slots=True)
class Label:
    """A block's label, quoted or bare."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Block:
    """`kind "label" { … }`; attribute names are distinct, blocks may repeat."""

    kind: str
    labels: tuple[Label, ...]
    attributes: tuple[Attribute, ...]
    blocks: tuple[Block, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Document:
    """A whole file; `body` is a block without kind and labels."""

    body: Block
    lines: tuple[str, ...]

    def problem(self, place: Place, message: str) -> Problem:
        """The problem at a place, with its line quoted."""
        return problem_at(self.lines, place, message)


def lines_of(data: bytes) -> tuple[str, ...]:
    """The lines as Terraform counts them: only a line feed ends one."""
    return tuple(data.decode("utf-8", errors="replace").split("\n"))


def problem_at(lines: Sequence[str], place: Place, message: str) -> Problem:
    """The problem at a place of these lines, with its line quoted."""
    text = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
    return Problem(message, place.line, place.column, text.rstrip("\r")[:LINE_TEXT_CHARACTERS])


def plain(value: Scalar | ListValue | ObjectValue) -> Plain:
    """The value without places.

    Raises:
        TypeError: a call or an expression is inside.
    """
    if isinstance(value, Scalar):
        return value.value
    if isinstance(value, ListValue):
        return tuple(plain(_literal(item)) for item in value.items)
    return {item.name: plain(_literal(item.value)) for item in value.items}


def json_text(value: Plain) -> str:
    """The value as JSON with every digit of its numbers, as a `.tfvars.json` file wants it."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)}: {json_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(json_text(item) for item in value) + "]"
    return json.dumps(value)


def document_from_wire(wire: Mapping[str, Any], lines: tuple[str, ...]) -> Document:
    """The document that the child process answered."""
    return Document(_block(wire), lines)


def _literal(value: Value) -> Scalar | ListValue | ObjectValue:
    if isinstance(value, (Call, Expression)):
        message = f"not a literal: line {value.place.line}"
        raise TypeError(message)
    return value


def _block(wire: Mapping[str, Any]) -> Block:
    return Block(
        kind=wire["kind"],
        labels=tuple(Label(text, Place(line, column)) for text, line, column in wire["labels"]),
        attributes=tuple(_attribute(item) for item in wire["attributes"]),
        blocks=tuple(_block(item) for item in wire["blocks"]),
        place=Place(*wire["place"]),
    )


def _attribute(wire: Sequence[Any]) -> Attribute:
    name, line, column, value = wire
    return Attribute(name, _value(value), Place(line, column))


def _value(wire: Sequence[Any]) -> Value:
    kind, content, line, column = wire
    place = Place(line, column)
    match kind:
        case "n":
            return Scalar(Decimal(content), place)
        case "l":
            return ListValue(tuple(_value(item) for item in content), place)
        case "o":
            return ObjectValue(tuple(_attribute(item) for item in content), place)
        case "c":
            return Call(content[0], tuple(_value(item) for item in content[1]), place)
        case "e":
            return Expression(content, place)
        case _:
            return Scalar(content, place)
