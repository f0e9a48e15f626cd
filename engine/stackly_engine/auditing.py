"""The audit: a plan of the whole root beside what a run by units would do, and what each difference between them means."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from stackly_engine import ordering, reasons
from stackly_engine.addresses import top
from stackly_engine.deciding import REMOVED_UNIT, Facts
from stackly_engine.graph import OUTPUTS
from stackly_engine.reasons import AUDIT, Reason
from stackly_engine.schedule import Planning, Status

_QUIET = (["no-op"], ["read"])
# What a unit runs for without its code: its state is not the one that its apply left.
_OF_THE_STATE = frozenset({reasons.STATE, reasons.DRIFT})


class Difference(StrEnum):
    """What is to be said of an address that the whole plan changes."""

    OTHER = "other"  # its unit, planned by itself, has another change or none
    SAME = "same"  # the same change, and nothing that the unit is made from explains it
    WORLD = "world"  # the same change, and something that was read of the world is another now
    STATE = "state"  # the unit's state is not the one that its last apply left
    PENDING = "pending"  # a run would plan its unit anyway


@dataclass(frozen=True, slots=True)
class Audited:
    """One address; `detail` is for people and holds no value."""

    unit: str
    address: str
    difference: Difference
    detail: str = ""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit found. `nothing` says why nothing could be audited; `units` counts those that a run would skip."""

    nothing: str = ""
    units: int = 0
    addresses: tuple[Audited, ...] = ()

    @property
    def words(self) -> str:
        """For the log."""
        if self.nothing:
            return f"Nothing to audit: {self.nothing}."
        lines = [f"{one.difference.value}: {one.address} ({one.unit}): {one.detail}" for one in self.addresses]
        return "\n".join([f"Audited: {self.units} units that a run would skip; the whole plan beside them:", *lines])


@dataclass(frozen=True, slots=True)
class Change:
    """What a plan does to an address, as far as two plans of one root must agree about it."""

    unit: str
    actions: tuple[str, ...]
    about: Any


@dataclass(frozen=True)
class Standing:
    """How a run by units would begin: units by what they do. `waiting` ones run only if an input changes."""

    skipped: frozenset[str]
    waiting: frozenset[str]
    running: Mapping[str, tuple[Reason, ...]]

    @classmethod
    def of(cls, facts: Facts) -> "Standing":
        planning = Planning(facts)
        statuses, decisions = planning.statuses, planning.decisions
        return cls(
            frozenset(unit for unit, status in statuses.items() if status is Status.SKIPPED),
            frozenset(unit for unit, status in statuses.items() if status is Status.WAITING),
            {unit: decisions[unit].reasons for unit, status in statuses.items() if status is Status.DEFINITE},
        )


def changes(
    plan: Mapping[str, Any], owner: Callable[[str], str | None], *, generated: str = "", copied: Collection[str] = ()
) -> dict[str, Change]:
    """Address → change, of every managed resource and root output that a plan's JSON does not leave alone.

    `owner` gives the unit of an address; what has none is of the unit `removed`. `generated` is the prefix of names that a
    cut root has of its own, `copied` are data sources of other units.
    """
    found = {
        _key(one): Change(owner(one["address"]) or REMOVED_UNIT, tuple(one["change"]["actions"]), _about(one))
        for one in plan.get("resource_changes") or []
        if one["mode"] == "managed" and not _is_quiet(one)
        and not (generated and str(one["name"]).startswith(generated)) and top(one["address"]) not in copied
    }  # fmt: skip
    for name, change in (plan.get("output_changes") or {}).items():
        if change["actions"] != ["no-op"] and not (generated and name.startswith(generated)):
            about = [change.get("after"), change.get("after_unknown")]
            found[f"output.{name}"] = Change(OUTPUTS, tuple(change["actions"]), about)
    return dict(sorted(found.items()))


def to_plan(
    facts: Facts, standing: Standing, whole: Mapping[str, Change], moved: Collection[str]
) -> frozenset[str] | None:
    """The units to plan on purpose: skipped ones that the whole plan changes, and what they need that reads a moved world.

    `moved` are units some of whose data sources read something else now. None: nothing has to be planned at all.
    """
    suspects = {change.unit for change in whole.values()} & (standing.skipped | standing.waiting)
    if not suspects:
        return None
    above = ordering.reachable(facts.upstream, suspects)
    return frozenset(suspects & standing.skipped) | (frozenset(above) & frozenset(moved) & standing.skipped)


def forced(before: Mapping[str, tuple[Reason, ...]], units: Iterable[str]) -> dict[str, tuple[Reason, ...]]:
    """Reasons from elsewhere, with that of an audit for these units."""
    found = dict(before)
    for unit in sorted(units):
        found[unit] = (*found.get(unit, ()), Reason(AUDIT))
    return found


