"""Runs that are cut into units, as their runner sees the server: what it is told, what it keeps, and when it may."""

import hashlib
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from server.runs.desk import Desk, help_of, plan_json
from stackly.worker.v1 import runner_service_pb2 as wire
from stackly_engine import exact, plans
from stackly_engine.projected_chain import PlannedUnit, ProjectedChain, project_chain
from stackly_server import limits
from stackly_server.access import Subject, system
from stackly_server.errors import StacklyError
from stackly_server.runs.artifacts import ArtifactService
from stackly_server.runs.covering import CoverService
from stackly_server.runs.fetching import FetchService
from stackly_server.runs.graph_wire import graph_to_proto
from stackly_server.runs.model import Outcome, Phase, RunType, Status
from stackly_server.runs.runner_rpc import RunnerServicer
from stackly_server.runs.service import Shown
from stackly_server.runs.unit_progress import UnitProgressService
from stackly_server.runs.unit_records import UnitRecordService
from stackly_server.runs.views import RunViews

APP, NET, ROOT = "module.app", "module.net", "root.terraform_data.x"
SECRET = b'["canary"]'
STACK = b'stack "hello" {\n  engine = "auto"\n  labels = { tier = "1" }\n}\n'


@dataclass
class Runner:
    """The hands of a runner: messages in, messages out."""

    desk: Desk
    servicer: RunnerServicer = field(init=False)

    def __post_init__(self) -> None:
        rooms, ground = self.desk.rooms, self.desk.world.ground
        fetching = FetchService(
            ground.database, ground.keys, rooms.blobs, rooms.sources, rooms.stacks, rooms.states, rooms.logs, rooms.batches
        )  # fmt: skip
        records = UnitRecordService(ground.database, rooms.batches, rooms.states, rooms.records)
        artifacts = ArtifactService(ground.database, ground.keys, rooms.blobs, rooms.batches)
        progress = UnitProgressService(ground.database, rooms.batches)
        covering = CoverService(ground.database, ground.keys, rooms.blobs, rooms.batches, rooms.progress)
        self.servicer = RunnerServicer(
            rooms.batches, fetching, records, artifacts, progress, covering, help_of(self.desk)
        )  # fmt: skip

    async def records(self, subject: Subject) -> dict[str, tuple[int, bytes, bytes]]:
        answers = [one async for one in self.servicer.FetchRecords(wire.FetchRecordsRequest(), subject)]
        return {one.record.unit: (one.record.generation, one.record.record, one.record.exports) for one in answers}

    async def begin(self, subject: Subject, *units: str, token: str = "") -> str:
        token = token or str(uuid4())
        await self.servicer.StartApply(wire.StartApplyRequest(start_token=token, units=units), subject)
        return token

    async def keep(self, subject: Subject, *records: wire.UnitRecord) -> None:
        await self.servicer.WriteRecords(wire.WriteRecordsRequest(records=records), subject)

    async def submit(self, subject: Subject, chain: bytes, *reasons: str, generations: int = 0) -> str:
        header = wire.PlanHeader(
            engine="terraform 1.11.4", platform="linux_amd64", tree_sha256="tree", whole_reasons=reasons,
            record_generations=generations,
            projected_sha256=hashlib.sha256(chain).hexdigest(), plan_sha256=hashlib.sha256(b"plans").hexdigest(),
        )  # fmt: skip
        parts: list[dict[str, Any]] = [{"header": header}, {"projected": chain}, {"plan_file": b"plans"}]

        async def stream() -> Any:
            for part in parts:
                yield wire.SubmitPlanRequest(**part)

        return (await self.servicer.SubmitPlan(stream(), subject)).plan_digest

    async def applying(self, *units: str, value: str = "one") -> Subject:
        """A new run whose apply has begun."""
        run = await self.desk.planned(value)
        await self.desk.approve(run)
        subject = await self.desk.claim(run, Phase.APPLY)
        await self.begin(subject, *units)
        return subject


