"""Did an export come out as it was approved? Value, type, and what is sensitive in it."""

from collections.abc import Iterable, Iterator
from typing import Any

from stackly_engine import marks, refinement, types
from stackly_engine.exports import Export
from stackly_engine.refinement import Path, Side
from stackly_engine.values import Refinement


def refines(approved: Export, real: Export) -> bool:
    """Whether an export is one that the approved one may come out as: value, type, and what is sensitive in it."""
    value = Side(approved.value, approved.unknown), Side(real.value, real.unknown)
    return (
        _type_refines(approved.type, real.type)
        and refinement.refines(*value, real.type)
        and _marks_refine(approved.sensitive, real.sensitive, approved.unknown)
        and all(_as_told(real, path, known) for path, known in approved.refined)
        and set(_known_paths(approved, approved.inner)) == set(_known_paths(approved, real.inner))
    )


def _type_refines(approved: Any, real: Any) -> bool:
    """Dynamic may become any type; anything else is what it was, down to its parts."""
    form = types.kind(approved)
    if form == "dynamic":
        return True
    if form != types.kind(real):
        return False
    if form == "object" and approved[1].keys() != real[1].keys():
        return False
    old, new = _parts(approved), _parts(real)
    return len(old) == len(new) and all(map(_type_refines, old, new))


def _parts(t: Any) -> list[Any]:
    return [t[1][name] for name in sorted(t[1])] if types.kind(t) == "object" else list(types.parts(t))


def _marks_refine(approved: Any, real: Any, unknown: Any) -> bool:
    """What was known keeps its marks; what was unknown may get some, and loses none: then something of it is still marked."""
    if unknown is True:
        return marks.some(real) or not marks.some(approved)
    if not isinstance(approved, dict | list) and not isinstance(real, dict | list):
        return bool(approved) == bool(real)
    if True in (approved is True, real is True):
        return False
    if isinstance(approved, list) or isinstance(real, list):
        keys: Iterable[str | int] = range(max(len(side) for side in (approved, real) if isinstance(side, list)))
    else:
        keys = {key for side in (approved, real) if isinstance(side, dict) for key in side}
    return all(_marks_refine(marks.at(approved, key), marks.at(real, key), marks.at(unknown, key)) for key in keys)


def _as_told(real: Export, path: Path, known: Refinement) -> bool:
    """Whether what was known of an unknown part came true; a part that cannot be reached (in a set) says nothing."""
    side = Side(real.value, real.unknown)
    for key in path:
        fits = isinstance(side.value, dict) if isinstance(key, str) else isinstance(side.value, list)
        if not fits or side.unknown is True:
            return True
        side = side.at(key)
    if side.unknown is True:
        return True
    if side.value is None:
        return not known.not_null
    return not known.prefix or (isinstance(side.value, str) and side.value.startswith(known.prefix))


def _known_paths(approved: Export, paths: Iterable[Path]) -> Iterator[Path]:
    """Those of the paths that do not lead into what was unknown when it was approved."""
    for path in paths:
        mask = approved.unknown
        for key in path:
            mask = marks.at(mask, key)
        if mask is not True:
            yield path