def compared(
    facts: Facts,
    standing: Standing,
    whole: Mapping[str, Change],
    cut: Mapping[str, Change],
    *,
    planned: Collection[str] = (),
    deferred: Collection[str] = (),
    moved: Mapping[str, str] | None = None,
) -> tuple[Audited, ...]:
    """What each difference means, the worst first.

    `cut` are the changes of the units planned by themselves, `planned` those that were planned on purpose, `deferred` those
    that can only be planned later: of them nothing can be said. `moved` are data sources that read something else now, with
    their units; those that explain a difference are told too, for only with them it comes to an end.
    """
    upstream, moved = facts.upstream, moved or {}
    above = {unit: _at_and_above(upstream, unit) for unit in {one.unit for one in whole.values()} & upstream.keys()}
    impure = {unit for unit, parts in facts.parts.items() if parts.impure}
    behind = {unit: units & set(moved.values()) for unit, units in above.items()}
    found = []
    for address, one in whole.items():
        about = _Behind(bool(above.get(one.unit, set()) & impure), bool(behind.get(one.unit)))
        found.append(_judged(one, address, standing, cut.get(address), deferred, about))
    found += [
        Audited(
            one.unit, address, Difference.OTHER, f"planned by itself it would {_words(one)}; the whole root would not"
        )
        for address, one in cut.items()
        if address not in whole and one.unit in planned and one.unit in standing.skipped
    ]
    readers = {unit for one in found if one.difference is Difference.WORLD for unit in behind[one.unit]}
    found += [
        Audited(unit, address, Difference.WORLD, "it reads something else now")
        for address, unit in moved.items()
        if unit in readers
    ]
    rank = list(Difference)
    return tuple(sorted(found, key=lambda one: (rank.index(one.difference), one.unit, one.address)))


@dataclass(frozen=True, slots=True)
class _Behind:
    """What stands behind a unit, itself or above: something that is another each time, something of the world that moved."""

    impure: bool
    moved: bool


def _judged(
    change: Change,
    address: str,
    standing: Standing,
    mine: Change | None,
    deferred: Collection[str],
    behind: _Behind,
) -> Audited:
    """`mine` is what the unit's own plan does to the address."""
    unit, words = change.unit, _words(change)
    if unit not in standing.skipped and unit not in standing.waiting:
        said = standing.running.get(unit, ())
        of_the_state = bool(said) and all(reason.code in _OF_THE_STATE for reason in said)
        about = Difference.STATE if of_the_state else Difference.PENDING
        return Audited(unit, address, about, "; ".join(map(str, said[:3])))
    if put_off := _put_off(unit, standing, mine, deferred, behind):
        return Audited(unit, address, Difference.PENDING, put_off)
    if behind.moved and mine is not None and mine.actions == change.actions:  # it may have moved between both plans too
        return Audited(unit, address, Difference.WORLD, f"it would {words}: what it reads of the world is another")
    if mine != change:
        instead = f"it would {_words(mine)} otherwise" if mine is not None else "it would be left as it is"
        return Audited(unit, address, Difference.OTHER, f"the whole root would {words}; planned by itself {instead}")
    return Audited(unit, address, Difference.SAME, f"it would {words}, and be skipped")


def _put_off(unit: str, standing: Standing, mine: Change | None, deferred: Collection[str], behind: _Behind) -> str:
    """Why nothing can be said of a unit, or need be; "" when something must be."""
    if unit in deferred:
        return "can only be planned after what it needs is applied"
    if behind.impure:
        return "something that it reads is another each time"
    if unit in standing.waiting and mine is not None:
        # what it will do is shown and approved then; here it counts that it is not skipped
        return "something that it reads is about to change"
    return ""


def _at_and_above(upstream: Mapping[str, Collection[str]], unit: str) -> set[str]:
    return {unit, *ordering.reachable(upstream, {unit})}


def _key(change: Mapping[str, Any]) -> str:
    deposed = change.get("deposed")
    return f"{change['address']} (deposed {deposed})" if deposed else str(change["address"])


def _is_quiet(change: Mapping[str, Any]) -> bool:
    still = change["change"]["actions"] in _QUIET
    return still and "previous_address" not in change and "importing" not in change["change"]


def _about(change: Mapping[str, Any]) -> Any:
    inner = change["change"]
    return [inner.get("before"), inner.get("after"), inner.get("after_unknown"), change.get("previous_address")]


def _words(change: Change) -> str:
    return " and ".join(change.actions)