@pytest.fixture
def runner(desk: Desk) -> Runner:
    return Runner(desk)


def record(unit: str, generation: int, text: bytes = b"{}", exports: bytes = SECRET) -> wire.UnitRecord:
    return wire.UnitRecord(unit=unit, generation=generation, record=text, exports=exports)


def chain(value: str = "one", reason: str = "new") -> ProjectedChain:
    """One unit planned, one skipped."""
    units = [PlannedUnit(ROOT, True, (reason,), 1, needs=(APP,)), PlannedUnit(APP, False, ("unchanged",))]
    plan = plans.project(plan_json(value), b"k" * 32)
    return project_chain(units, [([ROOT], plan)], {"terraform_data.x": ROOT}, exports={})


async def refused(call: Awaitable[object], reason: str) -> StacklyError:
    with pytest.raises(StacklyError) as refusal:
        await call
    assert refusal.value.reason == reason
    return refusal.value


async def end(desk: Desk, subject: Subject, outcome: Outcome = Outcome.SUCCEEDED) -> None:
    await desk.rooms.batches.finish(subject, outcome, None, [], 0)


async def test_records_are_cleared_as_an_apply_begins_and_kept_as_it_goes(desk: Desk, runner: Runner) -> None:
    first = await runner.applying(APP, NET)
    assert await runner.records(first) == {APP: (1, b"", b""), NET: (1, b"", b"")}
    await runner.keep(first, record(APP, 2))
    await runner.keep(first, record(NET, 2))
    await end(desk, first)
    second = await runner.applying(APP)
    assert await runner.records(second) == {APP: (3, b"", SECRET), NET: (2, b"{}", SECRET)}
    await end(desk, second, Outcome.FAILED)
    plan = await desk.claim(await desk.create(), Phase.PLAN)
    assert await runner.records(plan) == {APP: (3, b"", SECRET), NET: (2, b"{}", SECRET)}


async def test_a_begin_clears_once(desk: Desk, runner: Runner) -> None:
    subject = await runner.applying(APP)
    rows = "SELECT start_token FROM run_batches WHERE phase = 'APPLY'"
    async with desk.world.ground.database.read(desk.me.tenant) as conn:
        row = await (await conn.execute(rows)).fetchone()
    assert row is not None
    await runner.keep(subject, record(APP, 2))
    await runner.begin(subject, APP, token=str(row[0]))
    assert (await runner.records(subject))[APP] == (2, b"{}", SECRET)
    await refused(runner.begin(subject, APP), "ALREADY_STARTED")


async def test_a_whole_run_clears_all_units(desk: Desk, runner: Runner) -> None:
    first = await runner.applying(APP, NET)
    await runner.keep(first, record(APP, 2), record(NET, 2))
    await end(desk, first)
    whole = await runner.applying()
    assert await runner.records(whole) == {APP: (3, b"", SECRET), NET: (3, b"", SECRET)}


async def test_what_was_planned_is_cleared_though_a_runner_forgets_to_name_it(desk: Desk, runner: Runner) -> None:
    run = await desk.create()
    await _plan(desk, runner, run, chain().to_bytes())
    await desk.approve(run)
    subject = await desk.claim(run, Phase.APPLY)
    await runner.begin(subject, NET)
    assert await runner.records(subject) == {NET: (1, b"", b""), ROOT: (1, b"", b"")}


async def test_a_record_follows_a_cleared_one_once(runner: Runner) -> None:
    subject = await runner.applying(APP, NET)
    await runner.keep(subject, record(APP, 2))
    await runner.keep(subject, record(APP, 2))  # sent again
    await runner.keep(subject, record(APP, 2), record(NET, 2))  # its answer was lost, and it was sent with another
    for wrong in (
        record(APP, 2, b"other"), record(APP, 2, exports=b"[]"), record(APP, 3), record(NET, 1), record("module.x", 1),
    ):  # fmt: skip
        await refused(runner.keep(subject, wrong), "CONCURRENT_CHANGE")
    assert await runner.records(subject) == {APP: (2, b"{}", SECRET), NET: (2, b"{}", SECRET)}


