"""The real agent: joins through Envoy, polls Temporal through its front, runs batches, survives what kills it."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import grpc.aio
import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from fakes.authority import LOOPBACK, key_pem
from fakes.runner_service import TOKEN, RunnerFake, spec
from fakes.serving import Served
from fakes.worker_plane import JOIN_TOKEN, RegistryFake, TaskFake, register
from stackly.worker.v1 import tasks_pb2
from stackly_server.dev.parts.envoy import Envoy
from stackly_server.dev.parts.openbao import OpenBao
from stackly_server.dev.parts.temporal import Temporal
from stackly_worker.agent.identity import Certificate, IdentityStore, csr_of, new_key
from worker.agent.platform import AskWorkflow, AttachWorkflow, Surroundings
from worker.agent.processes import living, runner_pid, what_anybody_sees
from worker.agent.slow import noted, slow_code

PLAN, APPLY = tasks_pb2.BATCH_PHASE_PLAN, tasks_pb2.BATCH_PHASE_APPLY
NAMESPACE = "s-agent"


@pytest.fixture(scope="module")
async def direct(temporal: Temporal) -> Client:
    client = await Client.connect(temporal.address)
    request = RegisterNamespaceRequest(
        namespace=NAMESPACE, workflow_execution_retention_period=Duration(seconds=86_400)
    )
    await client.workflow_service.register_namespace(request)
    return client


@pytest.fixture
async def around(
    tmp_path: Path, envoy: Envoy, openbao: OpenBao, direct: Client
) -> AsyncIterator[Surroundings]:  # fmt: skip
    vault, ca = openbao.client("api"), envoy.ca.read_text()

    def sign(csr: str, spiffe: str, life: timedelta) -> str:
        seconds = f"{int(life.total_seconds())}s"
        data = vault.post("pki/sign/worker", csr=csr, uri_sans=spiffe, ttl=seconds)["data"]
        return str(data["certificate"]) + "\n"

    registry = RegistryFake(ca, sign, namespace=NAMESPACE, public_url=envoy.public_url)
    registry.temporal_address = envoy.front_address
    tasks = TaskFake(RunnerFake({}))
    key = new_key()
    signed = vault.post("pki/sign/server", csr=csr_of(key), ip_sans=LOOPBACK)["data"]
    chain = f"{signed['certificate']}\n".encode()
    own = Served(chain, key_pem(key), ca.encode(), lambda server: register(server, registry, tasks), mutual=True)
    await own.start()
    registry.worker_address = own.address
    public = grpc.aio.server()
    register(public, registry, tasks)
    public.add_insecure_port(f"unix:{envoy.settings.public.upstream_socket}")
    await public.start()
    around = Surroundings(tmp_path, registry, tasks, direct)
    control = Worker(
        around.client,
        task_queue="control",
        workflows=[AskWorkflow, AttachWorkflow],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    async with control:
        yield around
    around.close()
    await public.stop(None)
    await own.stop()


def outcomes(fake: RunnerFake) -> list[str]:
    return [tasks_pb2.BatchOutcome.Name(one.outcome) for one in fake.finished]


async def test_joins_proves_itself_and_plans(around: Surroundings) -> None:
    around.runner.files = {"main.tf": 'resource "terraform_data" "a" { input = 1 }'}
    agent = around.start()
    ended = await (await around.ask(PLAN))
    assert ended == "BATCH_OUTCOME_SUCCEEDED", around.said()
    assert around.registry.verified
    assert around.tasks.claims == ["n" * 32]
    assert around.runner.header is not None
    assert (around.home / "ready").read_text() == around.registry.worker.name
    assert (around.home / "identity/key.pem").stat().st_mode & 0o777 == 0o600
    assert not list(around.home.glob("batches/*/*/*/out")), "nothing unredacted stays"
    assert list(around.home.glob("batches/*/*/outcome.json"))
    assert await around.gone(agent, signal.SIGTERM) == 0, around.said()
    assert not around.registry.left, "a stopped agent comes back, it does not leave"


async def planned(around: Surroundings, code: str) -> None:
    """A saved plan of the code, made by the agent; the next batch is its apply."""
    around.runner.files, around.runner.spec = {"main.tf": code}, spec(PLAN)
    assert await (await around.ask(PLAN)) == "BATCH_OUTCOME_SUCCEEDED", around.said()
    around.runner.finished.clear()
    around.runner.spec = spec(APPLY)


async def test_killed_agent_attaches_again_and_loses_nothing(around: Surroundings) -> None:
    ledger = around.home / "ledger"
    agent = around.start()
    await planned(around, slow_code(ledger))
    apply = await around.ask(APPLY)
    await around.runner.until(lambda fake: len(fake.states) >= 1)
    await around.gone(agent, signal.SIGKILL)
    assert len(noted(ledger, "end")) < 4, "the kill came too late to show anything"
    around.start()
    assert await apply == "BATCH_OUTCOME_SUCCEEDED", around.said()
    assert noted(ledger, "begin") == noted(ledger, "end") == ["0", "1", "2", "3"], "each once"
    assert len(json.loads(around.runner.state or b"{}")["resources"]) == 4
    assert around.tasks.reclaims == 0
    assert around.registry.registered == 1, "its certificate was still good"


async def test_killed_runner_is_reported_as_lost_with_its_state(around: Surroundings) -> None:
    ledger = around.home / "ledger"
    around.start()
    await planned(around, slow_code(ledger, seconds=1))
    apply = await around.ask(APPLY)
    await around.runner.until(lambda fake: len(fake.states) >= 1)
    os.kill(runner_pid(around.home), signal.SIGKILL)
    assert await apply == "BATCH_OUTCOME_LOST", around.said()
    assert around.tasks.reclaims == 1
    report = around.runner.finished[-1]
    assert report.error.reason == "WORKER_LOST"
    state = json.loads(around.runner.state or b"{}")
    known = {f"{item['type']}.{item['name']}" for item in state["resources"] if item["instances"]}
    made = {f"terraform_data.r{number}" for number in noted(ledger, "begin")}
    assert made <= known | set(report.suspects)
    assert around.runner.states[-1].final
    assert not living(around.home), "nothing of the batch lives"


async def test_killed_with_its_terraform_names_the_suspects(around: Surroundings) -> None:
    ledger = around.home / "ledger"
    around.start()
    await planned(around, slow_code(ledger, seconds=1))
    apply = await around.ask(APPLY)
    await around.runner.until(lambda fake: len(fake.states) >= 1)
    for pid in living(around.home):
        os.kill(pid, signal.SIGKILL)
    assert await apply == "BATCH_OUTCOME_LOST", around.said()
    begun, ended = noted(ledger, "begin"), noted(ledger, "end")
    assert [*around.runner.finished[-1].suspects] == [f"terraform_data.r{n}" for n in begun if n not in ended]
    assert len(begun) == len(ended) + 1, "the kill fell in the middle of a resource"


async def test_stopped_runner_whose_batch_was_given_up_leaves_no_terraform(around: Surroundings) -> None:
    ledger = around.home / "ledger"
    around.start()
    await planned(around, slow_code(ledger, count=60, seconds=1))
    apply = await around.ask(APPLY)
    await around.runner.until(lambda fake: len(fake.states) >= 1)
    os.kill(runner_pid(around.home), signal.SIGSTOP)
    around.tasks.held, around.tasks.lease_over = False, True
    assert await apply == "BATCH_OUTCOME_GONE", around.said()
    assert not living(around.home), "nothing of the batch lives"
    assert len(noted(ledger, "begin")) < 60
    assert around.tasks.reclaims == 0


async def test_forgotten_worker_registers_again_with_its_key(around: Surroundings) -> None:
    around.start()
    await around.registry.until(lambda fake: bool(fake.heartbeats))
    async with around.registry.news:
        around.registry.unknown = True
        around.registry.news.notify_all()
    await around.registry.until(lambda fake: fake.registered == 2)
    assert len(set(around.registry.keys)) == 1
    around.runner.files = {"main.tf": 'resource "terraform_data" "a" {}'}
    assert await (await around.ask(PLAN)) == "BATCH_OUTCOME_SUCCEEDED", around.said()


async def test_worker_that_was_off_for_too_long_comes_back_by_its_key(around: Surroundings) -> None:
    around.registry.life = timedelta(seconds=5)
    agent = around.start()
    await around.registry.until(lambda fake: bool(fake.heartbeats))
    assert await around.gone(agent, signal.SIGTERM) == 0, around.said()
    certificate = Certificate((around.home / "identity/certificate.pem").read_bytes())
    assert certificate.opens_temporal
    while certificate.good_at(datetime.now(UTC)):  # noqa: ASYNC110 - time has no event
        await asyncio.sleep(0.1)
    around.registry.life = timedelta(hours=1)
    around.start()
    await around.registry.until(lambda fake: fake.registered == 2)
    assert len(set(around.registry.keys)) == 1
    around.runner.files = {"main.tf": 'resource "terraform_data" "a" {}'}
    assert await (await around.ask(PLAN)) == "BATCH_OUTCOME_SUCCEEDED", around.said()


async def test_worker_that_died_before_its_second_certificate_gets_it(around: Surroundings) -> None:
    agent = around.start()
    await around.registry.until(lambda fake: bool(fake.heartbeats))
    assert await around.gone(agent, signal.SIGTERM) == 0, around.said()
    chain = around.registry.sign(
        IdentityStore(around.home / "identity").csr(),
        f"spiffe://stackly.local/accounts/{around.registry.account}/pending/workers/{around.registry.uid}",
        timedelta(hours=1),
    )
    (around.home / "identity/certificate.pem").write_text(chain)
    around.start()
    around.runner.files = {"main.tf": 'resource "terraform_data" "a" {}'}
    assert await (await around.ask(PLAN)) == "BATCH_OUTCOME_SUCCEEDED", around.said()
    assert Certificate((around.home / "identity/certificate.pem").read_bytes()).opens_temporal


async def test_certificate_is_renewed_in_time(around: Surroundings) -> None:
    around.registry.life = timedelta(seconds=20)
    agent = around.start()
    await around.registry.until(lambda fake: fake.rotated >= 2)
    around.runner.files = {"main.tf": 'resource "terraform_data" "a" {}'}
    assert await (await around.ask(PLAN)) == "BATCH_OUTCOME_SUCCEEDED", around.said()
    assert around.registry.registered == 1
    assert agent.poll() is None


async def test_obeys_queues_and_drain(around: Surroundings) -> None:
    agent = around.start()
    await around.registry.until(lambda fake: bool(fake.heartbeats))
    await around.registry.direct(task_queues=[f"{NAMESPACE}.other"])
    await around.registry.until(lambda fake: fake.heartbeats[-1].acknowledged == fake.directives.sequence)
    around.registry.queue = f"{NAMESPACE}.other"
    around.runner.files = {"main.tf": 'resource "terraform_data" "a" {}'}
    assert await (await around.ask(PLAN)) == "BATCH_OUTCOME_SUCCEEDED", around.said()
    await around.registry.direct(drain=True)
    assert await around.ended(agent) == 0, around.said()
    assert around.registry.left == ["drained"]


async def test_draining_worker_ends_its_batch_and_stays_known(around: Surroundings) -> None:
    ledger = around.home / "ledger"
    agent = around.start(STACKLY_WORKER_DRAIN_SECONDS="0")
    await planned(around, slow_code(ledger))
    apply = await around.ask(APPLY)
    await around.runner.until(lambda fake: len(fake.states) >= 1)
    await around.registry.direct(drain=True)
    await around.registry.until(lambda fake: fake.heartbeats[-1].acknowledged == fake.directives.sequence)
    assert around.registry.heartbeats[-1].running_runs == ["accounts/a/runs/run-1"]
    assert agent.poll() is None
    assert await apply == "BATCH_OUTCOME_SUCCEEDED", around.said()
    assert await around.ended(agent) == 0, around.said()
    assert around.registry.left == ["drained"]


async def test_secrets_are_in_no_process_table(around: Surroundings) -> None:
    ledger = around.home / "ledger"
    around.start()
    await planned(around, slow_code(ledger, count=2, seconds=1))
    apply = await around.ask(APPLY)
    await around.runner.until(lambda fake: len(fake.states) >= 1)
    seen = what_anybody_sees()
    assert any(b"stackly_worker\0runner" in text for text in seen), "the search sees the runner"
    for secret in (TOKEN, JOIN_TOKEN):
        assert not any(secret.encode() in text for text in seen)
    assert await apply == "BATCH_OUTCOME_SUCCEEDED", around.said()


async def test_stopped_agent_leaves_its_runner_alone(around: Surroundings) -> None:
    ledger = around.home / "ledger"
    agent = around.start(STACKLY_WORKER_DRAIN_SECONDS="0.2")
    await planned(around, slow_code(ledger, seconds=1))
    apply = await around.ask(APPLY)
    await around.runner.until(lambda fake: len(fake.states) >= 1)
    assert await around.gone(agent, signal.SIGTERM) == 0, around.said()
    assert living(around.home), "the runner works on"
    around.start()
    assert await apply == "BATCH_OUTCOME_SUCCEEDED", around.said()
    assert noted(ledger, "begin") == [*"0123"]


async def test_wrong_pin_sends_no_token(around: Surroundings) -> None:
    path = around.join_file()
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, "ca_pin": "sha256:" + "0" * 64}))
    agent = around.start(join_file=path)
    assert await around.ended(agent) == 1
    assert "somebody is in between" in around.said()
    assert around.registry.registered == 0


async def test_spent_token_of_another_says_what_to_do(around: Surroundings) -> None:
    around.registry.keys.append(b"another worker's")
    agent = around.start()
    assert await around.ended(agent) == 1
    assert "Make a new join token" in around.said()
    assert JOIN_TOKEN not in around.said()


async def test_agent_that_dies_between_claim_and_runner_loses_nothing(around: Surroundings) -> None:
    ledger = around.home / "ledger"
    first = around.start()
    await planned(around, slow_code(ledger))
    await around.gone(first, signal.SIGTERM)
    crashing = around.start(STACKLY_CRASH="agent.batch.claimed")
    apply = await around.ask(APPLY)
    assert await around.ended(crashing) == -signal.SIGKILL
    around.start()
    assert await apply == "BATCH_OUTCOME_LOST", around.said()
    assert not noted(ledger, "begin")
    assert not around.runner.finished[-1].suspects


async def test_agent_that_dies_right_after_it_gave_the_task_finds_it_done(around: Surroundings) -> None:
    ledger = around.home / "ledger"
    first = around.start()
    await planned(around, slow_code(ledger))
    await around.gone(first, signal.SIGTERM)
    crashing = around.start(STACKLY_CRASH="agent.batch.given")
    apply = await around.ask(APPLY)
    assert await around.ended(crashing) == -signal.SIGKILL
    around.start()
    assert await apply == "BATCH_OUTCOME_SUCCEEDED", around.said()
    assert noted(ledger, "begin") == [*"0123"]


async def test_signal_ends_a_worker_that_still_waits_for_its_server(around: Surroundings) -> None:
    path = around.join_file()
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, "server": "https://127.0.0.1:9"}))
    agent = around.start(join_file=path)
    while "settings" not in around.said():  # noqa: ASYNC110 - a file has no event
        await asyncio.sleep(0.05)
    assert await around.gone(agent, signal.SIGTERM) in {0, -signal.SIGTERM}


@pytest.mark.parametrize(
    ("point", "ended", "made"),
    [
        ("runner.apply.before_start", "BATCH_OUTCOME_LOST", 0),
        ("runner.apply.after_start", "BATCH_OUTCOME_LOST", 0),
        ("runner.finish.before", "BATCH_OUTCOME_LOST", 2),
        ("runner.finish.after", "BATCH_OUTCOME_SUCCEEDED", 2),
    ],
)
async def test_runner_that_dies_at_a_named_point(around: Surroundings, point: str, ended: str, made: int) -> None:
    ledger = around.home / "ledger"
    first = around.start()
    await planned(around, slow_code(ledger, count=2, seconds=0))
    await around.gone(first, signal.SIGTERM)
    around.start(STACKLY_CRASH=point)
    assert await (await around.ask(APPLY)) == ended, around.said()
    assert len(noted(ledger, "begin")) == len(noted(ledger, "end")) == made, "nothing twice"
    assert len(around.runner.finished) == 1
    assert not around.runner.finished[-1].suspects
    kept = json.loads(around.runner.state or b'{"resources": []}')["resources"]
    assert len(kept) == made, "nothing lost"


async def test_batch_that_was_never_here_is_gone(around: Surroundings) -> None:
    around.start()
    await around.registry.until(lambda fake: bool(fake.heartbeats))
    around.tasks.held = False
    assert await (await around.attach()) == "BATCH_OUTCOME_GONE", around.said()
