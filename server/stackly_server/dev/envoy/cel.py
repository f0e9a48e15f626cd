"""CEL expressions as the syntax trees that Envoy's RBAC filter wants (it takes no text)."""

from typing import Any, TypeAlias

Expr: TypeAlias = dict[str, Any]


def name(identifier: str) -> Expr:
    return {"ident_expr": {"name": identifier}}


def text(value: str) -> Expr:
    return {"const_expr": {"string_value": value}}


def number(value: int) -> Expr:
    return {"const_expr": {"int64_value": str(value)}}


def field(operand: Expr, *names: str) -> Expr:
    for each in names:
        operand = {"select_expr": {"operand": operand, "field": each}}
    return operand


def index(operand: Expr, key: Expr) -> Expr:
    return _call("_[_]", operand, key)


def joined(*parts: Expr) -> Expr:
    """String concatenation; Envoy allows it by `cel_config.enable_string_concat` only."""
    first, *rest = parts
    for part in rest:
        first = _call("_+_", first, part)
    return first


def equal(left: Expr, right: Expr) -> Expr:
    return _call("_==_", left, right)


def both(left: Expr, right: Expr) -> Expr:
    return _call("_&&_", left, right)


def either(left: Expr, right: Expr) -> Expr:
    return _call("_||_", left, right)


def negated(operand: Expr) -> Expr:
    return _call("!_", operand)


def size(operand: Expr) -> Expr:
    return _call("size", operand)


def starts_with(operand: Expr, prefix: Expr) -> Expr:
    return _method(operand, "startsWith", prefix)


def split(operand: Expr, separator: str) -> Expr:
    """A list of strings; needs `cel_config.enable_string_functions`."""
    return _method(operand, "split", text(separator))


def _call(function: str, *arguments: Expr) -> Expr:
    return {"call_expr": {"function": function, "args": list(arguments)}}


def _method(target: Expr, function: str, *arguments: Expr) -> Expr:
    return {"call_expr": {"target": target, "function": function, "args": list(arguments)}}
