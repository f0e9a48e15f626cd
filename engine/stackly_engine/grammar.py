"""Tree-sitter's HCL grammar: bytes to a syntax tree, with the grammar's gaps masked on the parse copy only."""

import re
from collections.abc import Iterator

import tree_sitter
import tree_sitter_hcl

_LANGUAGE = tree_sitter.Language(tree_sitter_hcl.language())
_EXPONENT = re.compile(rb"\d[eE]")
_INTEGER_EXPONENT = re.compile(rb"(?<![\w.])\d+[eE][+-]?\d+(?![\w.])")
_MIXED_MARKS = re.compile(rb"\$+(?=%+\{)|%+(?=\$+\{)")
_DOLLARS = re.compile(rb"\${3,}\{")
_PERCENTS = re.compile(rb"%{3,}\{")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class SyntaxProblem(ValueError):
    """A file is no HCL for us; `line` and `column` count from 1 (columns in bytes)."""

    def __init__(self, file: str, line: int, column: int, message: str) -> None:
        super().__init__(f"{file}:{line}:{column}: {message}")
        self.file, self.line, self.column, self.message = file, line, column, message


def tree_of(file: str, data: bytes) -> tree_sitter.Node:
    """The root of the syntax tree; byte offsets are those of `data`. SyntaxProblem where the grammar finds an error."""
    root = tree_sitter.Parser(_LANGUAGE).parse(masked(data)).root_node
    if root.has_error:
        wrong = min(_errors(root), key=lambda node: node.start_byte, default=root)
        line, column = wrong.start_point
        raise SyntaxProblem(file, line + 1, column + 1, "this is not understood here")
    return root


def masked(data: bytes) -> bytes:
    """A copy of the same length that the grammar reads: what it cannot read stands there in a form it can.

    Integers with an exponent become digits; `$%{` and `%${` lose the mark that is plain text; `$$${` and `%%%{` become
    the escape they end in; a byte order mark and NUL become blanks.
    """
    data = data.replace(b"\0", b" ")
    if data.startswith(_BYTE_ORDER_MARK):
        data = b"   " + data[3:]
    if _EXPONENT.search(data):
        data = _INTEGER_EXPONENT.sub(lambda found: b"0" * len(found[0]), data)
    if b"$%" in data or b"%$" in data:
        data = _MIXED_MARKS.sub(lambda found: b"_" * len(found[0]), data)
    if b"$$$" in data:
        data = _DOLLARS.sub(lambda found: b"_" * (len(found[0]) - 3) + b"$${", data)
    if b"%%%" in data:
        data = _PERCENTS.sub(lambda found: b"_" * (len(found[0]) - 3) + b"%%{", data)
    return data


def _errors(root: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    stack = [root]
    while stack:
        node = stack.pop()
        if node.is_error or node.is_missing:
            yield node
        elif node.has_error:
            stack.extend(node.children)
