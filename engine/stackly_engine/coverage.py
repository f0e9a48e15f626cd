"""What of a new plan was approved (engine.md §8): by address and deposed key, element by element, sets as sets."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stackly_engine import exact, mangling, marks, refinement
from stackly_engine.export_refinement import refines
from stackly_engine.refinement import Difference, Path, Side

__all__ = ["Finding", "refines", "uncovered"]

Plan = Mapping[str, Any]
Types = Mapping[tuple[str, str, str], Any]
"""(provider, mode, type) of a resource → its cty type as JSON, where it is known: `schema_types.of_schemas`."""

COMPARED = frozenset({"resource_changes", "output_changes", "deferred_changes", "deferred_action_invocations",
                      "action_invocations", "errored", "complete", "format_version"})  # fmt: skip
# What causes nothing: what was before, explanations, and what the source, the variables and the exports determine.
IGNORED = frozenset({"terraform_version", "timestamp", "prior_state", "relevant_attributes", "resource_drift", "checks",
                     "configuration", "variables", "planned_values", "applyable"})  # fmt: skip
_ITEM = frozenset({"address", "previous_address", "module_address", "mode", "type", "name", "index", "provider_name",
                   "deposed", "action_reason", "change"})  # fmt: skip
_CHANGE = frozenset({"actions", "before", "after", "after_unknown", "before_sensitive", "after_sensitive",
                     "replace_paths", "importing", "generated_config", "before_identity", "after_identity"})  # fmt: skip
_CREATE, _UPDATE, _DELETE, _FORGET = ("create",), ("update",), ("delete",), ("forget",)
_REPLACE = (("delete", "create"), ("create", "delete"))
# New actions → approved actions that cover them; what is not here is covered by nothing.
_COVERED_BY: dict[tuple[str, ...], set[tuple[str, ...]]] = {
    _CREATE: {_CREATE},
    _UPDATE: {_UPDATE, *_REPLACE},
    _DELETE: {_DELETE},
    _FORGET: {_FORGET},
    **{order: {order} for order in (*_REPLACE, ("create", "forget"), ("forget", "create"))},
}
_QUIET = (("no-op",), ("read",))


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was not approved. `address` is "" for the plan as a whole; `path` leads into the change. No values."""

    address: str
    deposed: str
    reason: str
    path: Path = ()


def uncovered(
    approved: Plan | None, new: Plan, *, resource_types: Types | None = None, generated: str = mangling.PREFIX
) -> tuple[Finding, ...]:
    """What of a new plan the approved one does not cover, sorted; () when it may be applied.

    Both are documents of `terraform show -json` (values of `exact.loads`), of the same units. None: the units were
    deferred, nothing was approved. `generated` is how names of the cut root begin (`exports.prefix_of`): such outputs are
    exports, held to theirs by `refines`; a new plan with such a resource is never covered.
    """
    old: Plan = {} if approved is None else approved
    found = [*_whole("the approved plan", old), *_whole("the plan", new)]
    found += _resources(_by_place(old, generated), new, resource_types or {}, generated)
    found += _outputs(old.get("output_changes") or {}, new.get("output_changes") or {}, generated)
    for kind in ("deferred_changes", "deferred_action_invocations", "action_invocations"):
        found += _others(kind, old.get(kind) or [], new.get(kind) or [])
    return tuple(sorted(found, key=lambda item: (item.address, item.deposed, item.reason, list(map(str, item.path)))))


def _whole(which: str, plan: Plan) -> Iterator[Finding]:
    for key in sorted(plan.keys() - COMPARED - IGNORED):
        if plan[key] not in (None, [], {}):
            yield Finding("", "", f"{which} has something of unknown kind: {key}")
    if plan and str(plan.get("format_version")).split(".", maxsplit=1)[0] != "1":
        yield Finding("", "", f"{which} is of an unknown format")
    if plan.get("errored") is True:
        yield Finding("", "", f"{which} is incomplete: planning failed")
    if plan.get("complete") is False:
        yield Finding("", "", f"{which} is incomplete: more is to be planned after it")


def _by_place(plan: Plan, generated: str) -> dict[tuple[str, str], Mapping[str, Any]]:
    found = {}
    for item in plan.get("resource_changes") or []:
        if not item["address"].startswith(f"terraform_data.{generated}"):
            found[_place(item)] = item
    return found


def _place(item: Mapping[str, Any]) -> tuple[str, str]:
    return item["address"], item.get("deposed") or ""


def _resources(
    approved: Mapping[tuple[str, str], Mapping[str, Any]], new: Plan, resource_types: Types, generated: str
) -> Iterator[Finding]:
    items = new.get("resource_changes") or []
    for place, count in Counter(map(_place, items)).items():
        if count > 1:
            yield Finding(*place, "is in the plan twice")
    for item in items:
        place = _place(item)
        if item["address"].startswith(f"terraform_data.{generated}"):
            yield Finding(*place, "stands for something that is not known yet: such a plan is never applied")
            continue
        kind = (item.get("provider_name", ""), item.get("mode", "managed"), item.get("type", ""))
        for reason, path in _change(approved.get(place), item, resource_types.get(kind)):
            yield Finding(*place, reason, path)


