"""The names that a cut root adds: one identifier per address, injective, never one of the user's."""

import re
from collections.abc import Iterable

PREFIX = "stackly_up__"


def mangle(address: str) -> str:
    """An identifier for an address; no two addresses share one.

    A dot becomes `__` and a single `_` inside a part stays. `-` escapes: `--` is a dash, `-_` an underscore that could be
    taken for (a piece of) a dot. A dash before anything else ends the name, so that suffixes are free.
    """
    return "__".join(_part(part) for part in address.split("."))


def unmangled(prefix: str, text: str) -> str:
    """A text of Terraform about a cut root in the user's words: each generated name as the address that it stands for."""
    return re.sub(rf"(?:\b(?:local|var|output|terraform_data)\.)?\b{prefix}([\w-]+)", _address, text)


def prefix_for(names: Iterable[str]) -> str:
    """`stackly_up__`, or the first of `stackly_up1__`, `stackly_up2__`, … that begins none of the names."""
    taken = tuple(names)
    number, prefix = 0, PREFIX
    while any(name.startswith(prefix) for name in taken):
        number += 1
        prefix = f"stackly_up{number}__"
    return prefix


_STEPS = {"__": ".", "--": "-", "-_": "_"}


def _address(found: re.Match[str]) -> str:
    """A dash that escapes nothing begins a suffix: it is not the user's."""
    body = re.split(r"(?<!-)-(?![-_])", found[1].replace("--", "\0"))[0].replace("\0", "--")
    return re.sub("__|--|-_", lambda step: _STEPS[step[0]], body)


def _part(part: str) -> str:
    """One name between dots; an underscore at its ends or beside another one is escaped."""
    out = []
    for index, letter in enumerate(part):
        if letter == "-":
            out.append("--")
        elif letter == "_" and _unclear(part, index):
            out.append("-_")
        else:
            out.append(letter)
    return "".join(out)


def _unclear(part: str, index: int) -> bool:
    return index in {0, len(part) - 1} or "_" in {part[index - 1], part[index + 1]}


def name(prefix: str, address: str, attribute: str | None = None) -> str:
    """The generated name for an address, or for one attribute of it."""
    return prefix + mangle(address if attribute is None else f"{address}.{attribute}")
