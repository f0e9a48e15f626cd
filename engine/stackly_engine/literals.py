"""Values that Terraform reads without evaluating: maps of providers, source addresses, words."""

from stackly_engine.grammar import SyntaxProblem, tree_of
from stackly_engine.references import text_of
from stackly_engine.syntax import Attribute

_PREFIX = b"x = "
_AROUND = frozenset({"config_file", "body", "attribute", "expression", "collection_value", "object"})


def plain(text: str) -> str:
    """A literal string or a bare word as its text: `"west"` and `west` are both west."""
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def word(attribute: Attribute | None) -> str:
    """The text of a literal attribute; "" when it is not set."""
    return "" if attribute is None else plain(attribute.text)


def pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Keys and sources of the values of an object that is written out, `=` or `:` between them; () for anything else."""
    data = _PREFIX + text.encode()
    try:
        stack = [tree_of("", data)]
    except SyntaxProblem:  # text of a file in JSON that is no expression in HCL
        return ()
    found: list[tuple[str, str]] = []
    while stack:
        node = stack.pop()
        if node.type == "object_elem":
            key, value = [text_of(data, child).strip() for child in node.children if child.type == "expression"]
            found.append((plain(key), value))
        elif node.type in _AROUND:
            stack.extend(reversed(node.children))
    return tuple(found)
