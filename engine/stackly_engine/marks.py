"""Masks over a value: False, True (all of it), or the value's own shape with masks inside."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from stackly_engine.values import Path


def some(mask: Any) -> bool:
    """Whether anything is marked."""
    if isinstance(mask, dict):
        return any(some(item) for item in mask.values())
    if isinstance(mask, list):
        return any(some(item) for item in mask)
    return mask is True


def at(mask: Any, key: str | int) -> Any:
    """The mask of one part; what lies below True is marked with it."""
    if isinstance(mask, dict):
        return mask.get(str(key), False)
    if isinstance(mask, list):
        return mask[int(key)] if int(key) < len(mask) else False
    return mask is True


def tidy(mask: Any) -> Any:
    """The one form of a mask: False wherever nothing below is marked."""
    if not some(mask):
        return False
    if isinstance(mask, dict):
        return {key: tidy(item) for key, item in mask.items()}
    if isinstance(mask, list):
        return [tidy(item) for item in mask]
    return True


def outer_and_inner(paths: Iterable[Path], value: Any) -> tuple[Any, tuple[Path, ...]]:
    """The mask of some paths into a value, and the paths below others of them, which a mask does not show.

    A path that leaves the value's shape marks the part where it does.
    """
    found = {_cut_off(path, value) for path in paths}
    inner = {path for path in found if any(path[:length] in found for length in range(len(path)))}
    mask: Any = False
    for path in sorted(found - inner, key=repr):
        mask = _with(mask, path, value)
    return mask, tuple(sorted(inner, key=repr))


def paths_of(mask: Any) -> Iterator[Path]:
    """The paths of the parts that are True."""
    if mask is True:
        yield ()
    elif some(mask):
        for key, item in mask.items() if isinstance(mask, dict) else enumerate(mask):
            yield from ((key, *path) for path in paths_of(item))


@dataclass
class Tree:
    """Marked paths by their steps: whether this place is marked, and what is marked below."""

    marked: bool = False
    parts: dict[str | int, "Tree"] = field(default_factory=dict)

    def below(self, key: str | int) -> "Tree":
        return self.parts.get(key, Tree())

    def unmarked(self) -> "Tree":
        return Tree(False, self.parts)

    def __bool__(self) -> bool:
        return self.marked or bool(self.parts)


def tree(paths: Iterable[Path]) -> Tree:
    root = Tree()
    for path in paths:
        place = root
        for step in path:
            place = place.parts.setdefault(step, Tree())
        place.marked = True
    return root


def _cut_off(path: Path, value: Any) -> Path:
    for length, step in enumerate(path):
        if not _holds(value, step):
            return path[:length]
        value = value[step]
    return path


def _with(mask: Any, path: Path, value: Any) -> Any:
    if not path:
        return True
    key, rest = path[0], path[1:]
    if isinstance(value, dict):
        new = dict(mask or dict.fromkeys(value, False))
        new[str(key)] = _with(new[str(key)], rest, value[key])
        return new
    items = list(mask or [False] * len(value))
    items[int(key)] = _with(items[int(key)], rest, value[int(key)])
    return items


def _holds(value: Any, key: str | int) -> bool:
    if isinstance(value, dict):
        return key in value
    return isinstance(value, list) and isinstance(key, int) and 0 <= key < len(value)
