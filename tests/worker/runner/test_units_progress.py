"""How batches of units are told to the control plane: gathered, again after an outage, and the rest with the end."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from fakes.control_plane import MemoryPlane
from stackly_engine.pricing import Price, assumed
from stackly_worker.runner import report, units_known
from stackly_worker.runner.batch import Batch
from stackly_worker.runner.ports import LeaseLostError, UnitReport
from stackly_worker.runner.units_progress import UnitProgress

Make = Callable[..., Batch]
ROOT = """
module "a" { source = "./m" }
module "b" {
  source = "./m"
  word   = module.a.word
}
"""
MODULE = """
variable "word" { default = "w" }
resource "terraform_data" "x" { input = var.word }
output "word" { value = terraform_data.x.output }
"""


@dataclass
class Hand:
    """A clock that a test moves by hand: who sleeps wakes at the next `pass_`."""

    now: float = 100.0
    sleepers: list["asyncio.Future[None]"] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.sleepers.append(asyncio.get_running_loop().create_future())
        await self.sleepers[-1]

    async def pass_(self, seconds: float) -> None:
        self.now += seconds
        woken, self.sleepers = self.sleepers, []
        for one in woken:
            one.set_result(None)
        await settled()


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


class Plane(MemoryPlane):
    """Notes each call."""

    calls: list[tuple[UnitReport, ...]]
    lost = False

    async def report_units(self, reports: Sequence[UnitReport]) -> None:
        if self.lost:
            raise LeaseLostError
        await self._answer()
        self.calls.append(tuple(reports))


@pytest.fixture
def plane() -> Plane:
    found = Plane({})
    found.calls = []
    return found


def told(reports: Sequence[UnitReport]) -> list[tuple[int, str, float]]:
    return [(one.number, one.status, one.took) for one in reports]


async def test_what_happens_meanwhile_goes_into_one_call(plane: Plane) -> None:
    hand = Hand()
    progress = UnitProgress(plane, hand)
    running = asyncio.create_task(progress.run())
    progress.begin(["module.b", "module.a"])
    progress.begin(["module.a", "module.b"])  # the second half of the same
    await settled()
    assert plane.calls == []
    await hand.pass_(0.5)
    assert [told(call) for call in plane.calls] == [[(1, "RUNNING", 0.0)]]
    progress.replanned(["module.a", "module.b"])
    progress.begin(["module.c"])
    progress.end(["module.c"], "FAILED")
    await hand.pass_(1.0)
    progress.end(["module.a", "module.b"], "SUCCEEDED", 7)
    assert [told(call) for call in plane.calls[1:]] == [[(2, "FAILED", 0.0)]]
    (last,) = progress.rest()
    assert (last.units, last.resources, last.took, last.replan) == (("module.a", "module.b"), 7, 1.5, 0.5)
    (message,) = report.unit_batches([last], hand.now + 2)
    assert (message.began_ms_ago, message.took_ms, message.replan_ms) == (3500, 1500, 500)
    await hand.pass_(1.0)
    assert len(plane.calls) == 2  # the rest goes with the end
    await running


async def test_a_small_run_makes_no_call_of_its_own(plane: Plane) -> None:
    progress = UnitProgress(plane, Hand())
    running = asyncio.create_task(progress.run())
    progress.begin(["module.a"])
    progress.end(["module.a"], "SUCCEEDED", 1)
    await settled()
    assert told(progress.rest()) == [(1, "SUCCEEDED", 0.0)]
    assert plane.calls == []
    running.cancel()


async def test_an_outage_delays_and_a_lost_lease_ends_it(plane: Plane) -> None:
    hand = Hand()
    progress = UnitProgress(plane, hand)
    running = asyncio.create_task(progress.run())
    plane.away = 2
    progress.begin(["module.a"])
    for seconds in (0.5, 1.0):
        await settled()
        await hand.pass_(seconds)
    assert plane.calls == []
    await hand.pass_(1.0)
    assert [told(call) for call in plane.calls] == [[(1, "RUNNING", 0.0)]]
    plane.lost = True
    progress.end(["module.a"], "SUCCEEDED")
    await hand.pass_(1.0)
    await running
    assert told(progress.rest()) == [(1, "SUCCEEDED", 2.5)]


async def test_very_many_go_in_pieces(plane: Plane) -> None:
    hand = Hand()
    progress = UnitProgress(plane, hand)
    running = asyncio.create_task(progress.run())
    for number in range(2500):
        progress.begin([f"module.m{number}"])
    for seconds in (0.5, 1.0, 1.0):
        await settled()
        await hand.pass_(seconds)
    assert [len(call) for call in plane.calls] == [1000, 1000, 500]
    running.cancel()


async def test_a_run_tells_each_unit_once_planned_and_once_applied(make_batch: Make) -> None:
    plane = MemoryPlane({"main.tf": ROOT, "m/main.tf": MODULE})
    spec: dict[str, Any] = {"plan_key": "run-1/1/b1", "source_digest": "s", "units": True}
    for phase in ("plan", "apply"):
        await getattr(make_batch(plane, **spec), phase)()
        (outcome,) = plane.outcomes
        last = {one.number: one for one in (*plane.reports, *outcome.unit_batches)}
        assert sorted(unit for one in last.values() for unit in one.units) == ["module.a", "module.b", "outputs"]
        assert {one.status for one in last.values()} == {"SUCCEEDED"}
        assert sum(one.resources for one in last.values()) == 2
        assert all(one.took > 0 for one in last.values())
        plane.reports.clear()
        plane.outcomes.clear()


async def test_what_batches_took_prices_the_next_plan(make_batch: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    prices: list[Price] = []
    read = units_known.read

    def noted(*given: Any) -> Any:
        known = read(*given)
        prices.append(known.price)
        return known

    monkeypatch.setattr(units_known, "read", noted)
    plane = MemoryPlane({"main.tf": ROOT, "m/main.tf": MODULE})
    spec: dict[str, Any] = {"source_digest": "s", "units": True}
    for number, costs in ((1, ()), (2, ((10, 5.0), (20, 5.5), (30, 6.0)))):
        await make_batch(plane, plan_key=f"run-{number}/1/b1", costs=costs, **spec).plan()
    assert prices[0] == assumed(())
    assert prices[1].fixed == pytest.approx(4.5, rel=0.1)
