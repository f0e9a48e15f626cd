"""The steps of a run in a few lines: each task, how many of its units are where, and those one should look at. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from stackly_sdk.cli import words

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import RunStep

_QUIET = ("succeeded", "skipped")
_SHOWN = 10  # units of a task that are named


def tasks(steps: "Iterable[RunStep]") -> Iterator[str]:
    """`  apply-1-b1  running 12s: 3 units succeeded, 1 running`, then a line for each unit that goes on or went wrong."""
    units: list[RunStep] = []
    task: RunStep | None = None
    for step in steps:
        if step.unit:
            units.append(step)
            continue
        yield from _task(task, units)
        task, units = step, []
    yield from _task(task, units)


def _task(task: "RunStep | None", units: "list[RunStep]") -> Iterator[str]:
    if task is None:
        return
    counts = Counter(words.status(one.status) for one in units)
    said = ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))
    took = words.took(task.started_at, task.finished_at)
    head = " ".join(filter(None, (words.status(task.status), took)))
    yield f"  {words.last(task.name):<12}{head}{f'; units: {said}' if said else ''}"
    loud = [one for one in units if words.status(one.status) not in _QUIET]
    for one in loud[:_SHOWN]:
        yield f"    {words.status(one.status)}: {one.unit} {words.took(one.started_at, one.finished_at)}".rstrip()
    if len(loud) > _SHOWN:
        yield f"    and {len(loud) - _SHOWN} more"