async def test_all_records_of_a_call_are_kept_or_none(runner: Runner) -> None:
    subject = await runner.applying(APP, NET)
    await refused(runner.keep(subject, record(APP, 2), record("module.x", 2)), "CONCURRENT_CHANGE")
    assert (await runner.records(subject))[APP] == (1, b"", b"")


async def test_only_the_holder_of_a_begun_apply_keeps_records(desk: Desk, runner: Runner) -> None:
    run = await desk.create()
    planning = await desk.claim(run, Phase.PLAN)
    await refused(runner.keep(planning, record(APP, 2)), "VALIDATION_FAILED")
    await desk.submit(planning, "one")
    await refused(runner.keep(planning, record(APP, 2)), "VALIDATION_FAILED")
    await end(desk, planning)
    await desk.approve(run)
    subject = await desk.claim(run, Phase.APPLY)
    await refused(runner.keep(subject, record(APP, 2)), "VALIDATION_FAILED")
    await runner.begin(subject, APP)
    lease = await desk.rooms.batches.reclaim(desk.worker, desk.ref(run, Phase.APPLY))
    await refused(runner.keep(subject, record(APP, 2)), "LEASE_LOST")
    await refused(runner.records(subject), "LEASE_LOST")
    heir = await desk.rooms.batches.identify(lease.run_token)
    await runner.keep(heir, record(APP, 2))
    await end(desk, heir, Outcome.FAILED)
    await refused(runner.keep(heir, record(APP, 3)), "LEASE_LOST")


