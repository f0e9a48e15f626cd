"""The same question as `coverage`, asked of what leaves the worker: a server that never sees a secret verifies its answer."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from stackly_engine.coverage import Finding, uncovered
from stackly_engine.masking import SENSITIVE
from stackly_engine.plans import ProjectedPlan
from stackly_engine.projected_chain import ProjectedChain

_Path = list[Any]
_HASH = "\x00hash"
_LOOSE = frozenset({"after_identity"})  # may be unknown when it is approved: then it is not there


def uncovered_projected(approved: ProjectedPlan | None, new: ProjectedPlan) -> tuple[Finding, ...]:
    """What of a new projected plan the approved one does not cover; a hidden value counts by its keyed hash.

    Both are projected with one key and without generated names. Stricter than `uncovered` where a projection says less:
    a hidden value inside a set that came out in another order, kinds of changes that are kept by a hash only.
    """
    old = None if approved is None else _plan(approved.document)
    items = {} if old is None else {_place(item): item for item in old["resource_changes"]}
    now = _plan(new.document)
    found = [finding for item in now["resource_changes"] for finding in _extra(items.get(_place(item)), item)]
    found += _others({} if approved is None else approved.document["other"], new.document["other"])
    now["resource_changes"] = [_filled(items.get(_place(item)), item) for item in now["resource_changes"]]
    found += uncovered(_plain(old), _plain(now) or {})
    return tuple(sorted(found, key=lambda item: (item.address, item.deposed, item.reason, list(map(str, item.path)))))


def uncovered_in_chain(approved: ProjectedChain, units: Collection[str], new: ProjectedPlan) -> tuple[Finding, ...]:
    """The same of a batch of an approved chain that was planned again; units that are no batch of it are covered by nothing."""
    wanted = set(units)
    return uncovered_projected(next((plan for names, plan in approved.batches if set(names) == wanted), None), new)


def _plan(document: Mapping[str, Any]) -> dict[str, Any]:
    """A projection as a plan document; an item keeps its `extra`."""
    return {
        "format_version": "1",
        **{name: value for name, value in document["status"].items() if name in {"errored", "complete"}},
        "resource_changes": [_item(item) for item in document["resource_changes"]],
        "output_changes": {name: _output(change) for name, change in document["output_changes"].items()},
        "deferred_changes": document["deferred_changes"],
    }


def _item(item: Mapping[str, Any]) -> dict[str, Any]:
    beside = {name: item[name] for name in ("address", "previous_address", "deposed", "mode", "type", "extra")}
    return {**beside, "provider_name": item["provider"], "change": {**_change(item), "importing": item["importing"]}}


def _change(item: Mapping[str, Any]) -> dict[str, Any]:
    hidden = {
        side: [(path, hashes[at]) for path, *hashes in item["sensitive"]] for at, side in enumerate(("before", "after"))
    }
    return {
        "actions": item["actions"],
        **{side: _hashed(item[side], hidden[side]) for side in hidden},
        "after_unknown": _mask(item["after"], item["unknown"]),
        "replace_paths": item["replace_paths"],
    }


def _output(item: Mapping[str, Any]) -> dict[str, Any]:
    change = _change(item)
    unknown = change["after_unknown"]
    after = (change["after"] or {}).get("value")
    return {
        **change,
        "after": after,
        "after_unknown": unknown.get("value", False) if isinstance(unknown, dict) else unknown,
    }


def _hashed(value: Any, hidden: Iterable[tuple[_Path, str | None]]) -> Any:
    """The value with the hash in the place of each marker."""
    below = list(hidden)
    if value == SENSITIVE:
        return {_HASH: next((text for path, text in below if not path), None)}
    if isinstance(value, dict):
        return {name: _hashed(item, _below(below, name)) for name, item in value.items()}
    if isinstance(value, list):
        return [_hashed(item, _below(below, at)) for at, item in enumerate(value)]
    return value


def _below(hidden: Iterable[tuple[_Path, str | None]], step: str | int) -> Iterator[tuple[_Path, str | None]]:
    return ((path[1:], text) for path, text in hidden if path and path[0] == step)


def _mask(value: Any, paths: list[_Path]) -> Any:
    """Paths as the mask of a value."""
    if [] in paths:
        return True
    inside = {
        step: [path[1:] for path in paths if path[0] == step] for step in dict.fromkeys(path[0] for path in paths)
    }
    if isinstance(value, list):
        return [_mask(item, inside.get(at, [])) for at, item in enumerate(value)]
    known = value if isinstance(value, dict) else {}
    return {step: _mask(known.get(step), below) for step, below in inside.items()}


def _filled(old: Mapping[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
    """A projection leaves out what does not change: what was to change, and does not now, is still what it was."""
    change = new["change"]
    sides = [change["before"], change["after"], *((old["change"]["before"],) if old is not None else ())]
    if len(sides) < 3 or not all(isinstance(side, dict) for side in sides):  # noqa: PLR2004 - both of the new and the old one
        return new
    known = {
        name: value
        for name, value in sides[2].items()
        if name not in {**sides[0], **sides[1], **change["after_unknown"]}
    }
    return {**new, "change": {**change, "before": sides[0] | known, "after": sides[1] | known}}


def _extra(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> Iterator[Finding]:
    """What is kept by a hash: equal to what was approved, where that said anything."""
    was = old["extra"] if old is not None else {}
    for name in sorted(was.keys() | new["extra"].keys()):
        if was.get(name) != new["extra"].get(name) and not (name in _LOOSE and name not in was):
            yield Finding(*_place(new), f"is not as it was approved: {name}")


def _others(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Finding]:
    for name in sorted(new):
        if new[name] != old.get(name):
            yield Finding("", "", f"is not in the approved plan: {name}")


def _plain(plan: dict[str, Any] | None) -> dict[str, Any] | None:
    if plan is None:
        return None
    items = [{name: value for name, value in item.items() if name != "extra"} for item in plan["resource_changes"]]
    return {**plan, "resource_changes": items}


def _place(item: Mapping[str, Any]) -> tuple[str, str]:
    return item["address"], item["deposed"] or ""
