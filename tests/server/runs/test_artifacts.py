"""What the code of a run is beyond its commit: bound once, sealed, given to whoever works for the run, covered by the digest."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from server.runs.desk import Desk, plan_json
from stackly_engine import plans
from stackly_server.access import Subject
from stackly_server.errors import StacklyError
from stackly_server.limits import ARTIFACT_BYTES
from stackly_server.runs.artifacts import ArtifactService
from stackly_server.runs.model import Outcome, Phase, RunType
from stackly_server.runs.submitted import SubmittedPlan

FETCHED = b"a module as it was"
Submit = Callable[[Subject, str], Awaitable[str]]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def artifacts(desk: Desk) -> ArtifactService:
    ground = desk.world.ground
    return ArtifactService(ground.database, ground.keys, desk.rooms.blobs, desk.rooms.batches)


@pytest.fixture
def submit(desk: Desk) -> Submit:
    async def made(runner: Subject, artifact: str) -> str:
        projected = plans.project(plan_json("one"), b"k" * 32).to_bytes()
        plan = SubmittedPlan(
            "terraform 1.11.4", "linux_amd64", "tree", 0, "", digest(projected), digest(b"plan"), projected, b"plan"
        )
        return await desk.rooms.batches.submit_plan(runner, replace(plan, artifact_sha256=artifact))

    return made


async def refused(call: Awaitable[object], reason: str) -> None:
    with pytest.raises(StacklyError) as refusal:
        await call
    assert refusal.value.reason == reason


async def bound(desk: Desk) -> list[str]:
    """Of each run, in their order."""
    async with desk.world.ground.database.read(desk.me.tenant) as conn:
        rows = await (await conn.execute("SELECT artifact_sha256 FROM runs ORDER BY number")).fetchall()
    return [str(row[0]) for row in rows]


async def test_a_run_is_bound_once_and_its_apply_reads_the_same(
    desk: Desk, artifacts: ArtifactService, submit: Submit
) -> None:
    run = await desk.create()
    planning = await desk.claim(run, Phase.PLAN)
    assert await artifacts.read(planning) == b""
    await artifacts.keep(planning, digest(FETCHED), FETCHED)
    await artifacts.keep(planning, digest(FETCHED), FETCHED)  # its answer was lost
    await refused(artifacts.keep(planning, digest(b"moved"), b"moved"), "CONCURRENT_CHANGE")
    await refused(submit(planning, ""), "VALIDATION_FAILED")
    with_it = await submit(planning, digest(FETCHED))
    await desk.rooms.batches.finish(planning, Outcome.SUCCEEDED, None, [], 0)
    await desk.approve(run)
    applying = await desk.claim(run, Phase.APPLY)
    assert await artifacts.read(applying) == FETCHED
    await refused(artifacts.keep(applying, digest(FETCHED), FETCHED), "VALIDATION_FAILED")
    other = await desk.create()
    without = await desk.submit(await desk.claim(other, Phase.PLAN), "one")
    assert with_it != without, "an approval is for the modules too"
    assert await bound(desk) == [digest(FETCHED), ""]


async def test_it_is_stored_once_and_sealed(desk: Desk, artifacts: ArtifactService) -> None:
    for _ in range(2):
        planning = await desk.claim(await desk.create(), Phase.PLAN)
        await artifacts.keep(planning, digest(FETCHED), FETCHED)
        assert await artifacts.read(planning) == FETCHED
    key = f"{desk.me.tenant}/sources/{digest(FETCHED)}"
    assert FETCHED not in await desk.rooms.blobs.get(key)


async def test_only_who_holds_the_plan_keeps_and_only_what_it_says(desk: Desk, artifacts: ArtifactService) -> None:
    run = await desk.create()
    planning = await desk.claim(run, Phase.PLAN)
    await refused(artifacts.keep(planning, digest(b"other"), FETCHED), "VALIDATION_FAILED")
    large = b"x" * (ARTIFACT_BYTES + 1)
    await refused(artifacts.keep(planning, digest(large), large), "LIMIT_EXCEEDED")
    await desk.rooms.batches.reclaim(desk.worker, desk.ref(run, Phase.PLAN))
    await refused(artifacts.keep(planning, digest(FETCHED), FETCHED), "LEASE_LOST")
    await refused(artifacts.read(planning), "LEASE_LOST")
    assert await bound(desk) == [""]


async def test_what_was_applied_is_destroyed_with_what_it_was_applied_from(
    desk: Desk, artifacts: ArtifactService, submit: Submit
) -> None:
    run = await desk.create()
    planning = await desk.claim(run, Phase.PLAN)
    await artifacts.keep(planning, digest(FETCHED), FETCHED)
    await submit(planning, digest(FETCHED))
    await desk.rooms.batches.finish(planning, Outcome.SUCCEEDED, None, [], 0)
    await desk.approve(run)
    await desk.apply(run)
    destroying = await desk.claim(await desk.create(RunType.DESTROY), Phase.PLAN)
    assert await artifacts.read(destroying) == FETCHED
    await refused(artifacts.keep(destroying, digest(b"moved"), b"moved"), "CONCURRENT_CHANGE")
    anew = await desk.claim(await desk.create(), Phase.PLAN)
    assert await artifacts.read(anew) == b"", "another apply resolves anew"
