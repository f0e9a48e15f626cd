"""python-hcl2's tree to our typed tree, refusing what Terraform's own parser refuses. Pure; runs in the child."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from lark import Token, Tree

from stackly_server import limits
from stackly_server.hcl import text as hcl_text

if TYPE_CHECKING:
    from collections.abc import Sequence

Wire = dict[str, Any]
Node = Tree[Token] | Token

EXPRESSION_CHARACTERS = 200
"""An expression that is no literal is passed on cut after this many characters."""

_NEWLINES = "new_line_or_comment"
_NAMES = frozenset({"identifier", "keyword", "literal_value"})
_LITERALS: dict[str, tuple[str, bool | None]] = {"true": ("b", True), "false": ("b", False), "null": ("z", None)}


class SourceError(Exception):
    """What is wrong and at which offset of the source."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class TreeReader:
    """Reads one tree; `source` is the text that it was parsed from, with one newline more."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._line_starts = [0, *(index + 1 for index, character in enumerate(source) if character == "\n")]

    def document(self, start: Tree[Token]) -> Wire:
        """The whole file.

        Raises:
            SourceError: something that Terraform refuses, or that is nested too deeply.
        """
        return {**self._body(_trees(start)[0], 0), "kind": "", "labels": [], "place": [1, 1]}

    def place(self, offset: int) -> list[int]:
        """Line and column of an offset, both from 1."""
        low, high = 0, len(self._line_starts)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._line_starts[middle] <= offset else (low, middle)
        return [low + 1, offset - self._line_starts[low] + 1]

    def _body(self, body: Tree[Token], depth: int) -> Wire:
        items = [item for item in _trees(body) if item.data != _NEWLINES]
        for item, following in pairwise(items):
            self._need_newline(_end(item), _start(following))
        attributes = [self._attribute(item, depth) for item in items if item.data == "attribute"]
        self._refuse_twice(attributes)
        return {
            "attributes": attributes,
            "blocks": [self._block(item, depth + 1) for item in items if item.data == "block"],
        }

    def _block(self, block: Tree[Token], depth: int) -> Wire:
        self._check_depth(depth, _start(block))
        opening, body, closing = _block_parts(block)
        heads = [item for item in _trees(block) if item is not body and item.data != _NEWLINES]
        self._refuse_newline(_end(heads[-1]), _start(opening), "a block's `{` must stand on the line of its name")
        self._check_layout([item for item in _trees(body) if item.data != _NEWLINES], opening, closing)
        return {
            **self._body(body, depth),
            "kind": self._text(heads[0]),
            "labels": [self._label(head) for head in heads[1:]],
            "place": self.place(_start(block)),
        }

    def _check_layout(self, items: Sequence[Tree[Token]], opening: Token, closing: Token) -> None:
        """A block is written over several lines, or in one line with a single attribute."""
        if not items:
            return
        if hcl_text.has_newline(self._source, _end(opening), _start(items[0])):
            self._need_newline(_end(items[-1]), _start(closing))
            return
        if len(items) > 1 or items[0].data != "attribute":
            message = "a block in one line may hold a single attribute; put each item on its own line"
            raise SourceError(message, _start(items[0]))
        self._refuse_newline(_end(items[0]), _start(closing), "a block begun in one line must end in it")

    def _attribute(self, attribute: Tree[Token], depth: int) -> list[Any]:
        name, equals, value = attribute.children
        self._refuse_newline(_end(name), _start(equals), "`=` must stand on the line of its name")
        self._refuse_newline(_end(equals), _start(value), "a value must begin on the line of its `=`")
        return [self._text(name), *self.place(_start(name)), self._value(value, depth)]

    def _label(self, head: Tree[Token]) -> list[Any]:
        offset = _start(head)
        if head.data in _NAMES:
            return [self._text(head), *self.place(offset)]
        raw = self._text(head)[1:-1]
        if "${" in raw or "%{" in raw:
            message = "a block's label may not be an expression"
            raise SourceError(message, offset)
        return [self._quoted(raw, offset), *self.place(offset)]

    def _value(self, node: Node, depth: int) -> list[Any]:
        offset = _start(node)
        inner = _unwrapped(node)
        literal = self._literal(inner, depth) if isinstance(inner, Tree) else None
        kind, content = literal or ("e", self._text(node)[:EXPRESSION_CHARACTERS])
        return [kind, content, *self.place(offset)]

    def _literal(self, tree: Tree[Token], depth: int) -> tuple[str, Any] | None:
        """Kind and content, or None for an expression that is no literal."""
        match str(tree.data):
            case "string" | "heredoc_template" | "heredoc_template_trim":
                return self._string(tree)
            case "int_lit" | "float_lit":
                return "n", self._number(self._text(tree), _start(tree))
            case "unary_op":
                return self._negative(tree)
            case "literal_value":
                return _LITERALS[self._text(tree)]
            case _:
                return self._nested(tree, depth + 1)

    def _nested(self, tree: Tree[Token], depth: int) -> tuple[str, Any] | None:
        match str(tree.data):
            case "tuple":
                return "l", self._list(tree, depth)
            case "object":
                return "o", self._object(tree, depth)
            case "function_call":
                return self._call(tree, depth)
            case _:
                return None

    def _string(self, tree: Tree[Token]) -> tuple[str, Any] | None:
        try:
            if tree.data == "string":
                return "s", self._quoted(self._text(tree)[1:-1], _start(tree))
            self._refuse_end(_end(tree))
            return "s", hcl_text.heredoc(self._text(tree))
        except hcl_text.TemplateError:
            return None
        except hcl_text.TextError as error:
            raise SourceError(error.message, _start(tree)) from error

    def _refuse_end(self, end: int) -> None:
        """The source has one newline more than the file: a heredoc's end mark must not need it."""
        if end == len(self._source):
            raise SourceError("a new line is missing after the heredoc's end mark", end - 1)

    def _quoted(self, raw: str, offset: int) -> str:
        try:
            return hcl_text.quoted(raw)
        except hcl_text.TextError as error:
            raise SourceError(error.message, offset + 1 + error.offset) from error

    def _number(self, digits: str, offset: int) -> str:
        try:
            return hcl_text.number(digits)
        except hcl_text.TextError as error:
            raise SourceError(error.message, offset) from error

    def _negative(self, tree: Tree[Token]) -> tuple[str, Any] | None:
        sign, operand = tree.children
        inner = _unwrapped(operand)
        if str(sign).strip() != "-" or not isinstance(inner, Tree) or inner.data not in {"int_lit", "float_lit"}:
            return None
        digits = self._text(inner)
        return None if digits.startswith("-") else ("n", self._number(f"-{digits}", _start(tree)))

    def _list(self, tree: Tree[Token], depth: int) -> list[Any]:
        self._check_depth(depth, _start(tree))
        return [self._value(item, depth) for item in _trees(tree) if item.data != _NEWLINES]

    def _object(self, tree: Tree[Token], depth: int) -> list[Any]:
        self._check_depth(depth, _start(tree))
        parts = [part for part in tree.children if not (isinstance(part, Tree) and part.data == _NEWLINES)]
        for part, following in pairwise(parts[1:]):
            self._check_separator(part, following)
        elements = [part for part in parts if isinstance(part, Tree)]
        items = [self._element(element, depth) for element in elements]
        self._refuse_twice(items)
        return items

    def _check_separator(self, part: Node, following: Node) -> None:
        if isinstance(following, Token) and following.type == "COMMA":
            self._refuse_newline(_end(part), _start(following), "a comma must stand on the line of its value")
        elif isinstance(part, Tree) and isinstance(following, Tree):
            self._need_newline(_end(part), _start(following), "a comma or a new line")

    def _element(self, element: Tree[Token], depth: int) -> list[Any]:
        key, equals, value = element.children
        self._refuse_newline(_end(key), _start(equals), "`=` must stand on the line of its key")
        self._refuse_newline(_end(equals), _start(value), "a value must begin on the line of its `=`")
        return [self._key(key), *self.place(_start(key)), self._value(value, depth)]

    def _key(self, key: Node) -> str:
        inner = _unwrapped(_trees(key)[0]) if isinstance(key, Tree) else key
        if isinstance(inner, Tree) and inner.data in _NAMES and self._text(inner) != "for":
            return self._text(inner)
        literal = self._string(inner) if isinstance(inner, Tree) and inner.data == "string" else None
        if literal is None:
            message = "an object's key must be a name or a plain string"
            raise SourceError(message, _start(key))
        return str(literal[1])

    def _call(self, tree: Tree[Token], depth: int) -> tuple[str, Any] | None:
        """A plain call; one with a namespace or `...` is passed on as an expression."""
        self._check_depth(depth, _start(tree))
        if any(isinstance(part, Token) and part.type == "COLONS" for part in tree.children):
            return None
        name, *rest = [part for part in _trees(tree) if part.data != _NEWLINES]
        given = [part for arguments in rest for part in arguments.children]
        if any(isinstance(part, Token) and part.type == "ELLIPSIS" for part in given):
            return None
        values = [part for part in given if isinstance(part, Tree) and part.data != _NEWLINES]
        return "c", [self._text(name), [self._value(part, depth) for part in values]]

    def _refuse_twice(self, named: Sequence[list[Any]]) -> None:
        seen: set[str] = set()
        for name, line, column, _ in named:
            if name in seen:
                message = f"{name} is set twice"
                raise SourceError(message, self._line_starts[line - 1] + column - 1)
            seen.add(name)

    def _check_depth(self, depth: int, offset: int) -> None:
        if depth > limits.HCL_NESTING:
            message = f"nested deeper than {limits.HCL_NESTING}"
            raise SourceError(message, offset)

    def _need_newline(self, start: int, end: int, what: str = "a new line") -> None:
        if not hcl_text.has_newline(self._source, start, end):
            message = f"{what} is missing before this"
            raise SourceError(message, end)

    def _refuse_newline(self, start: int, end: int, message: str) -> None:
        if hcl_text.has_newline(self._source, start, end):
            raise SourceError(message, end)

    def _text(self, node: Node) -> str:
        return self._source[_start(node) : _end(node)]


def _trees(tree: Tree[Token]) -> list[Tree[Token]]:
    return [child for child in tree.children if isinstance(child, Tree)]


def _block_parts(block: Tree[Token]) -> tuple[Token, Tree[Token], Token]:
    *_, opening, body, closing = block.children
    if not (isinstance(opening, Token) and isinstance(body, Tree) and isinstance(closing, Token)):
        message = f"python-hcl2 answers a block of another shape: {block.data}"
        raise TypeError(message)
    return opening, body, closing


def _unwrapped(node: Node) -> Node:
    """Inside `expr_term` of one child; a bracketed expression stays wrapped and so is no literal."""
    while isinstance(node, Tree) and node.data == "expr_term" and len(node.children) == 1:
        node = node.children[0]
    return node


def _start(node: Node) -> int:
    if isinstance(node, Token):
        return (node.start_pos or 0) + _blank_before(node)
    return int(node.meta.start_pos)


def _blank_before(token: Token) -> int:
    """EQ and COLON carry the blanks before them."""
    return len(token) - len(token.lstrip(" \t")) if token.type in {"EQ", "COLON"} else 0


def _end(node: Node) -> int:
    end = node.end_pos if isinstance(node, Token) else node.meta.end_pos
    return int(end or 0)
