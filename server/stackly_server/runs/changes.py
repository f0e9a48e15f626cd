"""Projected changes of a plan (`stackly_engine.plans`), or of a chain of them, as what people are shown: pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stackly_engine import exact
from stackly_engine.plans import ProjectedPlan
from stackly_engine.projected_chain import PlannedUnit, ProjectedChain
from stackly_server.limits import PLAN_REASONS_BYTES
from stackly_server.runs.graphing import with_needs

Projected = ProjectedPlan | ProjectedChain
_HEADLINE = 100  # characters of a reason, where all reasons are too many
_MASKED = '"(sensitive)"'


def resource_changes(plan: Projected) -> list[dict[str, Any]]:
    """One document a resource: address, actions, and each changed attribute with its values as JSON text."""
    return [_resource(item) for item in plan.resource_changes]


def output_changes(plan: Projected) -> list[dict[str, Any]]:
    """One document an output: its action, and its values as JSON text."""
    return [_output(name, change) for name, change in sorted(plan.output_changes.items())]


def summary(plan: Projected) -> dict[str, int]:
    """The counts of a plan, as Terraform counts."""
    counted = plan.summary
    return {
        "add": counted.add,
        "change": counted.change,
        "destroy": counted.destroy,
        "replace": counted.replace,
        "import": counted.import_,
        "forget": counted.forget,
        "output_changes": len(plan.output_changes),
    }


def units(plan: Projected) -> list[dict[str, Any]]:
    """One document a unit: whether it was planned, in which batch (0: in none), and why; empty for a whole root."""
    if isinstance(plan, ProjectedPlan):
        return []
    found = plan.units
    few = sum(len(reason) for one in found for reason in one.reasons) > PLAN_REASONS_BYTES
    return with_needs(
        [(_unit(one, few=few), {"needs": one.needs, "inputs": one.inputs, "outputs": one.outputs}) for one in found]
    )


def _unit(one: PlannedUnit, *, few: bool) -> dict[str, Any]:
    reasons = [reason[:_HEADLINE] for reason in one.reasons[:1]] if few else list(one.reasons)
    return {"unit": one.unit, "run": one.run, "reasons": reasons, "batch": one.batch or 0, "deferred": one.deferred}


def _resource(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "address": item["address"],
        "previous_address": item["previous_address"] or "",
        "module": item["module"],
        "type": item["type"],
        "provider": item["provider"],
        "actions": list(item["actions"]),
        "deposed": item["deposed"] or "",
        "attributes": list(_attributes(item)),
        "replace_paths": [_path(path) for path in item["replace_paths"]],
        "import_id": str((item["importing"] or {}).get("id", "")),
        "unit": item.get("unit", ""),
    }


def _attributes(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    before, after = item["before"] or {}, item["after"] or {}
    hidden = {path[0] for path, _, _ in item["sensitive"] if len(path) == 1}
    unknown = {path[0] for path in item["unknown"] if len(path) == 1}
    names = dict.fromkeys([*before, *after, *unknown])
    for name in sorted(names):
        yield {
            "path": name,
            "before_json": _text(before, name, name in hidden),
            "after_json": "" if name in unknown else _text(after, name, name in hidden),
            "after_unknown": name in unknown,
            "sensitive": name in hidden,
        }


def _text(side: Mapping[str, Any], name: str, hidden: bool) -> str:  # noqa: FBT001
    if name not in side or side[name] is None:
        return ""
    return _MASKED if hidden else exact.dumps(side[name]).decode()


def _output(name: str, change: Mapping[str, Any]) -> dict[str, Any]:
    hidden = bool(change["sensitive"])
    unknown = bool(change["unknown"])
    return {
        "output": name,
        "action": "update" if len(change["actions"]) > 1 else change["actions"][0],
        "before_json": _text(change["before"] or {}, "value", hidden),
        "after_json": "" if unknown else _text(change["after"] or {}, "value", hidden),
        "after_unknown": unknown,
    }


def _path(steps: Iterable[Any]) -> str:
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")
