"""An expression that evaluates to a recorded value: the same type, sensitivity and unknown parts.

No value, not even the key of a map, enters the text: all data comes in variables. Names of object attributes are part
of the type and do; Terraform checks types before it knows any variable.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stackly_engine import marks, types
from stackly_engine.exports import Export
from stackly_engine.values import Path, Refinement

_SPECIAL = re.compile(r"[^A-Za-z0-9_ -]")
_KEYS_TYPE = ["list", "string"]


@dataclass(frozen=True)
class Variable:
    """A variable of the generated file; its value goes into the var file."""

    name: str
    type: Any
    value: Any
    sensitive: bool

    @property
    def text(self) -> str:
        sensitive = "  sensitive = true\n" if self.sensitive else ""
        return f'variable "{self.name}" {{\n  type = {types.constraint(self.type)}\n{sensitive}}}\n'


@dataclass
class Builder:
    """Builds the expression of one export; `variables` and `unknown` (a placeholder is read) say what it needs."""

    name: str
    refined: Mapping[Path, Refinement] = field(default_factory=dict)
    variables: list[Variable] = field(default_factory=list)
    unknown: bool = False

    def expression(self, export: Export) -> str:
        self.refined = dict(export.refined)
        sensitive = marks.tree([*marks.paths_of(export.sensitive), *export.inner])
        return self.build(types.check(export.type), export.value, sensitive, export.unknown, ())

    def build(self, t: Any, value: Any, sensitive: marks.Tree, unknown: Any, path: Path) -> str:
        if not marks.some(unknown) and not sensitive.parts and types.expressible(t):
            return self.variable(t, value, sensitive=sensitive.marked)
        if sensitive.marked:
            return f"sensitive({self.build(t, value, sensitive.unmarked(), unknown, path)})"
        if unknown is True:
            return self.placeholder(t, self.refined.get(path, Refinement()))
        if value is None:
            return f"(true ? null : {self.example(t)})"
        return self.literal(t, value, sensitive, unknown, path)

    def literal(self, t: Any, value: Any, sensitive: marks.Tree, unknown: Any, path: Path) -> str:
        """The structure written out, each part built for itself."""
        form = types.kind(t)
        keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
        items = [
            self.build(_part(t, key), value[key], sensitive.below(key), marks.at(unknown, key), (*path, key))
            for key in keys
        ]
        if not items and form in types.COLLECTIONS:
            return _EMPTY[form](f"tolist([{self.example(t[1])}])")
        if form == "map":
            return f"zipmap({self.variable(_KEYS_TYPE, keys)}, tolist([{', '.join(items)}]))"
        if form == "object":
            return _braces(keys, items)
        return _brackets(form, items)

    def variable(self, t: Any, value: Any, *, sensitive: bool = False) -> str:
        name = self.name if not self.variables else f"{self.name}-{len(self.variables)}"
        self.variables.append(Variable(name, t, value, sensitive))
        return f"var.{name}"

    def example(self, t: Any) -> str:
        """Some known value of the type; null where that is possible."""
        if types.expressible(t):
            return self.variable(t, None)
        items = [self.example(part) for part in types.parts(t)]
        form = types.kind(t)
        if form in {"object", "map"}:
            text = _braces(list(t[1]) if form == "object" else ["x"], items)
            return text if form == "object" else f"tomap({text})"
        return _brackets(form, items)

    def placeholder(self, t: Any, refinement: Refinement) -> str:
        """An unknown value of exactly this type: the element of a list at an unknown place."""
        self.unknown = True
        unknown = f"jsondecode(terraform_data.{self.name}.id)"
        if t == "dynamic":
            return unknown
        value = f"tolist([{self.example(t)}])[tonumber({unknown})]"
        form = types.kind(t)
        if refinement.prefix and form == "string":
            return f'"${{{self.variable("string", refinement.prefix)}}}${{{value}}}"'
        return _NOT_NULL[form](value) if refinement.not_null and form in _NOT_NULL else value


def _braces(names: list[str], items: list[str]) -> str:
    return f"{{ {', '.join(f'{_quoted(name)} = {item}' for name, item in zip(names, items, strict=True))} }}"


def _brackets(form: str, items: list[str]) -> str:
    text = f"[{', '.join(items)}]"
    return text if form == "tuple" else f"to{form}({text})"


def _quoted(name: str) -> str:
    """An attribute's name as a literal: whatever could mean something to HCL stands as the number of its character."""
    return '"' + _SPECIAL.sub(lambda found: f"\\U{ord(found[0]):08x}", name) + '"'


def _part(t: Any, key: Any) -> Any:
    return t[1][key] if types.kind(t) in {"object", "tuple"} else t[1]


# from a list with one element of the type to an empty collection of it
_EMPTY: dict[str, Callable[[str], str]] = {
    "list": lambda one: f"slice({one}, 0, 0)",
    "set": lambda one: f"toset(slice({one}, 0, 0))",
    "map": lambda one: f"zipmap([], slice({one}, 0, 0))",
}

# functions that keep the value and whose result is never null; an unknown object has none
_NOT_NULL: dict[str, Callable[[str], str]] = {
    "string": lambda value: f'join("", [{value}])',
    "number": lambda value: f"({value} + 0)",
    "bool": lambda value: f"(!(!({value})))",
    "list": lambda value: f"reverse({value})",
    "set": lambda value: f"setunion({value})",
    "map": lambda value: f"merge({value})",
}
