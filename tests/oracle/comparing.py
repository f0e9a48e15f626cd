"""State documents and plans made comparable: ids are named after their addresses, hashes are all alike."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{32}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BEFORE = "create_before_destroy"


def names_of(state: Document) -> dict[str, str]:
    """Id → a name by address, of every object of a state; deposed ones too."""
    found: dict[str, str] = {}
    for resource in state.get("resources") or []:
        for instance in resource["instances"] if resource["mode"] == "managed" else ():
            address = [resource.get("module"), resource["type"], resource["name"], instance.get("index_key")]
            kind = "old" if "deposed" in instance else "id"
            found[str((instance.get("attributes") or {}).get("id"))] = f"{kind} of {address}"
    return found


def comparable(value: Any, names: Mapping[str, str]) -> Any:
    """A JSON value with ids named and hashes blotted out; lists that held any of them in one order."""
    if isinstance(value, dict):
        return {str(comparable(key, names)): comparable(item, names) for key, item in value.items()}
    if isinstance(value, list):
        items = [comparable(item, names) for item in value]
        return sorted(items, key=_text) if _text(items) != _text(value) else items
    return _named(value, names) if isinstance(value, str) else value


def _named(text: str, names: Mapping[str, str]) -> str:
    for one in _UUID.findall(text) + re.findall(r"t-[0-9a-f]{12}", text):
        text = text.replace(one, names.get(one, "some id"))
    return _TIME.sub("time", _HASH.sub("hash", text))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def state(document: Document) -> dict[str, Any]:
    """What of a state has to be the same however it came to be, by address."""
    names = names_of(document)
    found: dict[str, Any] = {f"output {name}": one for name, one in (document.get("outputs") or {}).items()}
    for resource in document.get("resources") or []:
        head = {name: value for name, value in resource.items() if name != "instances"}
        address = f"{resource.get('module', '')} {resource['mode']} {resource['type']}.{resource['name']}".strip()
        found[address] = head
        for place, instance in enumerate(resource["instances"]):
            key = f"{address}[{instance.get('index_key')!r}]{' deposed' + str(place) if 'deposed' in instance else ''}"
            found[key] = _instance(instance)
    for check in document.get("check_results") or []:
        objects = sorted(check.get("objects") or [], key=_text)
        found[f"check {check['object_kind']} {check['config_addr']}"] = {"status": check["status"], "objects": objects}
    return {key: comparable(value, names) for key, value in found.items()}


def _instance(instance: Document) -> dict[str, Any]:
    kept = {name: value for name, value in instance.items() if name not in {"private", "deposed"}}
    return kept | {
        "sensitive_attributes": sorted(instance.get("sensitive_attributes") or [], key=_text),
        "dependencies": sorted(instance.get("dependencies") or []),
        _BEFORE: instance.get(_BEFORE, False),
    }


def changes(plan: Document, names: Mapping[str, str], prefix: str = "") -> dict[str, Any]:
    """What a plan does by address: its actions, what is known afterwards, what is not, what is sensitive."""
    found = {}
    for item in plan.get("resource_changes") or []:
        change = item["change"]
        if (prefix and item["name"].startswith(prefix)) or (
            change["actions"] == ["no-op"] and not item.get("previous_address") and not change.get("importing")
        ):
            continue
        shown = {
            name: change.get(name) for name in ("actions", "after", "after_unknown", "after_sensitive", "importing")
        }
        beside = {name: item.get(name) for name in ("previous_address", "action_reason")}
        key = f"{item['address']}{' deposed' if item.get('deposed') else ''}"
        found[key] = comparable(shown | beside, names)
    return found


def outputs(plan: Document, prefix: str = "") -> dict[str, Any]:
    """Root outputs that change, by name."""
    items = (plan.get("output_changes") or {}).items()
    return {
        name: change["actions"]
        for name, change in items
        if change["actions"] != ["no-op"] and not (prefix and name.startswith(prefix))
    }


def differences(what: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[str]:
    """One line for each key that is not the same."""
    for key in sorted({*theirs, *ours}):
        if theirs.get(key) != ours.get(key):
            yield f"{what}: {key}\n    whole: {_short(theirs, ours, key)}\n    units: {_short(ours, theirs, key)}"


def _short(one: Mapping[str, Any], other: Mapping[str, Any], key: str) -> str:
    """Of documents only the fields that differ."""
    mine, its = one.get(key, "absent"), other.get(key, "absent")
    if isinstance(mine, dict) and isinstance(its, dict):
        mine = {name: value for name, value in mine.items() if value != its.get(name, "absent")}
    return _text(mine)[:600]


def only_before_destroy(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> bool:
    """Whether two states differ in nothing but create_before_destroy."""

    def without(one: Mapping[str, Any]) -> dict[str, Any]:
        return {key: {name: part for name, part in value.items() if name != _BEFORE} if isinstance(value, dict) else value
                for key, value in one.items()}  # fmt: skip

    return without(theirs) == without(ours)


def without_unknown_checks(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two states without the results of checks that one of them does not know."""
    checks = {key for key in theirs.keys() & ours.keys() if key.startswith("check ")}
    left_out = {key for key in checks if "unknown" in {theirs[key]["status"], ours[key]["status"]}}
    one, other = ({key: value for key, value in state.items() if key not in left_out} for state in (theirs, ours))
    return one, other