async def test_bounds(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = await runner.applying(APP, NET)
    large = b"x" * (limits.EXPORTS_BYTES - 10)
    for records, limit in (
        ([record(APP, 2, b"x" * (limits.RECORD_BYTES + 1))], "RECORD_BYTES"),
        ([record(APP, 2, exports=large + b"x" * 11)], "EXPORTS_BYTES"),
        ([record(APP, 2, exports=large), record(NET, 2, exports=large)], "RECORDS_CALL_BYTES"),
    ):
        assert (await refused(runner.keep(subject, *records), "LIMIT_EXCEEDED")).facts["limit"] == limit
    for records in ([record(APP, 2), record(APP, 2)], [record(APP, 2, b"")], [record(APP, 2, exports=b"")]):
        await refused(runner.keep(subject, *records), "VALIDATION_FAILED")
    monkeypatch.setattr("stackly_server.states.records.RECORDS_STATE_BYTES", 1000)
    refusal = await refused(runner.keep(subject, record(APP, 2, b"x" * 1000)), "LIMIT_EXCEEDED")
    assert refusal.facts["limit"] == "RECORDS_STATE_BYTES"
    assert (await runner.records(subject))[APP] == (1, b"", b"")


async def test_records_lie_sealed_and_go_with_the_state(desk: Desk, runner: Runner) -> None:
    subject = await runner.applying(APP)
    await runner.keep(subject, record(APP, 2, b"what the engine knows"))
    for word in ("canary", "engine"):
        found = "SELECT count(*) FROM unit_records WHERE position(%s::bytea in record || exports) > 0"
        async with desk.world.ground.database.read(desk.me.tenant) as conn:
            row = await (await conn.execute(found, (word.encode(),))).fetchone()
        assert row == (0,)
    async with desk.world.ground.database.transaction(system(desk.me.tenant, "test")) as tx:
        await tx.conn.execute("DELETE FROM state_heads")
        row = await (await tx.conn.execute("SELECT count(*) FROM unit_records")).fetchone()
        assert row == (0,)


async def _plan(
    desk: Desk, runner: Runner, run: Shown, chain: bytes, *reasons: str, generations: int = 0
) -> str:  # fmt: skip
    subject = await desk.claim(run, Phase.PLAN)
    digest = await runner.submit(subject, chain, *reasons, generations=generations)
    await end(desk, subject)
    return digest


async def test_a_chain_is_recorded_by_unit_under_its_own_digest(desk: Desk, runner: Runner) -> None:
    run = await desk.create()
    digest = await _plan(desk, runner, run, chain().to_bytes())
    found = (await desk.read(run)).plan
    assert found
    assert (found.digest, found.has_changes, found.summary["add"]) == (digest, True, 1)
    facts: dict[str, Any] = {"source": "tree", "engine": "terraform 1.11.4", "variables": await _variables(desk, run)}
    assert digest == chain().digest(**facts)
    plan = await desk.rooms.runs.plan(desk.me, run.name)
    assert [dict(one) for one in plan.units] == [
        {"unit": APP, "run": False, "reasons": ["unchanged"], "batch": 0, "deferred": False, **_lists()},
        {"unit": ROOT, "run": True, "reasons": ["new"], "batch": 1, "deferred": False, **_lists(APP)},
    ]
    changes = await desk.rooms.runs.changes(desk.me, run.name, "", -1, 10)
    assert [change["unit"] for _, change in changes[1]] == [ROOT]
    rooms = desk.rooms
    graph = graph_to_proto(
        await RunViews(desk.world.ground.database, rooms.runs, rooms.stacks, rooms.workers).graph(desk.me, run.name, "")
    )
    assert [(one.unit, one.group, one.run, one.reason) for one in graph.activities] == [
        (APP, 1, False, "unchanged"), (ROOT, 2, True, "new"),
    ]  # fmt: skip
    assert [(one.from_unit, one.to_unit) for one in graph.edges] == [(APP, ROOT)]
    assert [list(one.units) for one in graph.chains] == [[APP, ROOT]]
    other = await desk.create()
    assert await _plan(desk, runner, other, chain(reason="forced").to_bytes()) == digest  # reasons are no matter
    third = await desk.create()
    assert await _plan(desk, runner, third, chain("two").to_bytes()) != digest


def _lists(*needs: str) -> dict[str, list[str]]:
    return {"needs": [*needs], "inputs": [], "outputs": []}


async def _variables(desk: Desk, run: Shown) -> str:
    state = (await desk.world.stack_states())["hello"]
    key = await desk.rooms.states.hash_key(desk.me.tenant, state.head)
    return plans.variables_hash({}, key)


async def test_records_that_moved_since_the_plan_have_it_made_again(desk: Desk, runner: Runner) -> None:
    before = await runner.applying(APP)
    await end(desk, before, Outcome.FAILED)  # no state was written, but nobody knows what came of it
    run = await desk.create()
    await _plan(desk, runner, run, chain().to_bytes(), generations=1)
    between = await runner.applying(APP)
    assert (await desk.approve(run)).run.status is Status.APPLY_QUEUED
    await end(desk, between, Outcome.FAILED)
    again = (await desk.read(run)).run
    assert (again.status, again.plan_number) == (Status.QUEUED, 2)
    subject = await desk.claim(run, Phase.PLAN, 2)
    await runner.submit(subject, chain().to_bytes(), generations=2)
    await end(desk, subject)
    assert await desk.status(run) is Status.APPLY_QUEUED  # under an equal digest
    await desk.claim(run, Phase.APPLY, 2)


def idle(*planned: str) -> bytes:
    """Units that were planned and have nothing to do."""
    units = [PlannedUnit(unit, True, ("code: main.tf",), 1) for unit in planned]
    nothing = plans.project(plan_json(""), b"k" * 32)
    return project_chain(units, [(planned, nothing)], {}, exports={}).to_bytes()


async def test_a_plan_of_nothing_to_do_keeps_records(desk: Desk, runner: Runner) -> None:
    run = await desk.create()
    subject = await desk.claim(run, Phase.PLAN)
    await runner.submit(subject, idle(APP))
    await refused(runner.keep(subject, record(NET, 2)), "VALIDATION_FAILED")
    await refused(runner.keep(subject, record(APP, 1)), "CONCURRENT_CHANGE")
    await runner.keep(subject, record(APP, 2))
    await runner.keep(subject, record(APP, 2))
    await refused(runner.keep(subject, record(APP, 2, b"other")), "CONCURRENT_CHANGE")
    await end(desk, subject)
    assert await desk.status(run) is Status.PLANNED_AND_FINISHED
    subject = await desk.claim(await desk.create(), Phase.PLAN)
    await runner.submit(subject, idle(APP), generations=2)
    await runner.keep(subject, record(APP, 4, b"newer"))
    assert await runner.records(subject) == {APP: (4, b"newer", SECRET)}


async def test_a_plan_keeps_nothing_while_somebody_is_at_work(desk: Desk, runner: Runner) -> None:
    planning = await desk.claim(await desk.create(), Phase.PLAN)
    await runner.submit(planning, idle(APP, NET))
    applying = await runner.applying(APP)
    await refused(runner.keep(planning, record(NET, 2)), "CONCURRENT_CHANGE")
    assert await desk.write(applying, 1) is None
    await end(desk, applying)
    for unit in (APP, NET):
        await refused(runner.keep(planning, record(unit, 2)), "CONCURRENT_CHANGE")
    only = await desk.claim(await desk.create(RunType.PLAN_ONLY), Phase.PLAN)
    await runner.submit(only, idle(APP))
    await refused(runner.keep(only, record(APP, 3)), "VALIDATION_FAILED")


async def test_nothing_to_do_ends_the_run_and_a_deferred_unit_does_not(desk: Desk, runner: Runner) -> None:
    idle = project_chain([PlannedUnit(APP, False, ("unchanged",))], [], {}, exports={})
    run = await desk.create()
    await _plan(desk, runner, run, idle.to_bytes())
    assert await desk.status(run) is Status.PLANNED_AND_FINISHED
    waits = project_chain([PlannedUnit(APP, True, ("new",), deferred=True)], [], {}, exports={})
    run = await desk.create()
    await _plan(desk, runner, run, waits.to_bytes())
    assert await desk.status(run) is Status.AWAITING_APPROVAL


async def test_a_whole_plan_says_why(desk: Desk, runner: Runner) -> None:
    run = await desk.create()
    whole = plans.project(plan_json("one"), b"k" * 32).to_bytes()
    await _plan(desk, runner, run, whole, "override-files: x_override.tf")
    plan = await desk.rooms.runs.plan(desk.me, run.name)
    assert (list(plan.units), list(plan.whole_reasons)) == ([], ["override-files: x_override.tf"])


async def test_a_document_that_does_not_fit_together_is_refused(desk: Desk, runner: Runner) -> None:
    subject = await desk.claim(await desk.create(), Phase.PLAN)
    broken = exact.loads(chain().to_bytes())
    broken["units"] = []
    await refused(runner.submit(subject, exact.dumps(broken)), "VALIDATION_FAILED")
    await refused(runner.submit(subject, b"{}"), "VALIDATION_FAILED")


async def test_the_stack_file_says_whether_to_cut(desk: Desk, runner: Runner) -> None:
    async def told(run: Shown) -> bool:
        subject = await desk.claim(run, Phase.PLAN)
        return (await runner.servicer.GetBatchSpec(wire.GetBatchSpecRequest(), subject)).units

    assert await told(await desk.create())  # where nothing is said
    await desk.world.push(desk.world.commit({"stackly.hcl": STACK.replace(b"auto", b"whole")}))
    assert not await told(await desk.create())
    await desk.world.push(desk.world.commit({"stackly.hcl": STACK}))
    assert await told(await desk.create())
    assert await told(await desk.create(RunType.DESTROY))  # the runner says why it is whole all the same
