"""What an apply by units left to be planned again, and why. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from stackly_engine.applying import Applied
from stackly_engine.deciding import Decision
from stackly_engine.driving.carrying import Ended, Fate
from stackly_worker.runner.ports import LeftUnit

_FINDINGS = 5  # shown of what was not covered


def left(
    statuses: Mapping[str, Applied],
    ended: Iterable[Ended],
    refused: Mapping[tuple[str, ...], str],
    surprises: Iterable[Decision],
) -> tuple[LeftUnit, ...]:
    """The units that were left for a reason of their own, and those that need them; by name.

    `refused`: batches that the control plane found not covered, with its words. What failed, and what needs it, is not left.
    """
    found = {one.unit: one for one in _own(ended, refused, surprises)}
    if found:
        blocked = (unit for unit, status in statuses.items() if status is Applied.BLOCKED)
        found |= {unit: LeftUnit(unit, "NEEDS_OTHERS") for unit in blocked}
    return tuple(found[unit] for unit in sorted(found))


def failed(statuses: Mapping[str, Applied], left: Collection[LeftUnit]) -> bool:
    """Whether a unit was not applied for another reason than that it has to be planned again."""
    again = {one.unit for one in left}
    return any(status is Applied.FAILED and unit not in again for unit, status in statuses.items())


def told(left: Collection[LeftUnit]) -> list[str]:
    """For the log and for people; nothing for nothing."""
    if not left:
        return []
    lines = [f"{one.unit} {one.detail}" for one in left if one.detail]
    return [*lines, "Everything else that could be applied is applied and kept; the rest has to be planned again."]


def _own(
    ended: Iterable[Ended], refused: Mapping[tuple[str, ...], str], surprises: Iterable[Decision]
) -> Iterator[LeftUnit]:
    for one in ended:
        for unit in one.units:
            if one.fate is Fate.DEFERRED:
                yield LeftUnit(unit, "DEFERRED", "can only be planned now that what it needs is applied.")
            elif one.fate is Fate.UNCOVERED:
                shown = "; ".join(f"{found.address}: {found.reason}" for found in one.findings[:_FINDINGS])
                yield LeftUnit(unit, "NOT_COVERED", _uncovered(shown))
            elif one.units in refused:
                yield LeftUnit(unit, "NOT_COVERED", _uncovered(refused[one.units]))
    for decision in surprises:
        why = f"was to be skipped, and has to run after all ({decision.reasons[0]})."
        yield LeftUnit(decision.unit, "INPUTS_CHANGED", why)


def _uncovered(shown: str) -> str:
    return f"was not applied: with the values it now reads it would do more than was planned ({shown})."
