"""Blocks to typed values: every problem is noted with its place and reading goes on, so one look shows them all."""

from __future__ import annotations

import difflib
import re
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from stackly_server.hcl.document import (
    Attribute,
    Block,
    Call,
    Document,
    Expression,
    HclError,
    ListValue,
    ObjectValue,
    Place,
    Plain,
    Problem,
    Scalar,
    Value,
    plain,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ID = re.compile(r"[a-z]([a-z0-9_-]{0,61}[a-z0-9])?")
"""A name that users give: 1 to 63 characters."""
ID_RULE = "1 to 63 of a-z, 0-9, `_` and `-`, beginning with a letter and not ending in `_` or `-`"

_T = TypeVar("_T")

_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZE = re.compile(r"([1-9][0-9]{0,8})(MiB|GiB)")
_BYTES = {"MiB": 2**20, "GiB": 2**30}


class Notes:
    """Collects the problems of one document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._problems: list[Problem] = []

    def add(self, place: Place, message: str) -> None:
        """Notes a problem."""
        self._problems.append(self._document.problem(place, message))

    def problem(self, place: Place, message: str) -> Problem:
        """A problem with its line, not noted."""
        return self._document.problem(place, message)

    def check(self) -> None:
        """Raises what was noted, if anything.

        Raises:
            HclError: at least one problem was noted.
        """
        if self._problems:
            raise HclError(sorted(self._problems, key=lambda problem: (problem.line, problem.column)))


class Body:
    """Reads one block by name. What was never asked for is unknown: `close` notes it, with the nearest known name."""

    def __init__(self, block: Block, title: str, notes: Notes) -> None:
        self.block = block
        self.title = title
        self.notes = notes
        self._attributes = {attribute.name: attribute for attribute in block.attributes}
        self._known_attributes: set[str] = set()
        self._known_blocks: set[str] = set()

    def attribute(self, name: str) -> Attribute | None:
        """The attribute, whatever its type."""
        self._known_attributes.add(name)
        return self._attributes.get(name)

    def text(self, name: str) -> str | None:
        """A string that is not empty."""
        return self._typed(name, _text, "a string that is not empty")

    def boolean(self, name: str) -> bool | None:
        """A bool."""
        return self._typed(name, _boolean, "true or false")

    def whole(self, name: str, least: int, most: int) -> int | None:
        """A whole number within bounds, both included."""
        return self._typed(name, lambda value: _whole(value, least, most), f"a whole number from {least} to {most}")

    def positive(self, name: str, most: int) -> Decimal | None:
        """A number above 0, up to `most`."""
        return self._typed(name, lambda value: _positive(value, most), f"a number above 0, at most {most}")

    def seconds(self, name: str) -> int | None:
        """A duration, in seconds."""
        return self._typed(name, _seconds, 'a duration such as "90s", "30m", "2h" or "7d"')

    def size(self, name: str) -> int | None:
        """A size, in bytes."""
        return self._typed(name, _size, 'a size such as "512MiB" or "2GiB"')

    def choice(self, name: str, choices: Iterable[str]) -> str | None:
        """One of these words."""
        words = tuple(choices)
        wanted = ", ".join(f'"{word}"' for word in words)
        return self._typed(name, lambda value: _choice(value, words), wanted if len(words) == 1 else f"one of {wanted}")

    def identifier(self, name: str) -> str | None:
        """A name as users give them."""
        return self._typed(name, _identifier, ID_RULE)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of distinct strings, none of them empty; absent: ()."""
        return self._typed(name, _texts, "a list of distinct strings, none of them empty") or ()

    def text_map(self, name: str) -> dict[str, str]:
        """An object of strings; absent: {}."""
        return self._typed(name, _text_map, 'an object of strings, as in { team = "net" }') or {}

    def known_block(self, kind: str) -> None:
        """Takes blocks of this kind as known; the caller sees to them."""
        self._known_blocks.add(kind)

    def blocks(self, kind: str, labels: int = 0) -> tuple[Block, ...]:
        """All blocks of a kind; one with another number of labels is noted and left out."""
        self._known_blocks.add(kind)
        found = [block for block in self.block.blocks if block.kind == kind]
        for block in found:
            if len(block.labels) != labels:
                self.notes.add(block.place, f"{kind} takes {_labels(labels)}")
        return tuple(block for block in found if len(block.labels) == labels)

    def only(self, kind: str, labels: int = 0) -> Block | None:
        """The one block of a kind, or None; a second one is noted."""
        found = self.blocks(kind, labels)
        for block in found[1:]:
            self.notes.add(
                block.place, f"{kind} stands twice in {self.title}; the first is in line {found[0].place.line}"
            )
        return found[0] if found else None

    def inner(self, kind: str) -> Body | None:
        """The one block of a kind without labels, to be read."""
        block = self.only(kind)
        return None if block is None else Body(block, kind, self.notes)

    def close(self) -> None:
        """Notes every attribute and block that nobody asked for."""
        for attribute in self.block.attributes:
            if attribute.name not in self._known_attributes:
                self.notes.add(attribute.place, self._unknown("attribute", attribute.name))
        for block in self.block.blocks:
            if block.kind not in self._known_blocks:
                self.notes.add(block.place, self._unknown("block", block.kind))

    def _unknown(self, what: str, name: str) -> str:
        if what == "attribute" and name in self._known_blocks:
            return f"{name} is a block in {self.title}: write `{name} {{ … }}` without `=`"
        if what == "block" and name in self._known_attributes:
            return f"{name} is an attribute in {self.title}: write `{name} = …`"
        known = sorted(self._known_attributes | self._known_blocks)
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
        hint = f"; the nearest known name is {near[0]}" if near else ""
        return f"unknown {what} {name} in {self.title}{hint}"

    def _typed(self, name: str, read: Callable[[Value], _T | None], wanted: str) -> _T | None:
        attribute = self.attribute(name)
        if attribute is None:
            return None
        found = read(attribute.value)
        if found is None:
            self.notes.add(attribute.value.place, f"{name} must be {wanted}, not {described(attribute.value)}")
        return found


def described(value: Value) -> str:
    """What a value is, in words for a message."""
    match value:
        case Scalar(value=found):
            return _scalar_words(found)
        case ListValue():
            return "this list"
        case ObjectValue():
            return "this object"
        case Call(name=name):
            return f"a call of {name}"
        case _:
            return "an expression"


def _scalar_words(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case Decimal():
            return f"the number {value}"
        case _:
            return f'"{str(value)[:40]}"' if value else "an empty string"


def strangers(value: Value) -> tuple[Call | Expression, ...]:
    """The calls and expressions inside a value, outermost only, in order."""
    match value:
        case Call() | Expression():
            return (value,)
        case ListValue(items=items):
            return tuple(found for item in items for found in strangers(item))
        case ObjectValue(items=pairs):
            return tuple(found for pair in pairs for found in strangers(pair.value))
        case _:
            return ()


def literal(value: Value) -> Plain:
    """The plain value of a literal.

    Raises:
        TypeError: it is none; ask `strangers` first.
    """
    if isinstance(value, (Call, Expression)):
        message = "not a literal"
        raise TypeError(message)
    return plain(value)


def _labels(count: int) -> str:
    return {0: "no label", 1: "one label, its name in quotes"}.get(count, f"{count} labels")


def _text(value: Value) -> str | None:
    return value.value if isinstance(value, Scalar) and isinstance(value.value, str) and value.value else None


def _boolean(value: Value) -> bool | None:
    return value.value if isinstance(value, Scalar) and isinstance(value.value, bool) else None


def _number(value: Value) -> Decimal | None:
    return value.value if isinstance(value, Scalar) and isinstance(value.value, Decimal) else None


def _whole(value: Value, least: int, most: int) -> int | None:
    number = _number(value)
    if number is None or not least <= number <= most or number != int(number):
        return None
    return int(number)


def _positive(value: Value, most: int) -> Decimal | None:
    number = _number(value)
    return number if number is not None and 0 < number <= most else None


def _seconds(value: Value) -> int | None:
    found = _DURATION.fullmatch(_text(value) or "")
    return int(found[1]) * _SECONDS[found[2]] if found else None


def _size(value: Value) -> int | None:
    found = _SIZE.fullmatch(_text(value) or "")
    return int(found[1]) * _BYTES[found[2]] if found else None


def _choice(value: Value, words: tuple[str, ...]) -> str | None:
    text = _text(value)
    return text if text in words else None


def _identifier(value: Value) -> str | None:
    text = _text(value)
    return text if text is not None and ID.fullmatch(text) else None


def _texts(value: Value) -> tuple[str, ...] | None:
    if not isinstance(value, ListValue):
        return None
    items = [_text(item) for item in value.items]
    texts = tuple(item for item in items if item is not None)
    return texts if len(set(texts)) == len(items) else None


def _text_map(value: Value) -> dict[str, str] | None:
    if not isinstance(value, ObjectValue):
        return None
    pairs = {item.name: _text(item.value) for item in value.items}
    texts = {name: text for name, text in pairs.items() if text is not None}
    return texts if len(texts) == len(pairs) else None
