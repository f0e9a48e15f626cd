"""Where the symbolic links of a tree lead, followed as a file system would. Pure."""

from __future__ import annotations

from collections.abc import Mapping

TARGET_BYTES = 4096
"""The longest target of a link."""
_STEPS = 40


class LinkRefusedError(Exception):
    """The link leaves the tree, goes in a circle, or is malformed."""


class LinkBrokenError(Exception):
    """The link leads to nothing in the tree."""


def resolve(path: str, targets: Mapping[str, str], files: frozenset[str], folders: frozenset[str]) -> str:
    """The path that a link ends at: a file or a folder ("" = the top).

    `targets` has each link's target by its path; `files` and `folders` are the paths of what may reach a worker.

    Raises:
        LinkRefusedError: absolute, out of the tree, in a circle, or malformed.
        LinkBrokenError: leads to nothing that reaches a worker.
    """
    done: list[str] = path.split("/")[:-1]
    todo = _parts(targets[path])
    steps = 0
    while todo:
        part = todo.pop()
        if part == "..":
            if not done:
                raise LinkRefusedError("the link leads out of the repository")
            done.pop()
            continue
        here = "/".join([*done, part])
        if here in targets:
            steps += 1
            if steps > _STEPS:
                raise LinkRefusedError("the link goes in a circle")
            todo += _parts(targets[here])
            continue
        if here not in folders and (todo or here not in files):
            raise LinkBrokenError("the link leads to nothing that reaches a worker")
        done.append(part)
    return "/".join(done)


def _parts(target: str) -> list[str]:
    """The parts of a target, last first."""
    if not target or target.startswith("/") or "\\" in target or "\0" in target:
        raise LinkRefusedError("the link's target is not a relative path")
    return [part for part in reversed(target.split("/")) if part not in {"", "."}]
