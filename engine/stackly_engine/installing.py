"""What of a tree's code an `init` reads: code that differs in nothing of it needs no other `init`.

That is which files there are, all blocks that configure Terraform, providers or where things come from, and of the rest the
types, names and providers: an `init` installs modules and providers, and evaluates no argument of a resource. In doubt
(JSON, files that cannot be read, tests, sources that are no plain text) all of the bytes count.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from tree_sitter import Node

from stackly_engine.grammar import SyntaxProblem, tree_of

_READ = (".tf", ".tofu")
CODE = (*_READ, ".tf.json", ".tofu.json", ".tftest.hcl", ".tftest.json", ".tofutest.hcl", ".tofutest.json")
_NAMES = frozenset({"resource", "data", "ephemeral", "output"})  # of these what else stands in them says nothing
_VALUES = frozenset({"variable", "locals"})  # these only where a source is made of them
_OF_A_CALL = frozenset({b"source", b"version", b"providers"})
_PROVIDER = frozenset({b"provider"})
_PLAIN = re.compile(rb'"[^"$%\\]*"')


@dataclass(frozen=True)
class _Read:
    """A file: what counts always, what counts beside when sources are made of values, and whether its own are plain."""

    always: bytes
    values: bytes = b""
    plain: bool = True


def digest(files: Iterable[tuple[str, bytes]]) -> str:
    """Over path and bytes of every file of code (`CODE`) of a tree, in their order: modules may be called from anywhere."""
    known: dict[bytes, _Read] = {}  # copies of a module are common
    read = [(name, _read(name, data, known)) for name, data in files]
    plain = all(one.plain for _, one in read)
    found = sha256()
    for name, one in read:
        for part in (name.encode("utf-8", "surrogateescape"), one.always, b"" if plain else one.values):
            found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()


def _read(name: str, data: bytes, known: dict[bytes, _Read]) -> _Read:
    if not name.endswith(_READ):
        return _Read(data)
    if data not in known:
        known[data] = _read_code(name, data)
    return known[data]


def _read_code(name: str, data: bytes) -> _Read:
    try:
        root = tree_of(name, data)
    except SyntaxProblem:
        return _Read(data)
    always: list[bytes] = []
    values: list[bytes] = []
    plain = True
    for body in root.children:
        if body.type == "comment":
            continue
        if body.type != "body" or any(child.type not in {"block", "comment"} for child in body.children):
            return _Read(data)  # no file of blocks: Terraform will say so
        for block in (child for child in body.children if child.type == "block"):
            kind = _text(data, block.children[0])
            (values if kind.decode() in _VALUES else always).append(_of_block(data, block, kind))
            plain = plain and (kind != b"module" or _plain(data, block))
    return _Read(_joined(always), _joined(values), plain)


def _of_block(data: bytes, block: Node, kind: bytes) -> bytes:
    named = _OF_A_CALL if kind == b"module" else _PROVIDER if kind.decode() in _NAMES else None
    if named is None:
        return _text(data, block)
    labels = (_text(data, child) for child in block.children[1:] if child.type in {"identifier", "string_lit"})
    return _joined([kind, *labels, *(_text(data, one) for one in _attributes(data, block, named.__contains__))])


def _plain(data: bytes, block: Node) -> bool:
    """Whether a call's source and version are text as it stands."""
    values = (one.children[-1] for one in _attributes(data, block, {b"source", b"version"}.__contains__))
    return all(_PLAIN.fullmatch(_text(data, value)) for value in values)


def _attributes(data: bytes, block: Node, wanted: Callable[[bytes], bool]) -> Iterator[Node]:
    for body in (child for child in block.children if child.type == "body"):
        for one in body.children:
            if one.type == "attribute" and wanted(_text(data, one.children[0])):
                yield one


def _text(data: bytes, node: Node) -> bytes:
    return data[node.start_byte : node.end_byte]


def _joined(parts: list[bytes]) -> bytes:
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)
