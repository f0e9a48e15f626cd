"""Terraform's JSON syntax as the same blocks and references, without ranges of bytes: such files are never cut."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from stackly_engine import exact
from stackly_engine.grammar import SyntaxProblem, tree_of
from stackly_engine.references import Reference, parts_of, references
from stackly_engine.syntax import Attribute, Block, ParsedFile, Span

_NOWHERE = Span(0, 0)
_COMMENT = "//"
_END = "STACKLY_END_OF_TEMPLATE"
# Labels of each kind of block; a name that is none of these is an attribute, whatever its value looks like.
_OUTER = {"resource": 2, "data": 2, "ephemeral": 2, "module": 1, "variable": 1, "output": 1, "check": 1, "provider": 1}
_INNER = {
    "lifecycle": 0, "provisioner": 1, "connection": 0, "dynamic": 1, "validation": 0, "precondition": 0, "assert": 0,
    "postcondition": 0, "required_providers": 0, "backend": 1, "cloud": 0, "provider_meta": 1, "encryption": 0,
}  # fmt: skip
_INSIDE = {"check": {"data": 2}, "dynamic": {"content": 0}}
_FLAT = frozenset({"locals", "required_providers"})
# Strings that are addresses or expressions as they stand, no templates.
_ADDRESSES = frozenset({"depends_on"})
_EXPRESSIONS = frozenset({"replace_triggered_by"})
_WORDS = frozenset({"source", "version", "provider", "providers", "ignore_changes", "iterator", "type"})


class _Object(list[tuple[str, Any]]):
    """A JSON object with all its keys, also those that stand there twice."""


def parse(file: str, data: bytes) -> ParsedFile:
    """The blocks of a file in JSON; SyntaxProblem when it is no JSON or a template inside is not understood."""
    try:
        document = json.loads(data.decode(), object_pairs_hook=_Object, parse_float=Decimal)
        return ParsedFile(file, data, tuple(_Reader(file).top(document)))
    except json.JSONDecodeError as error:
        raise SyntaxProblem(file, error.lineno, error.colno, error.msg) from None
    except UnicodeDecodeError:
        raise SyntaxProblem(file, 1, 1, "it is not UTF-8") from None
    except RecursionError:
        raise SyntaxProblem(file, 1, 1, "it is nested too deeply") from None


@dataclass(frozen=True, slots=True)
class _Reader:
    file: str

    def top(self, document: Any) -> Iterator[Block]:
        for part in document if type(document) is list else [document]:
            if not isinstance(part, _Object):
                raise SyntaxProblem(self.file, 1, 1, "no object of blocks")
            for kind, value in _members(part):
                yield from self.blocks(kind, _OUTER.get(kind, 0), (), value, frozenset())

    def blocks(
        self, kind: str, labels: int, named: tuple[str, ...], value: Any, bound: frozenset[str]
    ) -> Iterator[Block]:
        """Each block of a kind: below `labels` levels of names, an object or a list of them."""
        for item in value if type(value) is list else [value]:
            if not isinstance(item, _Object):
                raise SyntaxProblem(self.file, 1, 1, f"{kind} is no object")
            if labels == 0:
                yield self.block(kind, named, item, bound)
                continue
            for name, inner in _members(item):
                yield from self.blocks(kind, labels - 1, (*named, name), inner, bound)

    def block(self, kind: str, labels: tuple[str, ...], body: _Object, bound: frozenset[str]) -> Block:
        if kind == "dynamic":
            bound = bound | {str(dict(body).get("iterator", *labels[:1]))}
        known = {} if kind in _FLAT else _INNER | _INSIDE.get(kind, {})
        attributes: dict[str, Attribute] = {}
        blocks: list[Block] = []
        for name, value in _members(body):
            if name in known:
                blocks.extend(self.blocks(name, known[name], (), value, bound))
            else:
                attributes[name] = self.attribute(name, value, bound)
        return Block(kind, labels, _NOWHERE, attributes, tuple(blocks), self.file)

    def attribute(self, name: str, value: Any, bound: frozenset[str]) -> Attribute:
        found: list[Reference] = []
        for text in _strings(value) if name not in _WORDS else ():
            if name in _ADDRESSES:
                found.extend(self._address(text))
            elif name in _EXPRESSIONS:
                found.extend(self._expression(f"x = {text}\n", bound))
            elif "${" in text or "%{" in text:
                found.extend(self._expression(f"x = <<{_END}\n{text}\n{_END}\n", bound))
        return Attribute(name, _NOWHERE, _NOWHERE, tuple(found), exact.dumps(_plain(value)).decode())

    def _address(self, text: str) -> Iterator[Reference]:
        parts = parts_of(text)
        if parts:
            yield _reference(parts, parts[2] if parts[0] == "module" and len(parts) > 2 else None)  # noqa: PLR2004 - module.NAME.OUT

    def _expression(self, source: str, bound: frozenset[str]) -> Iterator[Reference]:
        data = source.encode("utf-8", "surrogatepass")
        for reference in references(data, tree_of(self.file, data), bound):
            yield _reference(reference.parts, reference.output)


def _reference(parts: tuple[str, ...], output: str | None) -> Reference:
    return Reference(parts, 0, (0,) * len(parts), 0, output)


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    """Names and values of an object, or of a list of objects; comments are none."""
    for item in [value] if isinstance(value, _Object) else value if isinstance(value, list) else []:
        if isinstance(item, _Object):
            yield from ((name, inner) for name, inner in item if name != _COMMENT)


def _strings(value: Any) -> Iterator[str]:
    """Every string inside a value, the keys of objects too."""
    stack = [value]
    while stack:
        current = stack.pop()
        if isinstance(current, str):
            yield current
        elif isinstance(current, _Object):
            stack.extend(part for member in reversed(current) for part in reversed(member))
        elif isinstance(current, list):
            stack.extend(reversed(current))


def _plain(value: Any) -> Any:
    if isinstance(value, _Object):
        return {name: _plain(inner) for name, inner in value}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