def _change(old: Mapping[str, Any] | None, new: Mapping[str, Any], t: Any) -> Iterator[Difference]:
    change, actions = new["change"], tuple(new["change"]["actions"])
    for key in sorted(_unknown_keys(old) | _unknown_keys(new)):
        yield f"has something of unknown kind: {key}", ()
    if actions in _QUIET and not change.get("importing") and not new.get("previous_address"):
        return
    if old is None:
        yield f"{'/'.join(actions)} is not in the approved plan", ()
        return
    yield from _about(old, new)
    if actions in _QUIET:
        return
    was = tuple(old["change"]["actions"])
    if was not in _COVERED_BY.get(actions, ()):
        yield f"{'/'.join(actions)}, approved was {'/'.join(was)}", ()
        return
    yield from _contents(old["change"], change, actions, t)


def _unknown_keys(item: Mapping[str, Any] | None) -> set[str]:
    if item is None:
        return set()
    known = ((item, _ITEM), (item["change"], _CHANGE))
    return {key for part, names in known for key in part.keys() - names if part[key] not in (None, [], {})}


def _about(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    """What is said of the object beside its values."""
    if (new.get("previous_address") or None) != (old.get("previous_address") or None):
        yield "is moved from another address", ()
    for name in ("provider_name", "mode", "type"):
        if new.get(name) != old.get(name):
            yield f"has another {name}", ()
    was, now = old["change"], new["change"]
    for name, words in (("importing", "is imported otherwise"), ("generated_config", "has other generated code")):
        if not refinement.same(was.get(name), now.get(name)):
            yield words, ()


def _contents(was: Mapping[str, Any], now: Mapping[str, Any], actions: tuple[str, ...], t: Any) -> Iterator[Difference]:
    names = _changed(was, now) if actions == _UPDATE else None
    if actions != _CREATE:
        yield from _values(names, (was.get("before"), False), (now.get("before"), False), t, "before")
        if was.get("before_identity") is not None and not refinement.same(*_both("before_identity", was, now)):
            yield "is another object", ("before_identity",)
    if actions not in {_DELETE, _FORGET}:
        old, new = ((side.get("after"), side.get("after_unknown") or False) for side in (was, now))
        yield from _values(names, old, new, t, "after")
        if was.get("after_identity") is not None and not refinement.same(*_both("after_identity", was, now)):
            yield "becomes another object", ("after_identity",)
    approved = {_canonical(path) for path in was.get("replace_paths") or []}
    if actions != _UPDATE and any(_canonical(path) not in approved for path in now.get("replace_paths") or []):
        yield "is replaced for another reason", ("replace_paths",)


def _both(name: str, *sides: Mapping[str, Any]) -> Iterator[Any]:
    return (side.get(name) for side in sides)


def _changed(*changes: Mapping[str, Any]) -> set[str] | None:
    """The attributes that one of the changes changes; None (all) when a change is none of an object."""
    names: set[str] = set()
    for change in changes:
        before, after, unknown = change.get("before"), change.get("after"), change.get("after_unknown") or {}
        if not (isinstance(before, dict) and isinstance(after, dict) and isinstance(unknown, dict)):
            return None
        for name in before.keys() | after.keys() | unknown.keys():
            alike = name in before and name in after and refinement.same(before[name], after[name])
            if not alike or marks.some(unknown.get(name, False)):
                names.add(name)
    return names


def _values(
    names: set[str] | None, old: tuple[Any, Any], new: tuple[Any, Any], t: Any, side: str
) -> Iterator[Difference]:
    """`names`: the attributes to compare; None: all of them."""
    sides = Side(*old), Side(*new)
    if names is not None:
        sides = _only(sides[0], names), _only(sides[1], names)
    return refinement.differences(*sides, t, (side,))


def _only(side: Side, names: set[str]) -> Side:
    return Side(*({name: item for name, item in part.items() if name in names} if isinstance(part, dict) else part
                  for part in side))  # fmt: skip


def _outputs(old: Mapping[str, Any], new: Mapping[str, Any], generated: str) -> Iterator[Finding]:
    for name, change in sorted(new.items()):
        actions = tuple(change["actions"])
        if name.startswith(generated) or actions in _QUIET:
            continue
        address, was = f"output.{name}", old.get(name)
        if was is None:
            yield Finding(address, "", f"{'/'.join(actions)} is not in the approved plan")
        elif tuple(was["actions"]) != actions:
            yield Finding(address, "", f"{'/'.join(actions)}, approved was {'/'.join(was['actions'])}")
        else:
            sides = [Side(item.get("after"), item.get("after_unknown") or False) for item in (was, change)]
            for reason, path in refinement.differences(sides[0], sides[1], None, ("after",)):
                yield Finding(address, "", reason, path)


def _others(kind: str, old: Iterable[Any], new: Iterable[Any]) -> Iterator[Finding]:
    """Changes that Terraform itself defers, actions that it invokes: each as it was approved, but for unknown values."""
    left = list(old)
    for item in new:
        match = next((other for other in left if _same_invocation(other, item)), None)
        if match is None:
            yield Finding(str(item.get("address") or ""), "", f"is not in the approved plan: {kind}")
        else:
            left.remove(match)


def _same_invocation(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    loose = {"config_values", "config_unknown"}
    plain = [{key: value for key, value in item.items() if key not in loose} for item in (old, new)]
    sides = [Side(item.get("config_values"), item.get("config_unknown") or False) for item in (old, new)]
    return refinement.same(*plain) and refinement.refines(sides[0], sides[1])


def _canonical(value: Any) -> bytes:
    return exact.dumps(exact.normal(value))
