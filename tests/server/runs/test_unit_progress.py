"""Runs by units as they are watched: reports of their runner, steps, graph, and what earlier plans took."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

import pytest

from server.runs.desk import Desk, plan_json
from stackly_engine import plans
from stackly_engine.projected_chain import PlannedUnit, project_chain
from stackly_server import limits
from stackly_server.access import Subject
from stackly_server.errors import StacklyError
from stackly_server.events import store as events
from stackly_server.events.model import EventFilter
from stackly_server.runs import unit_store
from stackly_server.runs.model import Outcome, Phase
from stackly_server.runs.service import Shown
from stackly_server.runs.submitted import SubmittedPlan
from stackly_server.runs.unit_batches import Report, UnitStatus
from stackly_server.runs.unit_progress import UnitProgressService
from stackly_server.runs.views import RunViews, ShownGraph, drawn

APP, NET, ROOT, LATE = "module.app", "module.net", "root.terraform_data.x", "module.late"
RUNNING, SUCCEEDED, FAILED = UnitStatus.RUNNING, UnitStatus.SUCCEEDED, UnitStatus.FAILED


@dataclass
class Watcher:
    """Reports as a runner does, looks as people do."""

    desk: Desk

    @property
    def progress(self) -> UnitProgressService:
        return UnitProgressService(self.desk.world.ground.database, self.desk.rooms.batches)

    @property
    def views(self) -> RunViews:
        rooms = self.desk.rooms
        return RunViews(self.desk.world.ground.database, rooms.runs, rooms.stacks, rooms.workers)

    async def steps(self, run: Shown) -> list[tuple[str, str, str]]:
        """Of units only: name, status, batch."""
        shown = await self.views.steps(self.desk.me, run.name)
        return [(one.name, one.status, one.batch) for one in shown.steps if one.unit]

    async def graph(self, run: Shown) -> ShownGraph:
        return await self.views.graph(self.desk.me, run.name, "")

    async def statuses(self, run: Shown) -> dict[str, str]:
        return {one.unit: one.status for one in (await self.graph(run)).graph.activities}

    async def planned(self, units: Sequence[PlannedUnit], *reports: Report) -> Shown:
        """A run whose plan has these units, all of which changes belong to ROOT."""
        run = await self.desk.create()
        subject = await self.desk.claim(run, Phase.PLAN)
        if reports:
            await self.progress.report(subject, reports)
        await self.submit(subject, units)
        await self.desk.rooms.batches.finish(subject, Outcome.SUCCEEDED, None, [], 0)
        return await self.desk.read(run)

    async def submit(self, subject: Subject, units: Sequence[PlannedUnit]) -> None:
        names = [one.unit for one in units if one.batch]
        plan = plans.project(plan_json("one" if ROOT in names else ""), b"k" * 32)
        chain = project_chain(
            units, [(names, plan)] if names else [], {"terraform_data.x": ROOT}, exports={}
        ).to_bytes()
        digests = hashlib.sha256(chain).hexdigest(), hashlib.sha256(b"plans").hexdigest()
        submitted = SubmittedPlan("terraform 1.11.4", "linux_amd64", "tree", 0, "", *digests, chain, b"plans")
        await self.desk.rooms.batches.submit_plan(subject, submitted)


@pytest.fixture
def watcher(desk: Desk) -> Watcher:
    return Watcher(desk)


def chain() -> list[PlannedUnit]:
    return [
        PlannedUnit(ROOT, True, ("code: main.tf",), 1, needs=(APP,), inputs=("module.app.id",)),
        PlannedUnit(APP, True, ("new",), 1, outputs=("module.app.id",)),
        PlannedUnit(NET, False, ("unchanged",)),
        PlannedUnit(LATE, True, ("new", "deferred: module.app.id is known after apply"), deferred=True, needs=(APP,)),
    ]


async def test_a_run_can_be_watched_unit_by_unit(watcher: Watcher) -> None:
    desk = watcher.desk
    run = await desk.create()
    subject = await desk.claim(run, Phase.PLAN)
    await watcher.progress.report(subject, [Report(1, (APP,), RUNNING, 2000)])
    assert await watcher.steps(run) == [(f"plan-1-{APP}", "RUNNING", "")]
    await watcher.progress.report(
        subject, [Report(1, (APP,), SUCCEEDED, 2500, 2100, 3), Report(2, (ROOT,), RUNNING, 0)]
    )
    assert [status for _, status, _ in await watcher.steps(run)] == ["SUCCEEDED", "RUNNING"]
    await watcher.submit(subject, chain())
    shown = await watcher.views.steps(desk.me, run.name)
    assert [(one.unit, one.batch, one.reasons) for one in shown.steps] == [
        ("", "b1", ()), (APP, "1", ("new",)), (ROOT, "1", ("code: main.tf",)),
    ]  # fmt: skip
    first = shown.steps[1]
    assert first.started_at
    assert first.finished_at
    assert (first.finished_at - first.started_at).total_seconds() == pytest.approx(2.1)
    assert shown.workers[first.worker_id or uuid4()].endswith("/namespaces/default/workers/w-1")
    await desk.rooms.batches.finish(subject, Outcome.FAILED, None, [], 1)  # its last word on unit 2 never came
    assert [status for _, status, _ in await watcher.steps(run)] == ["SUCCEEDED", "FAILED"]


async def test_what_ended_stays_as_it_ended_and_each_change_is_one_event(watcher: Watcher) -> None:
    desk = watcher.desk
    run = await desk.create()
    subject = await desk.claim(run, Phase.PLAN)
    once = [Report(1, (APP, NET), SUCCEEDED, 900, 800, 5)]
    for reports in (once, once, [Report(1, (APP, NET), FAILED, 0)], [Report(1, (APP, NET), RUNNING, 0)]):
        await watcher.progress.report(subject, reports)
    assert {status for _, status, _ in await watcher.steps(run)} == {"SUCCEEDED"}
    async with desk.world.ground.database.read(desk.me.tenant) as conn:
        found = await events.before(conn, None, EventFilter(subject=run.name), 10)
    told = [(one.type, one.facts) for one in reversed(found) if one.type.startswith("run.activity")]
    facts = {"step": "plan-1-b1", "batch": "1", "units": "module.app, module.net"}
    assert told == [
        ("run.activity_started", facts),
        ("run.activity_completed", {**facts, "status": "SUCCEEDED", "seconds": "0.8"}),
    ]


async def test_only_the_holder_reports_and_not_without_bounds(watcher: Watcher) -> None:
    desk = watcher.desk
    run = await desk.create()
    first = await desk.claim(run, Phase.PLAN)
    await watcher.progress.report(first, [Report(1, (APP,), RUNNING, 0)])
    lease = await desk.rooms.batches.reclaim(desk.worker, desk.ref(run, Phase.PLAN))
    second = await desk.rooms.batches.identify(lease.run_token)
    assert await watcher.steps(run) == [(f"plan-1-{APP}", "FAILED", "")]  # nobody works on it any more
    with pytest.raises(StacklyError) as lost:
        await watcher.progress.report(first, [Report(1, (APP,), SUCCEEDED, 0)])
    assert lost.value.reason == "LEASE_LOST"
    await watcher.progress.report(second, [Report(1, (APP,), RUNNING, 0)])
    assert await watcher.steps(run) == [(f"plan-1-{APP}", "RUNNING", "")]
    for bad in (
        Report(limits.UNIT_BATCHES + 1, (APP,), RUNNING, 0),
        Report(2, ("m" * (limits.UNIT_CHARACTERS + 1),), RUNNING, 0),
        Report(2, ("m" * 500,) * 3000, RUNNING, 0),
    ):
        with pytest.raises(StacklyError) as refused:
            await watcher.progress.report(second, [bad])
        assert refused.value.reason in {"LIMIT_EXCEEDED", "VALIDATION_FAILED"}


async def test_the_graph_says_where_each_unit_is(watcher: Watcher) -> None:
    desk = watcher.desk
    run = await watcher.planned(chain(), Report(1, (APP, ROOT), SUCCEEDED, 900, 800, 2))
    assert await watcher.statuses(run) == {APP: "UNCHANGED", NET: "SKIPPED", ROOT: "CHANGED", LATE: "DEFERRED"}
    shown = await watcher.graph(run)
    root = next(one for one in shown.graph.activities if one.unit == ROOT)
    assert (root.changes, root.type, root.inputs) == ({"add": 1}, "resources", ("module.app.id",))
    assert shown.graph.groups == ((APP, NET), (LATE, ROOT))
    await desk.approve(run)
    subject = await desk.started(run)
    await watcher.progress.report(subject, [Report(1, (APP, ROOT), RUNNING, 0)])
    assert (await watcher.statuses(run))[ROOT] == "RUNNING"
    await watcher.progress.report(subject, [Report(1, (APP, ROOT), SUCCEEDED, 0, 700, 2)])
    assert (await watcher.statuses(run))[ROOT] == "APPLIED"
    svg = drawn((await watcher.graph(run)).graph)
    assert svg.count('class="unit applied"') == svg.count('class="unit deferred"') == 1


async def test_a_whole_root_is_one_activity(watcher: Watcher) -> None:
    desk = watcher.desk
    run = await desk.planned()
    assert await watcher.statuses(run) == {"*": "CHANGED"}
    await desk.approve(run)
    subject = await desk.started(run)
    assert await watcher.statuses(run) == {"*": "RUNNING"}
    await desk.rooms.batches.finish(subject, Outcome.FAILED, None, [], 1)
    assert await watcher.statuses(run) == {"*": "FAILED"}
    (only,) = (await watcher.graph(run)).graph.activities
    assert (only.changes or {})["add"] == 1


async def test_the_newest_plan_of_a_stack_or_of_a_commit(watcher: Watcher) -> None:
    desk = watcher.desk
    latest = "accounts/dev/stackStates/hello/runs/latest"
    with pytest.raises(StacklyError) as none:
        await watcher.views.graph(desk.me, latest, "")
    assert none.value.reason == "PLAN_NOT_READY"
    first, second = await watcher.planned(chain()), await watcher.planned(chain())
    await desk.create()  # has no plan yet
    assert (await watcher.views.graph(desk.me, latest, "")).name == second.name
    commit = first.run.to_commit
    assert (await watcher.views.graph(desk.me, latest, commit[:8])).name == second.name
    for name, wrong, reason in ((latest, "0" * 40, "PLAN_NOT_READY"), (first.name, commit, "VALIDATION_FAILED")):
        with pytest.raises(StacklyError) as refused:
            await watcher.views.graph(desk.me, name, wrong)
        assert refused.value.reason == reason


async def test_what_batches_took_prices_the_next_plan_and_says_what_a_skip_saved(watcher: Watcher) -> None:
    desk = watcher.desk
    run = await watcher.planned(chain(), Report(1, (APP, ROOT), SUCCEEDED, 4000, 4000, 20))
    await desk.approve(run)
    subject = await desk.started(run)
    again = Report(1, (APP, ROOT), SUCCEEDED, 3000, 3000, 20, replan_ms=1000)
    nothing = Report(2, (NET,), SUCCEEDED, 10, 10)
    await watcher.progress.report(subject, [again, nothing])
    await desk.rooms.batches.finish(subject, Outcome.SUCCEEDED, None, [], 0)
    async with desk.world.ground.database.read(desk.me.tenant) as conn:
        found = await unit_store.costs(conn, desk.me.tenant, run.run.stack_state_id)
    assert [(one.resources, one.seconds) for one in found] == [(20, 6.0)]
    skipped = [PlannedUnit(unit, False, ("unchanged",)) for unit in (APP, ROOT, NET)]
    second = await watcher.planned(skipped)
    plan, seconds = await watcher.views.plan(desk.me, second.name)
    assert dict(seconds) == {APP: 2.0, ROOT: 2.0}
    assert len(plan.units) == 3
    _, none = await watcher.views.plan(desk.me, run.name)
    assert dict(none) == {}  # what came later counts for nothing
