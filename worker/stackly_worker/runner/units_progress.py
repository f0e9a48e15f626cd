"""Tells the control plane how batches of units go on: gathered, at most once a second, and nothing waits for it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from stackly_worker.runner.clock import Clock
from stackly_worker.runner.ports import (
    ControlPlane,
    LeaseLostError,
    PlaneRefusedError,
    PlaneUnavailableError,
    UnitReport,
)

# A batch that ends within it is told once, with the end of the run when that comes first: a small run makes no more calls.
_GATHERED = 0.5  # seconds before the first call
_BETWEEN = 1.0  # seconds between two calls
_CALL_MOST = 1000  # batches in one call; the others go with the next
_NAMES_MOST = 1 << 19  # characters of their units' names


@dataclass
class UnitProgress:
    """All on the session's loop. `rest` ends it: what was not told yet goes with the report of the end."""

    plane: ControlPlane
    clock: Clock
    _known: dict[int, UnitReport] = field(default_factory=dict)
    _open: dict[tuple[str, ...], int] = field(default_factory=dict)
    _untold: dict[int, UnitReport] = field(default_factory=dict)  # the last word on each batch that was not heard
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _over: bool = False

    def begin(self, units: Sequence[str]) -> None:
        """Terraform is at work on them; nothing new when it was already."""
        key = tuple(sorted(units))
        if key not in self._open:
            number = self._open[key] = len(self._known) + 1
            self._note(UnitReport(number, key, "RUNNING", self.clock.monotonic()))

    def replanned(self, units: Sequence[str]) -> None:
        """All the time since it began went into planning once more."""
        report = self._current(units)
        self._known[report.number] = replace(report, replan=self.clock.monotonic() - report.began)

    def end(self, units: Sequence[str], status: str, resources: int = 0) -> None:
        """`status`: SUCCEEDED, FAILED, CANCELED, SKIPPED or DEFERRED; `resources` of its plan, when Terraform worked on it."""
        self.begin(units)
        report = self._current(units)
        took = self.clock.monotonic() - report.began
        self._note(replace(report, status=status, took=took, resources=resources))
        del self._open[report.units]

    async def run(self) -> None:
        """Until cancelled, or the control plane wants no more of it."""
        await self._news.wait()
        await self.clock.sleep(_GATHERED)
        while not self._over:
            self._news.clear()
            if not await self._told():
                return
            await self.clock.sleep(_BETWEEN)
            if not self._untold:
                await self._news.wait()

    def rest(self) -> tuple[UnitReport, ...]:
        """What the control plane was not told, or has not said to have heard."""
        self._over = True
        return _few(self._untold)

    async def _told(self) -> bool:
        """One call; whether there may be another."""
        told = _few(self._untold)
        try:
            await self.plane.report_units(told)
        except PlaneUnavailableError:
            return True
        except (LeaseLostError, PlaneRefusedError):
            return False
        for one in told:
            if self._untold.get(one.number) == one:
                del self._untold[one.number]
        return True

    def _note(self, report: UnitReport) -> None:
        self._known[report.number] = self._untold[report.number] = report
        self._news.set()

    def _current(self, units: Sequence[str]) -> UnitReport:
        return self._known[self._open[tuple(sorted(units))]]


def _few(untold: dict[int, UnitReport]) -> tuple[UnitReport, ...]:
    """The oldest of them, as many as go into one call."""
    found: list[UnitReport] = []
    room = _NAMES_MOST
    for _, report in sorted(untold.items())[:_CALL_MOST]:
        room -= sum(map(len, report.units))
        if room < 0 and found:
            break
        found.append(report)
    return tuple(found)
