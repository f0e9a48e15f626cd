"""Every value that a plan document marks as sensitive."""

from collections.abc import Iterable, Mapping
from typing import Any

from stackly_engine.slices import leaves


def of_plan(plan: Mapping[str, Any]) -> frozenset[str]:
    """The text of each such value: changes, outputs, states, variables."""
    found: set[str] = set(_of_variables(plan))
    for kind in ("resource_changes", "resource_drift"):
        for item in plan.get(kind) or []:
            found.update(_of_change(item["change"]))
    for item in plan.get("deferred_changes") or []:
        found.update(_of_change(item["resource_change"]["change"]))
    for item in (plan.get("output_changes") or {}).values():
        found.update(_of_change(item))
    for values in (plan.get("planned_values") or {}, (plan.get("prior_state") or {}).get("values") or {}):
        found.update(_of_values(values))
    return frozenset(found)


def _of_change(change: Mapping[str, Any]) -> Iterable[str]:
    yield from marked(change.get("before"), change.get("before_sensitive"))
    yield from marked(change.get("after"), change.get("after_sensitive"))


def _of_values(values: Mapping[str, Any]) -> Iterable[str]:
    for output in (values.get("outputs") or {}).values():
        yield from marked(output.get("value"), output.get("sensitive"))
    modules = [values.get("root_module") or {}]
    while modules:
        module = modules.pop()
        modules += module.get("child_modules") or []
        for resource in module.get("resources") or []:
            yield from marked(resource.get("values"), resource.get("sensitive_values"))


def _of_variables(plan: Mapping[str, Any]) -> Iterable[str]:
    declared = ((plan.get("configuration") or {}).get("root_module") or {}).get("variables") or {}
    for name, variable in (plan.get("variables") or {}).items():
        if (declared.get(name) or {}).get("sensitive"):
            yield from leaves(variable.get("value"))


def marked(value: Any, marks: Any) -> Iterable[str]:
    """The text of each leaf below a mark; `marks` is Terraform's own tree of true and empty containers."""
    if marks is True:
        yield from leaves(value)
    elif isinstance(marks, dict) and isinstance(value, dict):
        for name, mark in marks.items():
            yield from marked(value.get(name), mark)
    elif isinstance(marks, list) and isinstance(value, list):
        for item, mark in zip(value, marks, strict=False):
            yield from marked(item, mark)
    elif marks:
        yield from leaves(value)
