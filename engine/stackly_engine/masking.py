"""Masks over values of a plan: sensitive parts become a marker and a keyed hash, unknown parts a path."""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stackly_engine import exact

SENSITIVE = "(sensitive)"
SHORTEST = 6  # characters; a shorter secret inside a longer text cannot be told from chance
_Path = list[Any]


@dataclass(frozen=True)
class Mask:
    """The stack's hash key, and secrets that are masked wherever they stand."""

    key: bytes
    secrets: frozenset[str]
    _long: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_long", tuple(text for text in self.secrets if len(text) >= SHORTEST))

    def hash(self, path: _Path, value: Any) -> str:
        """HMAC-SHA256 (hex) of a value at a place: equal secrets at two places do not show as equal."""
        data = exact.dumps(exact.normal([path, value]))
        return hmac.new(self.key, data, hashlib.sha256).hexdigest()

    def hides(self, value: Any) -> bool:
        """True for a text or number that contains a known secret."""
        if isinstance(value, bool) or value is None:
            return False
        text = str(value)
        return any(secret in text for secret in self._long)

    def text(self, value: Any) -> Any:
        """The value, or the marker when it contains a secret."""
        return SENSITIVE if self.hides(value) else value


@dataclass
class _Seen:
    """One side of a change after masking: the hashes by path."""

    hashes: list[tuple[_Path, str]] = field(default_factory=list)


def masked_change(change: Mapping[str, Any], place: _Path, mask: Mask) -> dict[str, Any]:
    """actions, replace_paths, before, after, unknown, sensitive of one change, changed attributes only."""
    before, after = change.get("before"), change.get("after")
    unknown = change.get("after_unknown") or {}
    marks = (change.get("before_sensitive") or {}, change.get("after_sensitive") or {})
    names = [name for name in _names(before, after, unknown) if _differs(name, before, after, unknown, marks)]
    sides = (_Seen(), _Seen())
    shown = [
        {name: _masked(side[name], _part(mark, name), [name], (place, mask, seen)) for name in names if name in side}
        for side, mark, seen in zip((before or {}, after or {}), marks, sides, strict=True)
    ]
    return {
        "actions": list(change["actions"]),
        "replace_paths": sorted(change.get("replace_paths") or [], key=exact.dumps),
        "before": shown[0] if before is not None else None,
        "after": shown[1] if after is not None else None,
        "unknown": sorted(_unknown_paths({name: _part(unknown, name) for name in names}, []), key=exact.dumps),
        "sensitive": _paired(*sides),
    }


def _names(before: Any, after: Any, unknown: Any) -> list[str]:
    return sorted({name for side in (before, after, unknown) if isinstance(side, dict) for name in side})


def _differs(name: str, before: Any, after: Any, unknown: Any, marks: tuple[Any, Any]) -> bool:
    """A new null attribute is no change; an attribute that is unknown, or only changes its mark, is one."""
    old, new = ((side or {}).get(name) for side in (before, after))
    if not _same(old, new):
        return True
    was, now = (_part(mark, name) for mark in marks)
    both = before is not None and after is not None
    return next(_unknown_paths(_part(unknown, name), []), None) is not None or (both and _any(was) != _any(now))


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, str) and isinstance(new, str):
        return old == new
    return exact.dumps(exact.normal(old)) == exact.dumps(exact.normal(new))  # as bytes: to Python, true equals 1


def _masked(value: Any, marks: Any, path: _Path, context: tuple[_Path, Mask, _Seen]) -> Any:
    place, mask, seen = context
    fits = isinstance(marks, type(value)) and isinstance(value, dict | list)
    if marks is True or (marks and not fits) or (not isinstance(value, dict | list) and mask.hides(value)):
        seen.hashes.append((path, mask.hash([place, path], value)))
        return SENSITIVE
    if isinstance(value, dict):
        # A name can be a secret too (a map keyed by tokens): then the whole map is masked.
        if any(mask.hides(name) for name in value):
            return _masked(value, True, path, context)
        return {name: _masked(item, _part(marks, name), [*path, name], context) for name, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, _part(marks, at), [*path, at], context) for at, item in enumerate(value)]
    return value


def _part(marks: Any, step: str | int) -> Any:
    """The marks one step down; a mark on the whole is a mark on each part."""
    if marks is True:
        return True
    if isinstance(marks, dict):
        return marks.get(step, False)
    if isinstance(marks, list) and isinstance(step, int):
        return marks[step] if step < len(marks) else False
    return False


def _any(marks: Any) -> Any:
    """A tree of marks without its empty branches, so that false, {} and [] are one."""
    if isinstance(marks, dict):
        return {name: kept for name, item in marks.items() if (kept := _any(item))} or False
    if isinstance(marks, list):
        kept = [_any(item) for item in marks]
        return kept if any(kept) else False
    return bool(marks)


def _unknown_paths(unknown: Any, path: _Path) -> Iterator[_Path]:
    if unknown is True:
        yield path
    elif isinstance(unknown, dict):
        for name, item in unknown.items():
            yield from _unknown_paths(item, [*path, name])
    elif isinstance(unknown, list):
        for at, item in enumerate(unknown):
            yield from _unknown_paths(item, [*path, at])


def _paired(before: _Seen, after: _Seen) -> list[list[Any]]:
    """[path, hash before, hash after] for each masked place, sorted."""
    hashes: dict[bytes, list[Any]] = {}
    for side, seen in enumerate((before, after), start=1):
        for path, value in seen.hashes:
            hashes.setdefault(exact.dumps(path), [path, None, None])[side] = value
    return [hashes[key] for key in sorted(hashes)]
