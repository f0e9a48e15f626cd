"""References in an expression: each static traversal as written, without the names that the expression itself binds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from tree_sitter import Node

_STEPS = frozenset({"get_attr", "index", "splat"})
_FOR = frozenset({"for_tuple_expr", "for_object_expr"})
_Scope = frozenset[str]


@dataclass(frozen=True, slots=True)
class Reference:
    """One static traversal as it is written.

    `parts` are the leading names (`("module", "vpc", "id")`), `ends` the byte after each of them, `end` the byte after
    all that is static: literal indices, splats and the names behind them. A quoted element of `depends_on` reaches from
    its quote to its quote, and so does each of its `ends`. `output` is the output of a module when it is named behind a
    literal index or none (`module.a["x"].id`: "id"), None for anything else: the whole object is read.
    """

    parts: tuple[str, ...]
    start: int
    ends: tuple[int, ...]
    end: int
    output: str | None = None


def references(data: bytes, node: Node, bound: _Scope = frozenset()) -> tuple[Reference, ...]:
    """All references below `node` in the order of the file; names in `bound` are no references."""
    found: list[Reference] = []
    stack = [(node, bound)]
    while stack:
        current, scope = stack.pop()
        kind = current.type
        if kind in _FOR:
            stack.extend(_for(data, current, scope))
        elif kind == "template_for":
            stack.extend(_template_for(data, current, scope))
        elif kind == "object_elem":
            stack.extend((child, scope) for child in _element(current))
        else:
            stack.extend((child, scope) for child in _children(data, current, scope, found))
    found.sort(key=lambda reference: reference.start)
    return tuple(found)


def text_of(data: bytes, node: Node) -> str:
    return data[node.start_byte : node.end_byte].decode("utf-8", "replace")


def parts_of(text: str) -> tuple[str, ...]:
    """`aws_vpc.main[0].id` → ("aws_vpc", "main"): the leading names of a traversal written as a string."""
    head = text.split("[", 1)[0]
    parts = [part.strip() for part in head.split(".")]
    for position, part in enumerate(parts):
        if not part or part.isdigit() or part == "*":
            return tuple(parts[:position])
    return tuple(parts)


def _for(data: bytes, node: Node, scope: _Scope) -> Iterator[tuple[Node, _Scope]]:
    for child in node.children:
        if child.type == "for_intro":
            inner = scope | _identifiers(data, child)
            yield child, scope
            break
    else:
        inner = scope
    for child in node.children:
        if child.type != "for_intro":
            yield child, inner


def _template_for(data: bytes, node: Node, scope: _Scope) -> Iterator[tuple[Node, _Scope]]:
    intro = node.children[0]
    yield intro, scope
    inner = scope | _identifiers(data, intro)
    for child in node.children[1:]:
        yield child, inner


def _identifiers(data: bytes, intro: Node) -> _Scope:
    return frozenset(text_of(data, child) for child in intro.children if child.type == "identifier")


def _element(node: Node) -> list[Node]:
    """The expressions of an object's element; a key that is one bare name is a word, no reference."""
    expressions = [child for child in node.children if child.type == "expression"]
    key = [child for child in expressions[0].children if child.type != "comment"]
    return expressions[1:] if len(key) == 1 and key[0].type == "variable_expr" else expressions


def _children(data: bytes, node: Node, scope: _Scope, found: list[Reference]) -> list[Node]:
    """The children still to be walked; each traversal that begins among them is taken into `found`."""
    rest: list[Node] = []
    children = node.children
    position = 0
    while position < len(children):
        child = children[position]
        position += 1
        if child.type != "variable_expr":
            if child.child_count:
                rest.append(child)
            continue
        steps = [step for step in takewhile(_follows, children[position:]) if step.type != "comment"]
        root = text_of(data, child)
        if root not in scope:
            found.append(_reference(data, root, child, steps))
    return rest


def _follows(node: Node) -> bool:
    return node.type in _STEPS or node.type == "comment"


def _reference(data: bytes, root: str, first: Node, steps: Sequence[Node]) -> Reference:
    parts, ends = [root], [first.end_byte]
    for step in steps:
        if step.type != "get_attr":
            break
        parts.append(text_of(data, step.children[-1]))
        ends.append(step.end_byte)
    end = ends[-1]
    for step in steps[len(parts) - 1 :]:
        if step.type == "index" and not _literal(step):
            break
        end = step.end_byte
    return Reference(tuple(parts), first.start_byte, tuple(ends), end, _output(data, parts, steps))


def _output(data: bytes, parts: Sequence[str], steps: Sequence[Node]) -> str | None:
    if parts[0] != "module" or len(parts) < 2:  # noqa: PLR2004 - module.NAME
        return None
    if len(parts) > 2:  # noqa: PLR2004 - module.NAME.OUT
        return parts[2]
    behind = steps[1:3]
    indexed = len(behind) == 2 and _literal(behind[0]) and behind[1].type == "get_attr"  # noqa: PLR2004 - [index].OUT
    return text_of(data, behind[1].children[-1]) if indexed else None


def _literal(step: Node) -> bool:
    """Whether an index is a number or a string without templates, also in the legacy form `.0`."""
    if step.type != "index":
        return False
    index = step.children[0]
    if index.type == "legacy_index":
        return True
    expression = next((child for child in index.children if child.type == "expression"), None)
    values = [child for child in expression.children if child.type != "comment"] if expression is not None else []
    return len(values) == 1 and values[0].type == "literal_value"
