"""The agent's surroundings: real Envoy, OpenBao and Temporal, a control plane in memory, a workflow that asks for batches."""

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
import uuid
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from temporalio import workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from fakes.runner_service import RunnerFake
    from fakes.worker_plane import JOIN_TOKEN, RegistryFake, TaskFake
    from stackly.worker.v1 import tasks_pb2
    from stackly_server.outside.codec import Context, SealingCodec
    from stackly_server.sealing import DataKey
    from stackly_worker.runner.process import exited

PLAN = "stackly.worker.v1.Tasks.PlanBatch"
APPLY = "stackly.worker.v1.Tasks.ApplyBatch"
ATTACH = "stackly.worker.v1.Tasks.AttachBatch"
_RUN = "accounts/a/runs/run-1"
_LONG, _BEAT = timedelta(minutes=5), timedelta(seconds=6)
_ONCE = RetryPolicy(maximum_attempts=1)


@dataclass
class Asked:
    """What the workflow asks for: a phase on a queue, and where to ask again."""

    phase: int
    queue: str
    own_queue: str


@workflow.defn
class AskWorkflow:
    """The control plane's way with a batch: one attempt, then `AttachBatch` on the worker's own queue."""

    @workflow.run
    async def run(self, asked: Asked) -> str:
        batch = tasks_pb2.BatchRef(run_id="0199", plan_number=1, batch="b1", phase=asked.phase)  # type: ignore[arg-type]
        applies = asked.phase == tasks_pb2.BATCH_PHASE_APPLY
        message = tasks_pb2.ApplyBatchRequest if applies else tasks_pb2.PlanBatchRequest
        answer = tasks_pb2.ApplyBatchResponse if applies else tasks_pb2.PlanBatchResponse
        try:
            ended = await workflow.execute_activity(
                APPLY if applies else PLAN, message(batch=batch, nonce="n" * 32, run=_RUN), task_queue=asked.queue,
                result_type=answer, retry_policy=_ONCE, start_to_close_timeout=_LONG, heartbeat_timeout=_BEAT,
            )  # fmt: skip
        except ActivityError:
            ended = await workflow.execute_activity(
                ATTACH, tasks_pb2.AttachBatchRequest(batch=batch, run=_RUN), task_queue=asked.own_queue,
                result_type=tasks_pb2.AttachBatchResponse, start_to_close_timeout=_LONG, heartbeat_timeout=_BEAT,
            )  # fmt: skip
        return tasks_pb2.BatchOutcome.Name(ended.outcome)


@workflow.defn
class AttachWorkflow:
    """Asks a worker what became of a batch."""

    @workflow.run
    async def run(self, queue: str) -> str:
        batch = tasks_pb2.BatchRef(run_id="0198", plan_number=1, batch="b1", phase=tasks_pb2.BATCH_PHASE_APPLY)
        ended = await workflow.execute_activity(
            ATTACH, tasks_pb2.AttachBatchRequest(batch=batch, run=_RUN), task_queue=queue,
            result_type=tasks_pb2.AttachBatchResponse, start_to_close_timeout=_LONG, heartbeat_timeout=_BEAT,
            retry_policy=_ONCE,
        )  # fmt: skip
        return tasks_pb2.BatchOutcome.Name(ended.outcome)


@dataclass(frozen=True)
class _Keys:
    key: bytes

    async def all(self, account_id: UUID, purpose: str) -> list[DataKey]:
        return [DataKey(account_id, purpose, 1, self.key)]


@dataclass
class Surroundings:
    """One agent's home and the control plane it knows."""

    home: Path
    registry: RegistryFake
    tasks: TaskFake
    direct: Client
    agents: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def runner(self) -> RunnerFake:
        return self.tasks.runner

    @property
    def client(self) -> Client:
        """Temporal as the control plane sees it: past the front, sealed by the server's own codec."""
        registry = self.registry
        codec = SealingCodec(
            _Keys(self.tasks.key), UUID(registry.account), Context(registry.account, registry.namespace)
        )
        converter = replace(
            DataConverter.default,
            payload_codec=codec,
            failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
        )
        return Client(self.direct.service_client, namespace=registry.namespace, data_converter=converter)

    def join_file(self) -> Path:
        root = x509.load_pem_x509_certificates(self.registry.ca.encode())[0]
        spki = root.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        pin = f"sha256:{hashlib.sha256(spki).hexdigest()}"
        path = self.home / "join.json"
        path.write_text(json.dumps({"server": self.registry.public_url, "ca_pin": pin, "token": JOIN_TOKEN}))
        return path

    def start(self, join_file: Path | None = None, **environment: str) -> "subprocess.Popen[bytes]":
        """`stackly-worker run`, with output in agent.log."""
        log = (self.home / "agent.log").open("ab")
        argv = [sys.executable, "-m", "stackly_worker", "run", "--join-token-file", str(join_file or self.join_file()),
                "--home", str(self.home), "--label", "zone=eu", "--ready-file", str(self.home / "ready")]  # fmt: skip
        process = subprocess.Popen(
            argv, env={"PATH": os.environ["PATH"]} | environment, stdout=log, stderr=log, start_new_session=True
        )
        log.close()
        self.agents.append(process)
        return process

    async def ask(self, phase: tasks_pb2.BatchPhase) -> "asyncio.Task[str]":
        registry = self.registry
        asked = Asked(phase, registry.queue, f"{registry.namespace}.w.{registry.uid}")
        handle = await self.client.start_workflow(
            AskWorkflow.run, asked, id=f"ask-{uuid.uuid4()}", task_queue="control",
            execution_timeout=timedelta(seconds=60),
        )  # fmt: skip
        return asyncio.create_task(handle.result())

    async def attach(self) -> "asyncio.Task[str]":
        queue = f"{self.registry.namespace}.w.{self.registry.uid}"
        handle = await self.client.start_workflow(
            AttachWorkflow.run, queue, id=f"attach-{uuid.uuid4()}", task_queue="control",
            execution_timeout=timedelta(seconds=60),
        )  # fmt: skip
        return asyncio.create_task(handle.result())

    def said(self) -> str:
        return (self.home / "agent.log").read_text()

    async def gone(self, process: "subprocess.Popen[bytes]", number: signal.Signals) -> int:
        process.send_signal(number)
        return await self.ended(process)

    async def ended(self, process: "subprocess.Popen[bytes]") -> int:
        await asyncio.wait_for(exited(process.pid), 60)
        return process.wait()

    def close(self) -> None:
        for process in self.agents:
            if process.poll() is None:
                process.kill()
                process.wait()
        for note in self.home.glob("batches/*/*/runner.json"):
            pid = json.loads(note.read_text())["pid"]
            if Path(f"/proc/{pid}/cmdline").exists() and b"stackly_worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
