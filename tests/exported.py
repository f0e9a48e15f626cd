"""Hypothesis strategies of the engine's tests: Terraform's types, values of them, and marks on their parts."""

import unicodedata
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from stackly_engine import exact, marks, types
from stackly_engine.exports import Export
from stackly_engine.values import Path, Refinement

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8).map(lambda text: unicodedata.normalize("NFC", text))
NAMES = st.one_of(st.sampled_from(["a", "b_c", "d-e", "for", "null", "${x}", "%{if}", 'q"', "a b", ""]), TEXTS)
NUMBERS = st.one_of(
    st.integers(-(10**40), 10**40),
    st.builds(
        lambda digits, exponent: Decimal(digits).scaleb(exponent), st.integers(-(10**25), 10**25), st.integers(-40, 40)
    ),
).map(exact.number)
PRIMITIVES = st.sampled_from(["string", "number", "bool", "dynamic"])


def _compound(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.tuples(st.sampled_from(["list", "set", "map"]), inner).map(list),
        st.lists(inner, max_size=3).map(lambda parts: ["tuple", parts]),
        st.dictionaries(NAMES, inner, max_size=3).map(lambda parts: ["object", parts]),
    )


TYPES = st.recursive(PRIMITIVES, _compound, max_leaves=6)


def values_of(t: Any) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), _known(t)) if types.kind(t) != "dynamic" else st.none()


def _known(t: Any) -> st.SearchStrategy[Any]:
    form = types.kind(t)
    if form in types.PRIMITIVES:
        return {"string": TEXTS, "number": NUMBERS, "bool": st.booleans()}[form]
    if form == "tuple":
        return st.tuples(*(values_of(part) for part in t[1])).map(list)
    if form == "object":
        return st.fixed_dictionaries({name: values_of(part) for name, part in t[1].items()})
    if form == "map":
        return st.dictionaries(TEXTS, values_of(t[1]), max_size=3)
    unique = (lambda item: exact.dumps(types.ordered(item, t[1]))) if form == "set" else None
    return st.lists(values_of(t[1]), max_size=3, unique_by=unique)


def places_of(value: Any, t: Any) -> list[Path]:
    """The paths of all parts that can be marked by themselves: those inside of sets cannot."""
    found: list[Path] = [()]
    if isinstance(value, dict | list) and types.kind(t) != "set":
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            part = t[1][key] if types.kind(t) in {"object", "tuple"} else t[1]
            found.extend((key, *path) for path in places_of(item, part))
    return found


@st.composite
def exported(draw: st.DrawFn) -> Export:
    """A known export with some sensitive parts."""
    t = draw(TYPES)
    value = draw(values_of(t))
    paths = draw(st.lists(st.sampled_from(places_of(value, t)), max_size=3)) if draw(st.booleans()) else []
    sensitive, inner = marks.outer_and_inner(paths, value)
    return Export(t, value, sensitive, inner=inner)


@st.composite
def expected(draw: st.DrawFn) -> Export:
    """An export of a plan: some parts (none inside of sets) are not known, of some it is known that they are not null."""
    t = draw(TYPES)
    value = draw(values_of(t))
    unknown = draw(st.lists(st.sampled_from(places_of(value, t)), max_size=3))
    mask, _ = marks.outer_and_inner(unknown, value)
    refined = []
    for path in sorted(marks.paths_of(mask), key=repr):
        kind, value = types.kind(_at(t, path)), _without(value, path)
        if kind not in {"object", "tuple", "dynamic"} and draw(st.booleans()):
            prefix = draw(st.sampled_from(["", "ü "])) if kind == "string" else ""
            refined.append((path, Refinement(not_null=True, prefix=prefix)))
    paths = draw(st.lists(st.sampled_from(places_of(value, t)), max_size=3)) if draw(st.booleans()) else []
    sensitive, inner = marks.outer_and_inner(paths, value)
    return Export(t, value, sensitive, mask, tuple(refined), inner)


def _at(t: Any, path: Path) -> Any:
    for step in path:
        t = t[1][step] if types.kind(t) in {"object", "tuple"} else t[1]
    return t


def _without(value: Any, path: Path) -> Any:
    if not path:
        return None
    parts = dict(value) if isinstance(value, dict) else list(value)
    parts[path[0]] = _without(value[path[0]], path[1:])  # type: ignore[index]
    return parts


def comparable(export: Export) -> tuple[Any, ...]:
    """An export with its sets in one order and its numbers in one form."""
    value = exact.normal(types.ordered(export.value, export.type))
    masks = marks.tidy(export.sensitive), marks.tidy(export.unknown)
    return export.type, value, *masks, sorted(export.inner, key=repr), sorted(export.refined, key=repr)
