"""Which files of the source a piece of code reads, as far as its text tells; what it does not tell is all of it."""

import hashlib
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from stackly_engine.impure import READERS, texts
from stackly_engine.source import Node

# Names made of the path (`basename(path.cwd)`) read no file: a checkout lies at one path on every run.
_NAMING = re.compile(r"\bbasename\(\s*(?:abspath\(\s*)?path\.(?:cwd|root|module)\s*\)?\s*\)")
_ELSEWHERE = re.compile(r"\bpath\.(?:root|cwd)\b|\babspath\s*\(")
_UP = re.compile(r"\.\./")
_OWN = re.compile(r"\bpath\.module\b")
_CALL = re.compile(rf"\b{READERS}\s*\(\s*(.)", re.DOTALL)
_SET = re.compile(r"\bfileset\s*\(\s*(.)", re.DOTALL)
# A string with nothing in it but text, perhaps after `${path.module}/`. In JSON its quotes have a backslash.
_LITERAL = re.compile(r'\\?"(\$\{\s*path\.module\s*\}/?)?([^"$%{}\\\n]*)\\?"')
_CONSTANT = re.compile(r'\\?"(?:\$\{\s*path\.module\s*\}/?)?[^"$%{}\\\n]*\\?"')
# Of join and split; a directory only when nothing else stands there.
_SEPARATORS = frozenset({"", ".", "./", "/"})
_OWN_TEMPLATE = re.compile(r'\\?"\$\{\s*path\.module\s*\}')


class How(StrEnum):
    """What a constant path is: below the module's directory, an argument of a function that reads, or just a text."""

    OWN = "own"
    READ = "read"
    TEXT = "text"


@dataclass(frozen=True)
class Reading:
    """What code reads: constant paths; `anywhere` that nobody can tell; `own` its directory, by no constant path.

    `beside` says that a path that is not constant goes up, so that it may leave the root; constant ones may too.
    """

    paths: frozenset[tuple[How, str]]
    anywhere: bool
    own: bool
    beside: bool

    @property
    def in_place(self) -> bool:
        """Whether it reads its own directory, so that the bytes of its files count and not only their tokens."""
        return self.anywhere or self.own or any(how is How.OWN for how, _ in self.paths)


def reading(nodes: Iterable[Node]) -> Reading:
    """What all these nodes read."""
    paths: set[tuple[How, str]] = set()
    anywhere = own = beside = False
    for node in nodes:
        for text in texts(node):
            cleaned = _NAMING.sub("", text)
            paths.update(_paths(cleaned))
            varying = _CONSTANT.sub("", cleaned)
            beside = beside or _UP.search(varying) is not None
            anywhere = anywhere or beside or _is_anywhere(cleaned)
            own = own or _OWN.search(varying) is not None
    return Reading(frozenset(paths), anywhere, own, beside)


def _paths(text: str) -> Iterator[tuple[How, str]]:
    read = {call.start(1) for call in (*_CALL.finditer(text), *_SET.finditer(text))}
    for found in _LITERAL.finditer(text):
        path = found.group(2)
        if found.group(1) is not None:
            yield How.OWN, path.lstrip("/") or "."
        elif found.start() in read:
            yield How.READ, path
        elif path not in _SEPARATORS or text.strip() == found.group(0):
            yield How.TEXT, path


def _is_anywhere(text: str) -> bool:
    """A path to elsewhere, or one that is neither constant nor below the module's directory."""
    if _ELSEWHERE.search(text) is not None:
        return True
    for call in (*_CALL.finditer(text), *_SET.finditer(text)):
        argument = text[call.start(1) :]
        if not (_CONSTANT.match(argument) or _OWN_TEMPLATE.match(argument) or argument.startswith("path.module")):
            return True
    return False


@dataclass(frozen=True)
class Tree:
    """The files below one directory, path → SHA-256 (hex), and digests of its folders."""

    files: Mapping[str, str]

    @cached_property
    def folders(self) -> Mapping[str, str]:
        """Every folder, "." too, with the digest of all files below it."""
        below: dict[str, list[str]] = {}
        for path in sorted(self.files):
            for folder in _above(path):
                below.setdefault(folder, []).append(f"{path}\0{self.files[path]}\0")
        return {folder: hashlib.sha256("".join(lines).encode()).hexdigest() for folder, lines in below.items()}

    def find(self, path: str) -> str | None:
        """The digest of a file or folder; None when there is none."""
        normal = posixpath.normpath(path)
        return self.files.get(normal) or self.folders.get(normal)


def _above(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path
    yield "."
