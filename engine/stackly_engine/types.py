"""Types of Terraform's values (cty) in their JSON form, and as constraints of a variable."""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from stackly_engine import exact
from stackly_engine.exact import FormatError

PRIMITIVES = frozenset({"string", "number", "bool"})
COLLECTIONS = frozenset({"list", "set", "map"})
# HCL knows more identifiers; a name that is none of these is written as a value, which is always right.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_WORDS = frozenset({"for", "null", "true", "false"})


def kind(t: Any) -> str:
    """One word: string, number, bool, dynamic, list, set, map, object or tuple; FormatError for anything else."""
    name, inner = (t, None) if isinstance(t, str) else _compound(t)
    if isinstance(t, str) and (t in PRIMITIVES or t == "dynamic"):
        return t
    if name in COLLECTIONS or (name == "object" and isinstance(inner, dict)):
        return str(name)
    if name == "tuple" and isinstance(inner, list):
        return "tuple"
    raise FormatError("this is no type of a value")


def check(t: Any) -> Any:
    """The type itself, when it is one all the way down; FormatError else. Optional attributes are none of a value."""
    for part in parts(t):
        check(part)
    return [t[0], {name: check(part) for name, part in t[1].items()}] if kind(t) == "object" else t


def parts(t: Any) -> Iterator[Any]:
    """The types that a type is made of, one level down."""
    form = kind(t)
    if form in COLLECTIONS:
        yield t[1]
    elif form == "object":
        yield from t[1].values()
    elif form == "tuple":
        yield from t[1]


def expressible(t: Any) -> bool:
    """Whether a type constraint says exactly this type; object names that are no identifiers have no syntax."""
    if kind(t) == "object" and not all(_NAME.fullmatch(name) and name not in _WORDS for name in t[1]):
        return False
    return all(expressible(part) for part in parts(t))


def constraint(t: Any) -> str:
    """The type as a constraint: `list(object({a=string}))`. Only for expressible types; FormatError else."""
    if not expressible(t):
        raise FormatError("this type has no constraint syntax")
    return _constraint(t)


def conforms(value: Any, t: Any) -> bool:
    """Whether a JSON value can be one of this type; null is of every type."""
    return value is None or _FITS[kind(t)](value, t)


def ordered(value: Any, t: Any) -> Any:
    """The value with each set in one order; the value conforms to the type."""
    form = kind(t)
    if value is None or form in PRIMITIVES or form == "dynamic":
        return value
    if isinstance(value, dict):
        return {key: ordered(item, t[1][key] if form == "object" else t[1]) for key, item in value.items()}
    inner = t[1] if form == "tuple" else [t[1]] * len(value)
    items = [ordered(item, part) for item, part in zip(value, inner, strict=True)]
    return sorted(items, key=lambda item: exact.dumps(exact.normal(item))) if form == "set" else items


def _compound(t: Any) -> tuple[Any, Any]:
    if not isinstance(t, list) or len(t) not in {2, 3} or not isinstance(t[0], str):
        raise FormatError("this is no type of a value")
    return t[0], t[1]


def _constraint(t: Any) -> str:
    form = kind(t)
    if form in PRIMITIVES:
        return form
    if form == "dynamic":
        return "any"
    if form in COLLECTIONS:
        return f"{form}({_constraint(t[1])})"
    if form == "tuple":
        return f"tuple([{','.join(_constraint(part) for part in t[1])}])"
    return f"object({{{','.join(f'{name}={_constraint(part)}' for name, part in sorted(t[1].items()))}}})"


def _number(value: Any, _: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _items(value: Any, t: Any) -> bool:
    return isinstance(value, list) and all(conforms(item, t[1]) for item in value)


def _map(value: Any, t: Any) -> bool:
    return isinstance(value, dict) and all(conforms(item, t[1]) for item in value.values())


def _object(value: Any, t: Any) -> bool:
    return isinstance(value, dict) and value.keys() == t[1].keys() and all(conforms(value[k], t[1][k]) for k in value)


def _tuple(value: Any, t: Any) -> bool:
    return isinstance(value, list) and len(value) == len(t[1]) and all(map(conforms, value, t[1]))


_FITS: dict[str, Callable[[Any, Any], bool]] = {
    "string": lambda value, _: isinstance(value, str),
    "bool": lambda value, _: isinstance(value, bool),
    "number": _number,
    "dynamic": lambda _value, _: False,  # only null is of no type of its own
    "list": _items,
    "set": _items,
    "map": _map,
    "object": _object,
    "tuple": _tuple,
}
