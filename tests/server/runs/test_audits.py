"""Audits of the engine at the server: what follows from what a runner found, and when one is made."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pushing import MODULE
from server.runs.desk import NAME, Desk
from server.runs.test_units import APP, NET, STACK, Runner, end, record, refused
from stackly.v1 import runs_pb2, runs_service_pb2
from stackly.worker.v1 import runner_service_pb2 as wire
from stackly_engine import plans
from stackly_server.access import Subject
from stackly_server.clock import SystemClock
from stackly_server.errors import Invalid
from stackly_server.runs.audit_model import Known, repeats, why_due
from stackly_server.runs.audit_sweep import AuditSweep
from stackly_server.runs.model import Outcome, Phase, RunType, Status, Trigger
from stackly_server.runs.rpc import RunServicer
from stackly_server.runs.service import Shown
from stackly_server.runs.views import RunViews
from stackly_server.stacks.engine_build import BUILD
from stackly_server.stacks.model import Condition
from stackly_server.stacks.service import StackStateChange

ADDRESS = "terraform_data.x"


@pytest.fixture
def runner(desk: Desk) -> Runner:
    return Runner(desk)


async def cut(desk: Desk, runner: Runner, value: str = "one", stack: bytes = STACK) -> None:
    """A stack that is cut, applied with two units on record."""
    await desk.world.push(desk.world.commit({"stackly.hcl": stack, "main.tf": MODULE + b"\n"}))
    subject = await runner.applying(APP, NET, value=value)
    await runner.keep(subject, record(APP, 2), record(NET, 2))
    await end(desk, subject)


def update(after: str) -> bytes:
    change = {"actions": ["update"], "before": {"input": "kept"}, "after": {"input": after}, "after_unknown": {}}
    resource = {
        "address": ADDRESS, "mode": "managed", "type": "terraform_data", "name": "x",
        "provider_name": "terraform.io/builtin/terraform", "change": change,
    }  # fmt: skip
    return json.dumps({"format_version": "1.2", "resource_changes": [resource]}).encode()


async def audited(
    desk: Desk, runner: Runner, *found: tuple[str, str], after: str = "two", generations: int = 4, nothing: str = ""
) -> Shown:
    """An audit whose runner found these: unit and difference."""
    run = await desk.create(RunType.AUDIT)
    subject = await desk.claim(run, Phase.PLAN)
    addresses = [
        wire.AuditedAddress(unit=unit, address=ADDRESS, difference=f"AUDITED_DIFFERENCE_{difference}", detail="d")
        for unit, difference in found
    ]
    await submit(runner, subject, after, generations, wire.AuditReport(
        nothing=nothing, audited_units=2, addresses=addresses,
    ))  # fmt: skip
    await end(desk, subject)
    return await desk.read(run)


async def submit(
    runner: Runner, subject: Subject, after: str, generations: int, report: wire.AuditReport | None
) -> None:
    document = plans.project(update(after), b"k" * 32).to_bytes()
    header = wire.PlanHeader(
        engine="terraform 1.11.4", platform="linux_amd64", tree_sha256="tree", record_generations=generations,
        projected_sha256=hashlib.sha256(document).hexdigest(), plan_sha256=hashlib.sha256(b"").hexdigest(), audit=report,
    )  # fmt: skip

    async def stream() -> Any:
        yield wire.SubmitPlanRequest(header=header)
        yield wire.SubmitPlanRequest(projected=document)

    await runner.servicer.SubmitPlan(stream(), subject)


async def told(desk: Desk, run: Shown) -> runs_pb2.Audit:
    """The audit as a client gets it."""
    rooms, ground = desk.rooms, desk.world.ground
    views = RunViews(ground.database, rooms.runs, rooms.stacks, rooms.workers)
    servicer = RunServicer(rooms.runs, views, rooms.logs, ground.hub, ground.pages)
    answer = await servicer.GetPlan(runs_service_pb2.GetPlanRequest(name=f"{run.name}/plan"), desk.me)
    return answer.plan.audit


async def kept(desk: Desk) -> int:
    return await desk.count("SELECT count(*) FROM unit_records WHERE record IS NOT NULL")


async def events(desk: Desk, kind: str) -> list[Mapping[str, str]]:
    async with desk.world.ground.database.read(desk.me.tenant) as conn:
        cursor = await conn.execute("SELECT facts FROM events WHERE type = %s", (kind,))
        return [row[0] for row in await cursor.fetchall()]


async def is_cut(desk: Desk, runner: Runner) -> bool:
    """Whether the next run is told to cut the root."""
    run = await desk.create(RunType.PLAN_ONLY)
    subject = await desk.claim(run, Phase.PLAN)
    spec = await runner.servicer.GetBatchSpec(wire.GetBatchSpecRequest(), subject)
    await runner.submit(subject, plans.project(b'{"format_version": "1.2"}', b"k" * 32).to_bytes())
    await end(desk, subject)
    return spec.units


async def test_an_unsound_engine_is_told_and_suspended_until_a_person_says_otherwise(
    desk: Desk, runner: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    await cut(desk, runner)
    assert await is_cut(desk, runner)
    run = await audited(desk, runner, (APP, "SAME"), (NET, "PENDING"))
    assert run.run.status is Status.PLANNED_AND_FINISHED
    audit = await told(desk, run)
    assert audit.result == runs_pb2.AUDIT_RESULT_UNSOUND
    assert [(one.unit, one.verdict) for one in audit.findings] == [
        (APP, runs_pb2.AUDIT_VERDICT_UNSOUND), (NET, runs_pb2.AUDIT_VERDICT_PENDING),
    ]  # fmt: skip
    assert await kept(desk) == 0
    (event,) = await events(desk, "engine.unsound")
    assert (event["units"], event["addresses"], event["result"]) == (APP, ADDRESS, "UNSOUND")
    audits = "SELECT count(*) FROM audit_entries WHERE convert_from(body, 'UTF8') LIKE '%engine.unsound%'"
    assert await desk.count(audits) == 1
    (line,) = [one for one in caplog.records if one.name == "stackly.engine"]
    assert (line.levelname, line.facts["metric"], line.facts["units"]) == ("ERROR", "engine_audits", APP)  # type: ignore[attr-defined]
    assert not await is_cut(desk, runner)
    shown = await desk.rooms.stacks.get(desk.me, NAME)
    assert Condition.ENGINE_SUSPENDED in shown.conditions
    plan = await desk.rooms.runs.plan(desk.me, (await desk.rooms.runs.page(desk.me, NAME, _anything(), 1))[0].name)
    assert plan.whole_reasons[0].startswith("unsound: ")
    await desk.rooms.stacks.update(desk.me, NAME, StackStateChange(suspended=False))
    assert await is_cut(desk, runner)
    await desk.rooms.stacks.update(desk.me, NAME, StackStateChange(suspended=True))
    assert not await is_cut(desk, runner)


def _anything() -> Any:
    from stackly_server.runs.store import Filter

    return Filter()


async def test_an_upgrade_of_the_engine_is_trusted_again(desk: Desk, runner: Runner) -> None:
    await cut(desk, runner)
    await audited(desk, runner, (APP, "OTHER"))
    assert not await is_cut(desk, runner)
    async with desk.world.ground.database.transaction(desk.me) as tx:
        await tx.conn.execute("UPDATE stack_states SET suspended_build = '0.0.1/0'")
    assert await is_cut(desk, runner)


@pytest.mark.parametrize(("difference", "after"), [("STATE", "two"), ("WORLD", "two"), ("SAME", "one")])
async def test_drift_has_its_unit_planned_again_and_no_other(
    desk: Desk, runner: Runner, difference: str, after: str
) -> None:
    """The last one: what was applied asked for that very value, and the provider did not keep it."""
    await cut(desk, runner, "one")
    audit = await told(desk, await audited(desk, runner, (APP, difference), after=after))
    assert audit.result == runs_pb2.AUDIT_RESULT_DRIFT
    assert await kept(desk) == 1
    assert len(await events(desk, "engine.drift_found")) == 1
    assert not await events(desk, "engine.unsound")
    assert await is_cut(desk, runner)


async def test_an_audit_changes_nothing_else(desk: Desk, runner: Runner) -> None:
    await cut(desk, runner)
    before = await desk.rooms.stacks.get(desk.me, NAME)
    run = await audited(desk, runner, (NET, "PENDING"))
    assert (await told(desk, run)).result == runs_pb2.AUDIT_RESULT_CLEAN
    after = await desk.rooms.stacks.get(desk.me, NAME)
    assert (after.state, after.last_applied_run, after.head) == (before.state, before.last_applied_run, before.head)
    assert await kept(desk) == 2
    failing = await desk.claim(await desk.create(RunType.AUDIT), Phase.PLAN)
    await end(desk, failing, Outcome.FAILED)
    assert not (await desk.rooms.stacks.get(desk.me, NAME)).state.last_run_failed


async def test_nothing_is_said_of_what_moved_meanwhile(desk: Desk, runner: Runner) -> None:
    await cut(desk, runner)
    run = await audited(desk, runner, (APP, "OTHER"), generations=3)
    audit = await told(desk, run)
    assert (audit.result, len(audit.findings)) == (runs_pb2.AUDIT_RESULT_NOTHING, 0)
    assert "moved" in audit.reason
    assert await kept(desk) == 2
    run = await audited(desk, runner, nothing="override-files: main_override.tf")
    assert (await told(desk, run)).reason == "override-files: main_override.tf"


async def test_who_may_say_what_an_audit_found(desk: Desk, runner: Runner) -> None:
    await cut(desk, runner)
    subject = await desk.claim(await desk.create(), Phase.PLAN)
    await refused(submit(runner, subject, "two", 4, wire.AuditReport()), "VALIDATION_FAILED")
    subject = await desk.claim(await desk.create(RunType.AUDIT), Phase.PLAN)
    await refused(submit(runner, subject, "two", 4, None), "VALIDATION_FAILED")
    with pytest.raises(Invalid):
        await submit(runner, subject, "two", 4, wire.AuditReport(addresses=[wire.AuditedAddress(unit=APP)]))


@dataclass
class Ahead(SystemClock):
    """Shows a later time."""

    by: timedelta

    def now(self) -> datetime:
        return datetime.now(UTC) + self.by


async def swept(desk: Desk, by: timedelta) -> list[Shown]:
    """Audits that are there once the sweep was made at that time."""
    rooms = desk.rooms
    sweep = AuditSweep(desk.world.ground.database, rooms.stacks, rooms.runs, Ahead(by))
    await sweep.due(desk.me.tenant)
    return [one for one in await rooms.runs.page(desk.me, NAME, _anything(), 20) if one.run.type is RunType.AUDIT]


async def test_audits_are_made_when_they_are_due(desk: Desk, runner: Runner) -> None:
    await cut(desk, runner)
    assert await swept(desk, timedelta(days=6)) == []
    (first,) = await swept(desk, timedelta(days=8))
    assert (first.run.trigger, first.run.message) == (Trigger.SCHEDULE, "audit: it is time")
    assert len(await swept(desk, timedelta(days=30))) == 1  # it is not done yet
    subject = await desk.claim(first, Phase.PLAN)
    await submit(runner, subject, "two", 4, wire.AuditReport(audited_units=2))
    await end(desk, subject)
    assert len(await swept(desk, timedelta(days=6))) == 1
    async with desk.world.ground.database.transaction(desk.me) as tx:
        await tx.conn.execute("UPDATE engine_audits SET build = '0.0.1/0'")
    assert len(await swept(desk, timedelta(minutes=30))) == 1
    assert (await swept(desk, timedelta(hours=2)))[0].run.message == f"audit: the engine was upgraded to {BUILD}"


@pytest.mark.parametrize("option", [b'audit = "never"', b'engine = "whole"'])
async def test_what_is_not_to_be_audited(desk: Desk, runner: Runner, option: bytes) -> None:
    stack = STACK.replace(b'engine = "auto"', option if b"engine" in option else b'engine = "auto"\n' + option)
    await cut(desk, runner, stack=stack)
    assert await swept(desk, timedelta(days=400)) == []


NOW = datetime(2026, 11, 24, tzinfo=UTC)


def test_why_an_audit_is_due() -> None:
    known = Known(NOW - timedelta(days=3), "b", "terraform 1.11.4", "terraform 1.11.4", NOW - timedelta(days=3), False)
    week = 7 * 86400
    assert why_due(known, week, "b", NOW) == ""
    assert why_due(known, week, "c", NOW) == "the engine was upgraded to c"
    assert why_due(known, None, "c", NOW) == ""
    assert why_due(known, 3 * 86400, "b", NOW) == "it is time"
    moved = Known(known.since, "b", "terraform 1.11.4", "terraform 1.12.0", known.tried_at, False)
    assert why_due(moved, week, "b", NOW) == "it runs on terraform 1.12.0 now"
    just = Known(NOW, "b", "terraform 1.11.4", "terraform 1.12.0", NOW - timedelta(minutes=59), False)
    assert why_due(just, 1, "c", NOW) == ""
    assert why_due(Known(known.since, "b", "", "", known.tried_at, True), 1, "c", NOW) == ""


def _change(*attributes: tuple[str, str, bool, bool], actions: tuple[str, ...] = ("update",)) -> dict[str, Any]:
    listed = [
        {"path": path, "before_json": '"kept"', "after_json": after, "after_unknown": unknown, "sensitive": secret}
        for path, after, unknown, secret in attributes
    ]
    return {"actions": list(actions), "attributes": listed}


def test_what_was_asked_for_before() -> None:
    one, two = _change(("a", '"1"', False, False)), _change(("a", '"2"', False, False))
    both = _change(("a", '"1"', False, False), ("b", "", True, False), actions=("create",))
    assert repeats(one, both)
    assert not repeats(two, both)
    assert not repeats(_change(("c", '"1"', False, False)), both)
    assert repeats(_change(("b", "", True, False)), both)
    assert not repeats(_change(("a", '"1"', False, True)), both)  # masked
    assert not repeats(_change(("a", '"kept"', False, False)), both)  # no change at all
    again = _change(("a", '"1"', False, False), ("b", "", True, False), actions=("delete", "create"))
    assert repeats(again, both)
    assert not repeats(_change(("a", '"2"', False, False), actions=("delete", "create")), both)
    assert not repeats(_change(("a", '"1"', False, False), actions=("create",)), both)
    assert not repeats(one, None)
    assert not repeats(None, both)
    assert not repeats(_change(("a", '"1"', False, False), actions=("delete",)), both)
