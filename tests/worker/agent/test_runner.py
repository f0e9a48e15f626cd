"""The real runner process with the real Terraform against a control plane over TLS."""

import asyncio
import json

from fakes.runner_service import RunnerFake, spec
from stackly.worker.v1 import tasks_pb2
from stackly_engine.plans import ProjectedPlan
from stackly_worker.runner.place import Place
from stackly_worker.runner.process import exited
from stackly_worker.runner.statewatch import whole
from worker.agent.conftest import Runners

PLAN, APPLY = tasks_pb2.BATCH_PHASE_PLAN, tasks_pb2.BATCH_PHASE_APPLY
CODE = """
variable "word" { sensitive = true }
resource "terraform_data" "a" { input = var.word }
output "o" {
  value     = terraform_data.a.output
  sensitive = true
}
"""
SECRET = "swordfish-42"


def outcomes(fake: RunnerFake) -> list[str]:
    return [tasks_pb2.BatchOutcome.Name(one.outcome) for one in fake.finished]


async def test_plan_then_apply(runners: Runners, fake: RunnerFake) -> None:
    facts = {"variables": {"word": json.dumps(SECRET)}, "sensitive_variables": ["word"]}
    fake.files, fake.spec = {"main.tf": CODE}, spec(PLAN, **facts)
    assert await runners.run("plan") == 0, runners.said("plan")
    assert outcomes(fake) == ["BATCH_OUTCOME_SUCCEEDED"], fake.log.decode()
    assert fake.header is not None
    assert fake.header.has_changes
    assert fake.header.engine.startswith("terraform ")
    assert ProjectedPlan.from_bytes(fake.projected).summary.add == 1

    fake.spec = spec(APPLY, **facts)
    assert await runners.run("apply") == 0, runners.said("apply")
    assert outcomes(fake) == ["BATCH_OUTCOME_SUCCEEDED"] * 2
    assert fake.state is not None
    version = whole(fake.state)
    assert version is not None
    assert SECRET in fake.state.decode()
    assert "Apply complete" in fake.log.decode()
    assert SECRET not in fake.log.decode()
    assert json.loads((runners.home / "batches/apply/outcome.json").read_text())["acknowledged"]


async def test_a_plan_that_waited_for_its_stack_is_made_on_the_state_of_then(
    runners: Runners, fake: RunnerFake
) -> None:
    """It asks for the state ahead; while another batch of the stack applies, that answer gets old."""
    fake.files = {"main.tf": 'resource "terraform_data" "a" {}\n'}
    fake.spec = spec(PLAN)
    assert await runners.run("first") == 0, runners.said("first")
    fake.spec = spec(APPLY)
    assert await runners.run("apply") == 0, runners.said("apply")
    written, fake.state, fake.states_asked = fake.state, None, 0
    async with Place(runners.home / "work/stack-1").locked():
        fake.spec = spec(PLAN)
        process = runners.start("second", ahead=("FetchState", "FetchSource"))
        await fake.until(lambda fake: fake.states_asked == 1)
        await fake.until(lambda fake: b"waits for its end" in fake.log)
        fake.state = written
    await asyncio.wait_for(exited(process.pid), 60)
    assert process.wait() == 0, runners.said("second")
    assert fake.header is not None
    assert (fake.header.state_serial, fake.header.has_changes) == (1, False)
