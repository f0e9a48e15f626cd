"""What data sources read: as a state has it, and as a plan has read it since."""

from collections.abc import Iterator, Mapping
from typing import Any

from stackly_engine.addresses import top

_DYNAMIC = {"value", "type"}  # how a state writes a value whose type its schema does not say


def moved_data(document: Mapping[str, Any], plan: Mapping[str, Any]) -> frozenset[str]:
    """Top addresses of data sources that a plan's JSON read, or is to read, as something else than the state has them."""
    recorded, read = readings_of_state(document), readings_of_plan(plan)
    other = {address for address, value in read.items() if not same(recorded.get(address), value)}
    return frozenset(top(address) for address in {*other, *late_data(plan)})


def late_data(plan: Mapping[str, Any]) -> frozenset[str]:
    """Data sources that are only read as the plan is applied."""
    return frozenset(one["address"] for one in plan.get("resource_changes") or [] if one["mode"] == "data")


def readings_of_state(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a state has of data sources: address → attributes."""
    return {
        f"{_module(resource)}data.{resource['type']}.{resource['name']}{_index(one)}": one.get("attributes")
        for resource in document.get("resources") or []
        if resource["mode"] == "data"
        for one in resource["instances"]
    }


def readings_of_plan(plan: Mapping[str, Any]) -> dict[str, Any]:
    """What a plan read of data sources: address → attributes."""
    return dict(_read((plan.get("prior_state") or {}).get("values") or {}))


def same(recorded: Any, read: Any) -> bool:
    """Whether an attribute of a state is that of a plan's JSON; null and absent are one."""
    if isinstance(recorded, Mapping) and isinstance(read, Mapping):
        if all(same(recorded.get(name), read.get(name)) for name in recorded.keys() | read.keys()):
            return True
    elif isinstance(recorded, list) and isinstance(read, list):
        return len(recorded) == len(read) and all(map(same, recorded, read))
    if isinstance(recorded, Mapping) and recorded.keys() == _DYNAMIC:
        return same(recorded["value"], read)
    return bool(recorded == read)


def _read(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    waiting = [values.get("root_module") or {}]
    while waiting:
        module = waiting.pop()
        yield from ((one["address"], one["values"]) for one in module.get("resources") or [] if one["mode"] == "data")
        waiting.extend(module.get("child_modules") or [])


def _module(resource: Mapping[str, Any]) -> str:
    return f"{resource['module']}." if resource.get("module") else ""


def _index(instance: Mapping[str, Any]) -> str:
    key = instance.get("index_key")
    if key is None:
        return ""
    return f'["{key}"]' if isinstance(key, str) else f"[{key}]"
