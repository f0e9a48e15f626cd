"""The code of a tree as an `init` reads it, wherever it lies in the tree."""

import os
from collections.abc import Iterator
from pathlib import Path

from stackly_engine import installing


def digest(tree: Path) -> str:
    """Equal for trees of which an `init` would make the same, all else being equal."""
    return installing.digest(_files(str(tree)))


def _files(tree: str) -> Iterator[tuple[str, bytes]]:
    """Path in the tree and bytes of each file of code; of each link also where it leads."""
    for base, folders, names in os.walk(tree):
        folders.sort()
        for name in sorted([*names, *folders]):
            path = f"{base}/{name}"
            if os.path.islink(path):  # noqa: PTH114 - thousands
                yield f"{path[len(tree) :]} ->", os.fsencode(Path(path).readlink())
            if name.endswith(installing.CODE) and os.path.isfile(path):  # noqa: PTH113 - thousands
                yield path[len(tree) :], Path(path).read_bytes()
        folders[:] = [name for name in folders if name != ".terraform" and not name.startswith(".stackly-")]
