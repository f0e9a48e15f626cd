"""A batch that is planned again while its run is applied: the server holds it to what was approved, whatever a runner says."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pytest

from server.runs.desk import Desk
from server.runs.test_units import APP, NET, Runner, end, record, refused
from stackly.worker.v1 import runner_service_pb2 as wire
from stackly_engine import exact, plans
from stackly_engine.plans import ProjectedPlan
from stackly_engine.projected_chain import PlannedUnit, project_chain
from stackly_server.access import Subject
from stackly_server.runs.model import Left, Outcome, Phase, Status
from stackly_server.runs.service import Shown

KEY = b"k" * 32
ADDRESS = "module.app.terraform_data.x"
UNKNOWN: dict[str, Any] = {"after": {"word": "visible"}, "after_unknown": {"input": True}}


@pytest.fixture
def runner(desk: Desk) -> Runner:
    return Runner(desk)


def planned(*changes: Mapping[str, Any], address: str = ADDRESS, secret: str = "") -> ProjectedPlan:
    """The plan of a batch that creates resources: by default one of which `input` is not known yet."""
    items = [
        {
            "address": address if at == 0 else f"{address}{at}", "module_address": address.rpartition(".terraform")[0],
            "mode": "managed", "type": "terraform_data", "name": "x", "provider_name": "terraform.io/builtin/terraform",
            "change": {"actions": ["create"], "before": None, **change},
        }
        for at, change in enumerate(changes or (UNKNOWN,))
    ]  # fmt: skip
    plan = {"format_version": "1.2", "resource_changes": items, "complete": True, "errored": False}
    return plans.project(exact.dumps(plan), KEY, [secret] if secret else [])


def chain() -> bytes:
    """What is approved: two units, each in a batch of its own."""
    app, net = planned(), planned(address="module.net.terraform_data.x")
    units = [PlannedUnit(APP, True, ("new",), 2, needs=(NET,)), PlannedUnit(NET, True, ("new",), 1)]
    owners = {ADDRESS: APP, "module.net.terraform_data.x": NET}
    return project_chain(units, [((NET,), net), ((APP,), app)], owners, exports={}).to_bytes()


async def applying(desk: Desk, runner: Runner) -> tuple[Shown, Subject]:
    run = await desk.create()
    planning = await desk.claim(run, Phase.PLAN)
    await runner.submit(planning, chain())
    await end(desk, planning)
    await desk.approve(run)
    subject = await desk.claim(run, Phase.APPLY)
    await runner.begin(subject, APP, NET)
    return run, subject


async def verify(runner: Runner, subject: Subject, plan: ProjectedPlan, *units: str, digest: str = "") -> None:
    data = plan.to_bytes()
    header = wire.VerifyPlanHeader(
        units=units or (APP,), projected_sha256=digest or hashlib.sha256(data).hexdigest()
    )  # fmt: skip

    async def stream() -> Any:
        yield wire.VerifyPlanRequest(header=header)
        yield wire.VerifyPlanRequest(projected=data[:100])
        yield wire.VerifyPlanRequest(projected=data[100:])

    await runner.servicer.VerifyPlan(stream(), subject)


def real(word: str = "visible", **more: Any) -> dict[str, Any]:
    return {"after": {"word": word, "input": "what came out"}, "after_unknown": {}, **more}


async def test_what_came_true_is_covered(desk: Desk, runner: Runner) -> None:
    run, subject = await applying(desk, runner)
    await verify(runner, subject, planned(real()))
    await verify(runner, subject, planned(real()))
    await verify(runner, subject, planned({**real(), "actions": ["no-op"]}))
    await runner.keep(subject, record(APP, 2), record(NET, 2))
    await end(desk, subject)
    assert await desk.status(run) is Status.APPLIED


LIES = {
    "another value": planned(real("other")),
    "one more resource": planned(real(), real()),
    "another address": planned(real(), address="module.app.terraform_data.y"),
    "a delete": planned({"actions": ["delete"], "before": {"word": "visible"}, "after": None, "after_unknown": {}}),
    "a known value that is hidden now": planned(real(), secret="visible"),
    "something of unknown kind": ProjectedPlan({**planned(real()).document, "other": {"actions": "0" * 64}}),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_a_lying_runner_is_refused(desk: Desk, runner: Runner, lie: ProjectedPlan) -> None:
    """It says that its plan is what was approved: it may not go on, nothing of the unit is taken, the run is not applied."""
    run, subject = await applying(desk, runner)
    await refused(verify(runner, subject, lie), "PLAN_NOT_COVERED")
    refusal = await refused(verify(runner, subject, lie), "PLAN_NOT_COVERED")
    assert "module.app" in refusal.message
    assert refusal.facts["units"] == APP
    await refused(runner.keep(subject, record(APP, 2)), "PLAN_NOT_COVERED")
    await runner.keep(subject, record(NET, 2))
    await refused(end(desk, subject), "VALIDATION_FAILED")
    other = desk.rooms.batches.finish(subject, Outcome.PARTIAL, None, [], 0, [Left(NET, "NOT_COVERED")])
    await refused(other, "VALIDATION_FAILED")
    await desk.rooms.batches.finish(subject, Outcome.PARTIAL, None, [], 0, [Left(APP, "NOT_COVERED")])
    assert await desk.status(run) is Status.PARTIALLY_APPLIED
    told = "SELECT count(*) FROM events WHERE type = 'run.not_covered' AND facts->>'units' = 'module.app'"
    assert await desk.count(told) == 1


async def test_units_that_were_no_batch_of_the_approved_plan_are_covered_by_nothing(desk: Desk, runner: Runner) -> None:
    _, subject = await applying(desk, runner)
    for units in ((APP, NET), (NET,)):
        await refused(verify(runner, subject, planned(real()), *units), "PLAN_NOT_COVERED")
    await refused(verify(runner, subject, planned(real()), "module.strange"), "VALIDATION_FAILED")


async def test_only_an_apply_that_has_begun_is_answered(desk: Desk, runner: Runner) -> None:
    run = await desk.create()
    planning = await desk.claim(run, Phase.PLAN)
    await runner.submit(planning, chain())
    await refused(verify(runner, planning, planned(real())), "VALIDATION_FAILED")
    await end(desk, planning)
    await desk.approve(run)
    subject = await desk.claim(run, Phase.APPLY)
    await refused(verify(runner, subject, planned(real())), "VALIDATION_FAILED")
    await runner.begin(subject, APP, NET)
    await refused(verify(runner, subject, planned(real()), digest="0" * 64), "VALIDATION_FAILED")
    await refused(verify(runner, subject, ProjectedPlan({"schema": 0})), "VALIDATION_FAILED")
    await refused(verify(runner, subject, ProjectedPlan({"schema": 1, "resource_changes": [{}]})), "VALIDATION_FAILED")
    await refused(verify(runner, subject, ProjectedPlan(json.loads(chain()))), "VALIDATION_FAILED")
    await verify(runner, subject, planned(real()))
    await desk.rooms.batches.reclaim(desk.worker, desk.ref(run, Phase.APPLY))
    await refused(verify(runner, subject, planned(real())), "LEASE_LOST")


async def test_a_plan_of_the_whole_root_is_never_made_again(desk: Desk, runner: Runner) -> None:
    subject = await runner.applying()
    await refused(verify(runner, subject, planned(real())), "VALIDATION_FAILED")


async def test_the_approved_projection_lies_sealed(desk: Desk, runner: Runner) -> None:
    run, _ = await applying(desk, runner)
    plan = await desk.rooms.runs.plan(desk.me, run.name)
    place = f"{plan.plan_blob}.projected"
    sealed = await desk.rooms.blobs.get(place)
    assert b"terraform_data" not in sealed
    assert await desk.world.ground.keys.open(desk.me.tenant, "plan", place, sealed) == chain()
