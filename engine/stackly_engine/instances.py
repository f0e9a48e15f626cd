"""Addresses of a state and of moved blocks as segments: `module.a["x"].data.t.n[0]`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from stackly_engine.exact import FormatError

_NAME = re.compile(r"[^\W\d][\w-]*")
_BLANK = re.compile(r"(?:\s|/\*.*?\*/)*", re.DOTALL)
_NUMBER = re.compile(r"\d+")
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})|\\(.)|\$\$(?=\{)|%%(?=\{)", re.DOTALL)
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_ESCAPED = str.maketrans({letter: f"\\{name}" for name, letter in _LETTERS.items()})
_INTERPOLATED = re.compile(r"(?<!\$)\$\{|(?<!%)%\{")


@dataclass(frozen=True, slots=True)
class Dynamic:
    """An index that is no literal: any key."""


Key = str | int | Dynamic | None


@dataclass(frozen=True, slots=True)
class Segment:
    """`module.a` or `t.n` or `data.t.n`, with the key of the instance; None: no index."""

    name: str
    key: Key = None

    def __str__(self) -> str:
        if self.key is None:
            return self.name
        return f"{self.name}[{'*' if isinstance(self.key, Dynamic) else _quoted(self.key)}]"


Address = tuple[Segment, ...]


@lru_cache(maxsize=1 << 16)  # the addresses of a state are asked for again and again
def parse(text: str) -> Address:
    """The segments of an address as Terraform prints it or as a moved block says it; FormatError for anything else."""
    parts = list(_parts(text))
    segments: list[Segment] = []
    at = 0
    while at < len(parts):
        taken = {"module": 2, "data": 3, "ephemeral": 3}.get(str(parts[at]), 2)
        names = parts[at : at + taken]
        if len(names) < taken or not all(isinstance(part, str) for part in names):
            raise FormatError("an address has an unknown form")
        at += taken
        keyed = at < len(parts) and isinstance(parts[at], _Index)
        segments.append(Segment(".".join(map(str, names)), parts[at].key if keyed else None))  # type: ignore[union-attr]
        at += keyed
    return tuple(segments)


def of_resource(resource: Mapping[str, Any]) -> Address:
    """The address of a resource of a state document: its module instance, no key of its own."""
    try:
        name = f"{'data.' if resource['mode'] == 'data' else ''}{resource['type']}.{resource['name']}"
        return (*parse(resource.get("module") or ""), Segment(name))
    except KeyError:
        raise FormatError("a resource of a state has no mode, type and name") from None


def of_instances(resource: Mapping[str, Any]) -> list[Address]:
    """The addresses of the instances of a resource of a state document, each once."""
    address = of_resource(resource)
    keys = dict.fromkeys(instance.get("index_key") for instance in resource.get("instances") or [])
    return [(*address[:-1], Segment(address[-1].name, key)) for key in keys or (None,)]


def config(address: Address) -> str:
    """The address in the configuration: no keys."""
    return ".".join(segment.name for segment in address)


def text(address: Address) -> str:
    return ".".join(map(str, address))


@dataclass(frozen=True, slots=True)
class _Index:
    key: Key


def _parts(text: str) -> Iterator[str | _Index]:
    at, first = _blank(text, 0), True
    while at < len(text):
        if text[at] == "[":
            index, at = _index(text, _blank(text, at + 1))
            yield index
        else:
            if not first and text[at] != ".":
                raise FormatError("an address has an unknown form")
            at = at if first else _blank(text, at + 1)
            found = _NAME.match(text, at) or (None if first else _NUMBER.match(text, at))
            if found is None:
                raise FormatError("an address has an unknown form")
            yield _Index(int(found.group())) if found.group()[0].isdecimal() else found.group()
            at = found.end()
        at, first = _blank(text, at), False


def _index(text: str, at: int) -> tuple[_Index, int]:
    for pattern in (_NUMBER, _TEXT):
        found = pattern.match(text, at)
        if found is not None:
            end = _blank(text, found.end())
            if text[end : end + 1] == "]":
                return _Index(int(found.group()) if pattern is _NUMBER else _unquoted(found.group(1))), end + 1
    end = text.find("]", at)
    if end < 0:
        raise FormatError("an address has an index without an end")
    return _Index(Dynamic()), end + 1


def _blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found is not None else at


def _unquoted(inner: str) -> str | Dynamic:
    return Dynamic() if _INTERPOLATED.search(inner) else _ESCAPE.sub(_meant, inner)


def _meant(found: re.Match[str]) -> str:
    short, long, letter = found.groups()
    if short or long:
        return chr(int(short or long, 16))
    return _LETTERS.get(letter, letter) if letter else found.group()[0]


def _quoted(key: str | int) -> str:
    if isinstance(key, int):
        return str(key)
    return f'"{key.translate(_ESCAPED).replace("${", "$${").replace("%{", "%%{")}"'
