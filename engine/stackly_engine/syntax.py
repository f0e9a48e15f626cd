"""Terraform files as plain values: blocks, attributes and references, each with its exact range of bytes."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from tree_sitter import Node

from stackly_engine.grammar import SyntaxProblem, tree_of
from stackly_engine.references import Reference, parts_of, references, text_of

__all__ = ["Attribute", "Block", "ParsedFile", "Reference", "Span", "SyntaxProblem", "parse"]

_DEPENDING = frozenset({"resource", "data", "ephemeral", "module", "output"})
# One token each, byte by byte: blanks inside of them are text.
_TEXTS = frozenset({"quoted_template", "heredoc_template", "string_lit"})
_BLANKS = b" \t\r\n\0\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Span:
    """Byte offsets in the file; `end` is the byte after."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Attribute:
    """`name = value`: the range of all of it, of the value, and the value's source (bytes that are no UTF-8 as U+FFFD)."""

    name: str
    span: Span
    value: Span
    references: tuple[Reference, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """A block as written; names that `for` or a `dynamic` block bind are no references of its attributes."""

    type: str
    labels: tuple[str, ...]
    span: Span
    attributes: Mapping[str, Attribute]
    blocks: tuple["Block", ...]
    file: str

    def walk(self) -> Iterator[tuple["Block", Attribute]]:
        """Each attribute of this block and of those inside it, with the block it stands in."""
        stack: list[Block] = [self]
        while stack:
            block = stack.pop()
            for attribute in block.attributes.values():
                yield block, attribute
            stack.extend(reversed(block.blocks))


@dataclass(frozen=True)
class ParsedFile:
    """One file: its bytes and what stands in it; only files of values have attributes outside of blocks."""

    name: str
    data: bytes
    blocks: tuple[Block, ...]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    def tokens(self, span: Span) -> bytes:
        """The tokens inside a range joined by NUL, without comments and blanks; strings and heredocs byte by byte."""
        starts, ends = self._tokens
        first, last = bisect_left(starts, span.start), bisect_left(starts, span.end)
        return b"\0".join(self.data[starts[index] : ends[index]] for index in range(first, last))

    def line(self, offset: int) -> int:
        """The line of a byte, from 1."""
        return self.data.count(b"\n", 0, offset) + 1

    @cached_property
    def _tokens(self) -> tuple[list[int], list[int]]:
        # parsed again: few files are asked for tokens, and a kept tree is many times the size of the file
        starts: list[int] = []
        ends: list[int] = []
        for start, end in _pieces(tree_of(self.name, self.data), self.data):
            starts.append(start)
            ends.append(end)
        return starts, ends


def _pieces(root: Node, data: bytes) -> Iterator[tuple[int, int]]:
    """The range of each token; what the grammar gives no node of its own (the digit in `.0`) is a token too."""
    reached = 0
    stack = [root]
    while stack:
        node = stack.pop()
        if node.child_count and node.type not in _TEXTS:
            stack.extend(reversed(node.children))
            continue
        gap = data[reached : node.start_byte]
        if between := gap.strip(_BLANKS):
            start = reached + gap.index(between)
            yield start, start + len(between)
        if node.type != "comment" and node.end_byte > node.start_byte:
            yield node.start_byte, node.end_byte
        reached = max(reached, node.end_byte)


def parse(file: str, data: bytes) -> ParsedFile:
    """The file's blocks in order; SyntaxProblem when the grammar does not understand it."""
    root = tree_of(file, data)
    reader = _Reader(file, data)
    attributes: dict[str, Attribute] = {}
    blocks: tuple[Block, ...] = ()
    try:
        for child in root.children:
            if child.type == "body":
                attributes, blocks = reader.body(child, frozenset())
            elif child.type != "comment":
                raise reader.problem(child, "an attribute or a block is expected here")
    except RecursionError:
        raise SyntaxProblem(file, 1, 1, "blocks are nested too deeply") from None
    return ParsedFile(file, data, blocks, attributes)


@dataclass(frozen=True, slots=True)
class _Reader:
    file: str
    data: bytes

    def block(self, node: Node, bound: frozenset[str]) -> Block:
        names = [self._label(child) for child in node.children if child.type in {"identifier", "string_lit"}]
        body = next((child for child in node.children if child.type == "body"), None)
        kind, labels = names[0], tuple(names[1:])
        attributes: dict[str, Attribute] = {}
        blocks: tuple[Block, ...] = ()
        if body is not None:
            attributes, blocks = self.body(body, bound | self._iterators(kind, labels, body), kind)
            if kind == "dynamic":
                attributes |= self._collection(body, bound)
        return Block(kind, labels, Span(node.start_byte, node.end_byte), attributes, blocks, self.file)

    def body(self, node: Node, bound: frozenset[str], kind: str = "") -> tuple[dict[str, Attribute], tuple[Block, ...]]:
        attributes: dict[str, Attribute] = {}
        blocks: list[Block] = []
        for child in node.children:
            if child.type == "attribute":
                attribute = self.attribute(child, bound, kind)
                if attribute.name in attributes:
                    raise self.problem(child, f"{attribute.name} is set twice")
                attributes[attribute.name] = attribute
            elif child.type == "block":
                blocks.append(self.block(child, bound))
        return attributes, tuple(blocks)

    def attribute(self, node: Node, bound: frozenset[str], kind: str) -> Attribute:
        name = text_of(self.data, node.children[0])
        value = next(child for child in node.children if child.type == "expression")
        if (kind == "dynamic" and name == "iterator") or _plain(value):
            found: tuple[Reference, ...] = ()
        else:
            found = references(self.data, value, bound)
        if name == "depends_on" and kind in _DEPENDING:
            found = tuple(sorted((*found, *self._quoted(value)), key=lambda reference: reference.start))
        return Attribute(name, _span(node), _span(value), found, text_of(self.data, value))

    def _collection(self, body: Node, bound: frozenset[str]) -> dict[str, Attribute]:
        """The `for_each` of a dynamic block, which does not know the block's own iterator yet."""
        found = self._named(body, "for_each")
        return {} if found is None else {"for_each": self.attribute(found, bound, "dynamic")}

    def _iterators(self, kind: str, labels: tuple[str, ...], body: Node) -> frozenset[str]:
        if kind != "dynamic":
            return frozenset()
        named = self._named(body, "iterator")
        return frozenset(labels[:1] if named is None else {text_of(self.data, named.children[-1]).strip()})

    def _named(self, body: Node, name: str) -> Node | None:
        attributes = (child for child in body.children if child.type == "attribute")
        return next((child for child in attributes if text_of(self.data, child.children[0]) == name), None)

    def _quoted(self, value: Node) -> Iterator[Reference]:
        """The elements of `depends_on` in the form that Terraform 0.11 had: quoted."""
        stack = [value]
        while stack:
            node = stack.pop()
            if node.type == "string_lit":
                parts = parts_of(text_of(self.data, node)[1:-1])
                if not parts:
                    continue
                yield Reference(parts, node.start_byte, (node.end_byte,) * len(parts), node.end_byte, _output(parts))
            elif node.type in {"expression", "collection_value", "tuple", "literal_value"}:
                stack.extend(node.children)

    def _label(self, node: Node) -> str:
        text = text_of(self.data, node)
        return text[1:-1] if node.type == "string_lit" else text

    def problem(self, node: Node, message: str) -> SyntaxProblem:
        line, column = node.start_point
        return SyntaxProblem(self.file, line + 1, column + 1, message)


def _output(parts: tuple[str, ...]) -> str | None:
    return parts[2] if parts[:1] == ("module",) and len(parts) > 2 else None  # noqa: PLR2004 - module.NAME.OUT


def _plain(value: Node) -> bool:
    """Whether the value is one literal, as most are."""
    return value.child_count == 1 and value.children[0].type == "literal_value"


def _span(node: Node) -> Span:
    return Span(node.start_byte, node.end_byte)
