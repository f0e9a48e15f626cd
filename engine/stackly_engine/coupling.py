"""Which units have to run together, so that objects are destroyed in Terraform's own order (engine.md §9)."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stackly_engine import instances
from stackly_engine.dependencies import BEFORE_DESTROY, DEPENDENCIES, Dependencies
from stackly_engine.exports import prefix_of
from stackly_engine.graph import Graph

REMOVED = "removed"
"""The unit of all that is gone from the code; a graph does not hold it."""

Actions = tuple[str, ...]
_NOTHING: frozenset[Actions] = frozenset({("no-op",)})
_IN_WORDS = {
    ("delete",): "is destroyed",
    ("delete", "create"): "is replaced",
    ("create", "delete"): "is replaced, the new one first",
}


@dataclass(frozen=True, slots=True, order=True)
class Couple:
    """`first` has an object that is destroyed, `second` one that depends on it; `reason` in words."""

    first: str
    second: str
    reason: str


@dataclass
class _World:
    """What is planned and recorded, by config address."""

    changes: dict[str, set[Actions]] = field(default_factory=lambda: defaultdict(set))
    deposed: set[str] = field(default_factory=set)  # destroyed after what depends on them is updated, always
    users: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    before_destroy: set[str] = field(default_factory=set)


def coupled(
    graph: Graph,
    plans: Mapping[Any, Mapping[str, Any]],
    document: Mapping[str, Any],
    dependencies: Dependencies,
    slices: Mapping[str, str] | None = None,
) -> tuple[Couple, ...]:
    """The couples of units that the plans of batches must not keep apart, sorted; () when the plans may be applied.

    `plans`: the units of each batch, as any collection of names, to its plan document (values of `exact.loads`).
    `document` is the assembled state, with dependencies of the applied code; `dependencies` are those of the new code.
    `slices` (of `moves.routes`) says which unit has what is gone from the code: `removed` when it does not say.
    Plan the batches that `grouping.groups` makes of the couples again, until nothing new couples.
    """
    batch_of = {
        unit: place for place, units in enumerate(plans) for unit in ([units] if isinstance(units, str) else units)
    }
    world = _world(_changes(plans.values(), prefix_of(graph)), document, dependencies)
    found: set[Couple] = set()
    for destroyed in sorted(address for address, kinds in world.changes.items() if any("delete" in k for k in kinds)):
        first = _owner(graph, destroyed, slices or {})
        for user in world.users[destroyed]:
            second = _owner(graph, user, slices or {})
            if first != second and (first not in batch_of or batch_of[first] != batch_of.get(second)):
                reasons = _reasons(world, destroyed, user, dependencies.literal_before_destroy)
                found.update(Couple(first, second, reason) for reason in reasons)
    return tuple(sorted(found))


def _changes(plans: Iterable[Mapping[str, Any]], prefix: str) -> Iterator[Mapping[str, Any]]:
    for plan in plans:
        for item in plan.get("resource_changes") or []:
            if not item["address"].startswith(f"terraform_data.{prefix}"):
                yield item


def _world(changes: Iterable[Mapping[str, Any]], document: Mapping[str, Any], dependencies: Dependencies) -> _World:
    world = _World(before_destroy=set(dependencies.before_destroy))
    for item in changes:
        _add_change(world, item)
    for resource in document.get("resources") or []:
        address = instances.config(instances.of_resource(resource))
        for instance in resource.get("instances") or []:
            for needed in instance.get(DEPENDENCIES) or []:
                world.users[needed].add(address)
            if instance.get(BEFORE_DESTROY):
                world.before_destroy.add(address)
    destroyed = {address for address, kinds in world.changes.items() if any("delete" in kind for kind in kinds)}
    for address, needs in dependencies.of.items() if destroyed else ():
        for needed in destroyed.intersection(needs):
            world.users[needed].add(address)
    return world


def _add_change(world: _World, item: Mapping[str, Any]) -> None:
    """A moved object is known to the state and to what used it by its old name too."""
    actions = tuple(item["change"]["actions"])
    for name in filter(None, (item["address"], item.get("previous_address"))):
        address = instances.parse(name)
        if actions in {("no-op",), ("read",)}:
            continue
        world.changes[instances.config(address)].add(actions)
        if item.get("deposed"):
            world.deposed.add(instances.config(address))


def _owner(graph: Graph, address: str, slices: Mapping[str, str]) -> str:
    return graph.owner_of(address) or slices.get(instances.parse(address)[0].name, REMOVED)


def _reasons(world: _World, destroyed: str, user: str, literal: Collection[str]) -> Iterator[str]:
    """Why the destruction of one object and what happens to one that depends on it have an order."""
    for actions in sorted(kind for kind in world.changes[destroyed] if "delete" in kind):
        what = f"{destroyed} {_IN_WORDS.get(actions, '/'.join(actions))}"
        for other in sorted(world.changes.get(user, _NOTHING)):
            if "delete" in other:
                yield f"{what}, {user} depends on it and {_IN_WORDS.get(other, '/'.join(other))}"
            elif "update" in other and _last(world, destroyed, actions):
                yield f"{what}, but only after {user} is updated"
        if actions == ("delete", "create") and user in literal:
            yield f"{what}, the new one must come first: {user} has create_before_destroy"


def _last(world: _World, destroyed: str, actions: Actions) -> bool:
    if actions == ("create", "delete"):
        return True
    return actions == ("delete",) and (destroyed in world.before_destroy or destroyed in world.deposed)
