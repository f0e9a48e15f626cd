"""May an approved value, some of it unknown, come out as this one? Element by element, sets as sets."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from stackly_engine import exact, marks, types

Path = tuple[str | int, ...]
Difference = tuple[str, Path]

ANOTHER = "another value"
_UNTYPED = None


class Side(NamedTuple):
    """A value and the mask of what is unknown in it: False, True, or the value's own shape."""

    value: Any
    unknown: Any = False

    def at(self, key: str | int) -> "Side":
        below = marks.at(self.unknown, key)
        if isinstance(key, int):
            return Side(self.value[key] if key < len(self.value) else None, below)
        return Side(self.value.get(key), below)

    def has(self, key: str) -> bool:
        return key in self.value or marks.at(self.unknown, key) is True


def differences(approved: Side, new: Side, t: Any = _UNTYPED, path: Path = ()) -> Iterator[Difference]:
    """Where the new value is none that the approved one may come out as; nothing when it refines it.

    Approved unknown → anything; approved known → equal; known → unknown never. `t` is the type (cty, as JSON) as far as it
    is known: with None, a list with unknown elements passes as a list or as a set.
    """
    if approved.unknown is True:
        return
    if new.unknown is True:
        yield "is unknown now", path
    elif isinstance(approved.value, dict) and isinstance(new.value, dict):
        yield from _mappings(approved, new, t, path)
    elif isinstance(approved.value, list) and isinstance(new.value, list):
        yield from _sequences(approved, new, t, path)
    elif not same(approved.value, new.value):
        yield ANOTHER, path


def refines(approved: Side, new: Side, t: Any = _UNTYPED) -> bool:
    return next(differences(approved, new, t), None) is None


def same(one: Any, other: Any) -> bool:
    """Equal as Terraform's values: 1.0 is 1, true is not 1."""
    if isinstance(one, str) and isinstance(other, str):
        return one == other
    return exact.dumps(exact.normal(one)) == exact.dumps(exact.normal(other))


def _mappings(approved: Side, new: Side, t: Any, path: Path) -> Iterator[Difference]:
    """Objects and maps: unknown elements are left out of the value and stand in the mask."""
    names = {name for side in (approved, new) for part in side if isinstance(part, dict) for name in part}
    for name in sorted(names):
        if approved.has(name) and new.has(name):
            yield from differences(approved.at(name), new.at(name), _inside(t, name), (*path, name))
        elif approved.has(name) and marks.at(approved.unknown, name) is not True:
            yield "is gone", (*path, name)
        elif new.has(name):
            yield "is new", (*path, name)


def _sequences(approved: Side, new: Side, t: Any, path: Path) -> Iterator[Difference]:
    form = _form(t)
    if form == "set":
        if not _set_refines(approved, new, t):
            yield "a set of other elements", path
        return
    found = list(_in_order(approved, new, t, path))
    if found and form is None and marks.some(approved.unknown) and _set_refines(approved, new, t):
        return
    yield from found


def _in_order(approved: Side, new: Side, t: Any, path: Path) -> Iterator[Difference]:
    if len(approved.value) != len(new.value):
        yield "another number of elements", path
        return
    for at in range(len(approved.value)):
        yield from differences(approved.at(at), new.at(at), _inside(t, at), (*path, at))


def _set_refines(approved: Side, new: Side, t: Any) -> bool:
    """Each approved element comes out as some new one, and each new one comes out of an approved one of its own."""
    inner = _inside(t, 0)
    now = [new.at(at) for at in range(len(new.value))]
    old = [approved.at(at) for at in range(len(approved.value))]
    open_ones = [item for item in old if marks.some(item.unknown)]
    known = {_exact(item) for item in old if not marks.some(item.unknown)}
    if not known <= {_exact(item) for item in now}:
        return False
    fits = [[place for place, item in enumerate(now) if refines(was, item, inner)] for was in open_ones]
    left = {place for place, item in enumerate(now) if _exact(item) not in known}
    return all(fits) and _matched([[place for place in places if place in left] for places in fits]) == len(left)


def _exact(item: Side) -> bytes | None:
    return None if marks.some(item.unknown) else exact.dumps(exact.normal(item.value))


def _matched(fits: list[list[int]]) -> int:
    """How many right ones find a left one of their own at best (augmenting paths)."""
    owner: dict[int, int] = {}
    match: dict[int, int] = {}
    for start in range(len(fits)):
        came: dict[int, int] = {}
        end = _free(fits, owner, start, came)
        while end is not None:
            left = came[end]
            before = match.get(left)
            match[left], owner[end] = end, left
            end = before
    return len(owner)


def _free(fits: list[list[int]], owner: dict[int, int], start: int, came: dict[int, int]) -> int | None:
    """A right one without an owner that alternating steps lead to; `came` says from where each was reached."""
    waiting = [start]
    while waiting:
        left = waiting.pop()
        for right in fits[left]:
            if right not in came:
                came[right] = left
                if right not in owner:
                    return right
                waiting.append(owner[right])
    return None


def _form(t: Any) -> str | None:
    """The kind of a type; None when nothing is known of it."""
    form = None if t is None else types.kind(t)
    return None if form == "dynamic" else form


def _inside(t: Any, key: str | int) -> Any:
    """The type of a part; None when nothing is known of it."""
    form = _form(t)
    if form == "object":
        return t[1].get(key)
    if form == "tuple":
        return t[1][key] if isinstance(key, int) and key < len(t[1]) else None
    return t[1] if form in types.COLLECTIONS else None
