"""Which program is Terraform or OpenTofu, and its version: of one and the same program it is asked once.

A program that only looks like it may be a shim (tfenv, tenv, mise) that takes another version in another folder: it is asked
each time. The real one is told by the words that the Go compiler writes into it.
"""

import json
import mmap
import os
from collections.abc import Mapping, Sequence

from stackly_engine.command.places import OWN, read

Version = tuple[str, str]  # "terraform" or "tofu", "1.11.4"
NAMES = ("terraform", "tofu")
_BUILT_FROM = (b"path\tgithub.com/hashicorp/terraform\n", b"path\tgithub.com/opentofu/opentofu/cmd/tofu\n")


def found(name: str, env: Mapping[str, str]) -> str | None:
    """The path of the program of that name or path; without one, of the first of terraform and tofu on PATH."""
    for candidate in [name] if name else NAMES:
        folders = (
            [""] if "/" in candidate else [f"{folder}/" for folder in env.get("PATH", os.defpath).split(":") if folder]
        )
        for folder in folders:
            if os.path.isfile(folder + candidate) and os.access(folder + candidate, os.X_OK):  # noqa: PTH113
                return folder + candidate
    return None


def identity(path: str) -> list[object]:
    """What another program at that place would not have: any writing moves the last of these."""
    at = os.stat(path)  # noqa: PTH116
    return [os.path.realpath(path), at.st_dev, at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns]


def remembered(root: str, of: Sequence[object]) -> Version | None:
    """The version of a program that was asked before in this root."""
    try:
        named, product, version = json.loads(read(f"{root}/{OWN}/tool"))
    except (ValueError, TypeError):
        return None
    return (str(product), str(version)) if named == of else None


def remember(root: str, of: Sequence[object], version: Version) -> None:
    """Keep what a program answered, unless it may be a shim. The folder of our own must be there."""
    if of and remembered(root, of) is None and _real(str(of[0])):
        place = f"{root}/{OWN}/tool"
        with open(f"{place}.new", "w") as file:  # noqa: PTH123
            file.write(json.dumps([list(of), *version]))
        os.replace(f"{place}.new", place)  # noqa: PTH105


def _real(path: str) -> bool:
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:  # noqa: PTH123
        return any(data.find(words) >= 0 for words in _BUILT_FROM)
