"""The real runner process when things go wrong: failures, wishes to stop, a control plane that goes away."""

import asyncio
import json
import signal
from pathlib import Path

import pytest

from fakes.runner_service import RunnerFake, spec
from stackly.worker.v1 import tasks_pb2
from stackly_worker.runner.process import exited
from worker.agent.conftest import Runners
from worker.agent.processes import living
from worker.agent.slow import noted, slow_code

PLAN, APPLY = tasks_pb2.BATCH_PHASE_PLAN, tasks_pb2.BATCH_PHASE_APPLY
FAILED, GONE, SUCCEEDED = "BATCH_OUTCOME_FAILED", "BATCH_OUTCOME_GONE", "BATCH_OUTCOME_SUCCEEDED"


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


async def planned(runners: Runners, code: str, **facts: object) -> None:
    """The code is planned; the next runner applies it."""
    fake = runners.fake
    fake.files, fake.spec = {"main.tf": code}, spec(PLAN)
    assert await runners.run("plan") == 0, runners.said("plan")
    assert last(fake) == SUCCEEDED, fake.log.decode()
    fake.finished.clear()
    fake.spec = spec(APPLY, **facts)


def last(fake: RunnerFake) -> str:
    return tasks_pb2.BatchOutcome.Name(fake.finished[-1].outcome)


def resources(fake: RunnerFake) -> set[str]:
    return {item["name"] for item in json.loads(fake.state or b"{}")["resources"] if item["instances"]}


async def test_partial_failure_keeps_what_was_made(runners: Runners, fake: RunnerFake) -> None:
    bad = 'provisioner "local-exec" { command = "exit 3" }'
    code = f'resource "terraform_data" "good" {{}}\nresource "terraform_data" "bad" {{\n{bad}\n'
    await planned(runners, f"{code}  depends_on = [terraform_data.good]\n}}")
    assert await runners.run("apply") == 0, runners.said("apply")
    assert last(fake) == FAILED
    error = fake.finished[-1].error
    assert error.reason == "APPLY_FAILED"
    assert error.terraform_errors[0].address == "terraform_data.bad"
    assert error.terraform_errors[0].path == "main.tf"
    assert fake.finished[-1].exit_code == 1
    assert "good" in resources(fake)


async def test_plan_that_fails_says_why(runners: Runners, fake: RunnerFake) -> None:
    fake.files, fake.spec = {"main.tf": "output o { value = nothing.here }"}, spec(PLAN)
    assert await runners.run("plan") == 0
    assert last(fake) == FAILED
    assert fake.finished[-1].error.reason in {"PLAN_FAILED", "INIT_FAILED"}
    assert fake.finished[-1].error.terraform_errors
    assert not fake.plan


async def test_engine_that_is_not_here(runners: Runners, fake: RunnerFake) -> None:
    fake.spec = spec(PLAN, engine="terraform ~> 99.1")
    assert await runners.run("plan") == 0
    assert last(fake) == FAILED
    assert "~> 99.1" in fake.finished[-1].error.message


async def test_stop_is_one_interrupt_and_keeps_the_state(runners: Runners, fake: RunnerFake, ledger: Path) -> None:
    await planned(runners, slow_code(ledger, count=6))
    running = asyncio.create_task(runners.run("apply"))
    await fake.until(lambda fake: len(fake.states) >= 1)
    await fake.tell(stop=True)
    assert await running == 0
    assert last(fake) == GONE
    assert len(noted(ledger, "begin")) < 6
    assert b"nterrupt" in fake.log
    assert (runners.home / "batches/apply/apply/interrupted").exists()
    assert not living(runners.home)


async def test_force_kills_and_names_the_suspect(runners: Runners, fake: RunnerFake, ledger: Path) -> None:
    await planned(runners, slow_code(ledger, count=3, seconds=5))
    running = asyncio.create_task(runners.run("apply"))
    await fake.until(lambda fake: len(fake.states) >= 1 or b"Creating" in fake.log)
    await fake.tell(stop=True, force=True)
    assert await running == 0
    assert list(fake.finished[-1].suspects) == ["terraform_data.r0"]
    assert not living(runners.home)


