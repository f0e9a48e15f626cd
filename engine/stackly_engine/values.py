"""Terraform's values in msgpack (cty): exact numbers, unknowns with what is known of them, types of their own inside."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import msgpack

from stackly_engine import exact, types
from stackly_engine.exact import FormatError

_PLAIN, _REFINED = 0, 12  # msgpack extensions
_NOT_NULL, _PREFIX = 1, 2  # refinements

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Refinement:
    """What is known of an unknown value: that it is not null, how its text begins. Bounds of numbers are not kept."""

    not_null: bool = False
    prefix: str = ""


@dataclass
class Decoded:
    """A value, with None at unknown parts; their mask and refinements; its type with no type left open that is known."""

    type: Any
    value: Any
    unknown: Any = False
    refined: dict[Path, Refinement] = field(default_factory=dict)


def decode(data: bytes, t: Any = "dynamic") -> Decoded:
    """The value of msgpack bytes that were written for a type; FormatError."""
    refined: dict[Path, Refinement] = {}
    real, value, unknown = _decode(_raw(data), t, (), refined)
    return Decoded(real, value, unknown, refined)


def step(data: bytes) -> str | int:
    """A key of a map or an index, as a path holds it; FormatError for the element of a set."""
    raw = _raw(data)
    if isinstance(raw, str | int) and not isinstance(raw, bool):
        return raw
    raise FormatError("a path has a step of unknown form")


def _raw(data: bytes) -> Any:
    try:
        return msgpack.unpackb(data, ext_hook=_extension, strict_map_key=False, raw=False)
    except (ValueError, msgpack.UnpackException, RecursionError):
        raise FormatError("a value is no msgpack") from None


_Part = tuple[Any, Any, Any]  # type, value, unknown mask


def _decode(raw: Any, t: Any, path: Path, refined: dict[Path, Refinement]) -> _Part:
    if isinstance(raw, Refinement):
        if raw != Refinement():
            refined[path] = raw
        return t, None, True
    if raw is None:
        return t, None, False
    form = types.kind(t)
    if form == "dynamic":
        return _decode(*_typed(raw), path, refined)
    if form in types.PRIMITIVES:
        return t, _primitive(raw, form), False
    if isinstance(raw, dict) and form in {"map", "object"}:
        return _named(raw, t, path, refined)
    if isinstance(raw, list) and form in {"list", "set", "tuple"}:
        return _listed(raw, t, path, refined)
    raise FormatError(f"a value is no {form}")


def _named(raw: Mapping[Any, Any], t: Any, path: Path, refined: dict[Path, Refinement]) -> _Part:
    if t[0] == "object" and raw.keys() != t[1].keys():
        raise FormatError("an object does not have the attributes of its type")
    got = {
        str(key): _decode(item, t[1][key] if t[0] == "object" else t[1], (*path, str(key)), refined)
        for key, item in raw.items()
    }
    real = [t[0], {key: part[0] for key, part in got.items()}] if t[0] == "object" else t
    mask = {key: part[2] for key, part in got.items()}
    return real, {key: part[1] for key, part in got.items()}, mask if any(mask.values()) else False


def _listed(raw: list[Any], t: Any, path: Path, refined: dict[Path, Refinement]) -> _Part:
    if t[0] == "tuple" and len(raw) != len(t[1]):
        raise FormatError("a tuple does not have the length of its type")
    inner = t[1] if t[0] == "tuple" else [t[1]] * len(raw)
    got = [_decode(item, inner[index], (*path, index), refined) for index, item in enumerate(raw)]
    mask = [part[2] for part in got]
    real = ["tuple", [part[0] for part in got]] if t[0] == "tuple" else t
    return real, [part[1] for part in got], mask if any(mask) else False


def _typed(raw: Any) -> tuple[Any, Any]:
    """The value and the type that a value of open type carries with it."""
    if not isinstance(raw, list) or len(raw) != 2 or not isinstance(raw[0], bytes | str):  # noqa: PLR2004
        raise FormatError("a value of open type does not say its type")
    return raw[1], types.check(exact.loads(raw[0].encode() if isinstance(raw[0], str) else raw[0]))


def _primitive(raw: Any, form: str) -> Any:
    if form == "string" and isinstance(raw, str):
        return raw
    if form == "bool" and isinstance(raw, bool):
        return raw
    if form == "number" and isinstance(raw, int | float | str) and not isinstance(raw, bool):
        try:
            return exact.number(Decimal(raw))  # a float stands only where it is the number itself
        except InvalidOperation:
            raise FormatError("a number has no digits") from None
    raise FormatError(f"a value is no {form}")


def _extension(code: int, data: bytes) -> Refinement:
    if code == _PLAIN:
        return Refinement()
    if code != _REFINED:
        raise FormatError(f"a value is of the unknown form {code}")
    known = msgpack.unpackb(data, strict_map_key=False, raw=False)
    if not isinstance(known, dict):
        raise FormatError("an unknown value has refinements of unknown form")
    return Refinement(known.get(_NOT_NULL) is False, str(known.get(_PREFIX, "")))
