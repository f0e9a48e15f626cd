"""A client stream that breaks: grpc.aio's client may lose what a server says early, and say INTERNAL instead.

The runner tries again, and acts on what it then hears: a lost lease, a wish to stop.
"""

import asyncio
import json
from hashlib import sha256

import pytest

from fakes.runner_service import TOKEN, RunnerFake, spec
from fakes.serving import Served
from stackly.worker.v1 import tasks_pb2
from stackly.worker.v1.runner_service_pb2_grpc import RunnerServiceStub
from stackly_worker import wire
from stackly_worker.runner.clock import SystemClock
from stackly_worker.runner.control import RunnerPlane
from stackly_worker.runner.ports import LeaseLostError
from stackly_worker.runner.shipping import insist
from stackly_worker.runner.statewatch import StateVersion
from worker.agent.conftest import Runners

PLAN, APPLY = tasks_pb2.BATCH_PHASE_PLAN, tasks_pb2.BATCH_PHASE_APPLY
CODE = {"main.tf": 'resource "terraform_data" "a" { input = 1 }'}
FOREVER, TRIES = 10_000, 2
LARGE, TURNS = 3_000_000, 20  # bytes: enough that a part is still under way when the refusal comes


def outcome(runners: Runners, folder: str) -> str:
    return str(json.loads((runners.home / "batches" / folder / "outcome.json").read_text())["outcome"])


async def test_early_refusal_of_a_large_stream_is_heard(served: Served) -> None:
    document = b"x" * LARGE
    version = StateVersion(document, 1, "lineage", sha256(document).hexdigest())
    channel = wire.open_channel(served.address, served.root)
    plane = RunnerPlane(RunnerServiceStub(channel), f"not-{TOKEN}", SystemClock())
    for _ in range(TURNS):  # each time the first try may or may not lose it
        with pytest.raises(LeaseLostError):
            await insist(lambda: plane.write_state(version, final=False), SystemClock(), patience=30)
    await channel.close()


async def test_lost_lease_is_heard_once_the_plan_gets_through(runners: Runners, fake: RunnerFake) -> None:
    fake.files, fake.breaks, fake.lost_after = CODE, TRIES, True
    assert await runners.run("plan") == 1
    assert (fake.breaks, fake.header) == (0, None)
    assert not fake.finished
    assert outcome(runners, "plan") == "BATCH_OUTCOME_GONE"


async def test_late_state_is_handed_in_once_it_gets_through(runners: Runners, fake: RunnerFake) -> None:
    fake.files = CODE
    assert await runners.run("plan") == 0, runners.said("plan")
    fake.finished.clear()
    fake.spec, fake.breaks, fake.lost_after = spec(APPLY), TRIES, True
    assert await runners.run("apply") == 1
    assert fake.breaks == 0
    assert json.loads(fake.aside[-1])["resources"][0]["name"] == "a"
    assert not fake.states
    assert not fake.finished, "it is not this runner's to report"
    assert outcome(runners, "apply") == "BATCH_OUTCOME_GONE"


@pytest.mark.parametrize("wish", ["stop", "lost"])
async def test_what_is_wished_counts_while_a_plan_does_not_get_through(
    runners: Runners, fake: RunnerFake, wish: str
) -> None:
    fake.files, fake.breaks = CODE, FOREVER
    running = asyncio.create_task(runners.run("plan"))
    await fake.until(lambda fake: fake.breaks <= FOREVER - TRIES)
    await fake.tell(**{wish: True})
    assert await asyncio.wait_for(running, 30) == (0 if wish == "stop" else 1)
    assert outcome(runners, "plan") == "BATCH_OUTCOME_GONE"
    assert len(fake.finished) == (1 if wish == "stop" else 0)
    assert fake.header is None, "no plan was handed in"


async def test_plan_that_gets_through_late_counts(runners: Runners, fake: RunnerFake) -> None:
    fake.files, fake.breaks = CODE, TRIES
    assert await runners.run("plan") == 0, runners.said("plan")
    assert outcome(runners, "plan") == "BATCH_OUTCOME_SUCCEEDED"
    assert fake.plan