async def test_time_limit_stops_the_apply(runners: Runners, fake: RunnerFake, ledger: Path) -> None:
    await planned(runners, slow_code(ledger, count=20), timeout_seconds=3)
    assert await runners.run("apply") == 0
    assert last(fake) == FAILED
    assert fake.finished[-1].error.reason == "TIMEOUT"


async def test_signal_to_the_runner_is_a_wish(runners: Runners, fake: RunnerFake, ledger: Path) -> None:
    await planned(runners, slow_code(ledger, count=6))
    process = runners.start("apply")
    await fake.until(lambda fake: len(fake.states) >= 1)
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(exited(process.pid), 60)
    assert process.wait() == 0
    assert last(fake) == GONE


async def test_outage_in_the_middle_of_an_apply(runners: Runners, fake: RunnerFake, ledger: Path) -> None:
    await planned(runners, slow_code(ledger, count=5))
    running = asyncio.create_task(runners.run("apply"))
    await fake.until(lambda fake: len(fake.states) >= 1)
    await runners.served.stop()
    before = len(fake.states)
    while len(noted(ledger, "end")) < 5:  # noqa: ASYNC110 - a file has no event
        await asyncio.sleep(0.05)
    assert len(fake.states) == before
    await runners.served.start()
    assert await running == 0, runners.said("apply")
    assert last(fake) == SUCCEEDED
    assert noted(ledger, "end") == [*"01234"]
    assert len(resources(fake)) == 5
    assert "Apply complete" in fake.log.decode()
    assert len(fake.finished) == 1


async def test_lost_lease_before_the_start_applies_nothing(runners: Runners, fake: RunnerFake, ledger: Path) -> None:
    await planned(runners, slow_code(ledger))
    fake.start_token = "0199e0a0-0000-7000-8000-000000000000"
    assert await runners.run("apply") == 1
    assert not noted(ledger, "begin")
    assert not fake.finished, "it is not this runner's to report"


async def test_lost_lease_in_the_middle_is_one_interrupt_and_hands_the_last_state_in(
    runners: Runners, fake: RunnerFake, ledger: Path
) -> None:
    await planned(runners, slow_code(ledger, count=6))
    running = asyncio.create_task(runners.run("apply"))
    await fake.until(lambda fake: len(fake.states) >= 1)
    before = bytes(fake.state or b"")
    await fake.tell(lost=True)
    assert await running == 1, "the batch is not this runner's any more"
    assert (runners.home / "batches/apply/apply/interrupted").exists()
    begun = noted(ledger, "begin")
    assert 1 <= len(begun) < 6, "nothing new was begun"
    assert fake.state == before, "a late state is not the current one"
    last = json.loads(fake.aside[-1])
    assert {item["name"] for item in last["resources"] if item["instances"]} == {f"r{number}" for number in begun}
    assert not fake.finished, "it is not this runner's to report"
    assert json.loads((runners.home / "batches/apply/outcome.json").read_text())["outcome"] == GONE


async def test_crash_between_start_and_terraform_is_salvaged(runners: Runners, fake: RunnerFake, ledger: Path) -> None:
    await planned(runners, slow_code(ledger))
    runners.environment = {"STACKLY_CRASH": "runner.apply.after_start"}
    assert await runners.run("apply") == -signal.SIGKILL
    assert fake.start_token
    runners.environment = {}
    assert await runners.run("apply", recover=True) == 0, runners.said("apply")
    assert last(fake) == "BATCH_OUTCOME_LOST"
    assert not fake.finished[-1].suspects
    assert not noted(ledger, "begin")


async def test_crash_after_the_report_repeats_it(runners: Runners, fake: RunnerFake, ledger: Path) -> None:
    await planned(runners, slow_code(ledger, count=1, seconds=0))
    runners.environment = {"STACKLY_CRASH": "runner.finish.after"}
    assert await runners.run("apply") == -signal.SIGKILL
    assert last(fake) == SUCCEEDED
    assert not (runners.home / "batches/apply/outcome.json").exists()


async def test_batch_of_another_is_left_alone(runners: Runners, fake: RunnerFake) -> None:
    fake.lost = True
    assert await runners.run("plan") == 1
    assert not fake.finished
    assert json.loads((runners.home / "batches/plan/outcome.json").read_text())["outcome"] == GONE
