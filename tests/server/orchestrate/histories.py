"""Records the histories that `test_replay.py` replays: `python tests/server/orchestrate/histories.py` writes them anew.

A history that was recorded with a release stays as it is for as long as workflows of that release may be open; record anew
only when the order of a workflow's steps has changed on purpose, and none of the old ones can be open any more.
"""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from google.protobuf.duration_pb2 import Duration
from temporalio import activity
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from stackly.worker.v1 import tasks_pb2
from stackly_server.dev.home import open_home
from stackly_server.dev.part import bring_up
from stackly_server.dev.parts.temporal import Temporal
from stackly_server.dev.ports import free_ports
from stackly_server.git.activities import PushActivities
from stackly_server.git.push import Change, PushRef, RunFor, Scan, Taken
from stackly_server.git.workflow import PushWorkflow
from stackly_server.outside.temporal import CONTROL_QUEUE
from stackly_server.runs.activities import BatchInput, RunActivities, Settled
from stackly_server.runs.workflow import ApplyWorkflow, PlanWorkflow

FOLDER = Path(__file__).parent / "histories"
NAMESPACE, QUEUE, OWN = "s-recorded", "s-recorded.7736f5e3b59d", "s-recorded.w.1"
WORKFLOWS = (PushWorkflow, PlanWorkflow, ApplyWorkflow)
_NAMES = ("accounts/dev/stackStates/hello/runs/run-1", "01990000-0000-7000-8000-000000000001")
SUCCEEDED, FAILED, LOST = (
    tasks_pb2.BATCH_OUTCOME_SUCCEEDED, tasks_pb2.BATCH_OUTCOME_FAILED, tasks_pb2.BATCH_OUTCOME_LOST,
)  # fmt: skip


@dataclass
class Script:
    """What the parts do, one after the other: how each task of a batch ends (`lost`: its worker dies), what settling says."""

    tasks: Iterator["tasks_pb2.BatchOutcome | str"] = field(default_factory=lambda: iter(()))
    settled: Iterator[Settled] = field(default_factory=lambda: iter(()))
    pushes: Iterator[Any] = field(default_factory=lambda: iter(()))
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def next_task(self) -> "tasks_pb2.BatchOutcome":
        """Said by whoever plays the worker."""
        word = next(self.tasks)
        self.begun.set()
        if word == "waits":
            await asyncio.Event().wait()
        if isinstance(word, str):
            raise ApplicationError("the agent stops; the batch's runner works on", type=word)
        return word


class Settling:
    """Stands for the runs room."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def settle(self, _wanted: BatchInput) -> Settled:
        return next(self._script.settled)


class Pushes:
    """Stands for the git room."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def _next(self, _argument: object) -> Any:
        answer = next(self._script.pushes)
        if isinstance(answer, Exception):
            raise answer
        return answer

    scan = take = start_run = finish = _next


def worker_tasks(script: Script) -> list[Callable[..., Any]]:
    """The activities of a worker, by the names of `stackly.worker.v1.Tasks`."""

    @activity.defn(name="stackly.worker.v1.Tasks.PlanBatch")
    async def plan(_request: tasks_pb2.PlanBatchRequest) -> tasks_pb2.PlanBatchResponse:
        return tasks_pb2.PlanBatchResponse(outcome=await script.next_task())

    @activity.defn(name="stackly.worker.v1.Tasks.ApplyBatch")
    async def apply(_request: tasks_pb2.ApplyBatchRequest) -> tasks_pb2.ApplyBatchResponse:
        return tasks_pb2.ApplyBatchResponse(outcome=await script.next_task())

    @activity.defn(name="stackly.worker.v1.Tasks.AttachBatch")
    async def attach(_request: tasks_pb2.AttachBatchRequest) -> tasks_pb2.AttachBatchResponse:
        return tasks_pb2.AttachBatchResponse(outcome=await script.next_task())

    return [plan, apply, attach]


@dataclass(frozen=True)
class Recorder:
    """Runs workflows on a Temporal server and keeps what it wrote of them."""

    client: Client

    @asynccontextmanager
    async def begun(self, name: str, argument: object, script: Script) -> AsyncIterator[WorkflowHandle[Any, Any]]:
        """A workflow with the parts it talks to."""
        control = [*PushActivities(Pushes(script)).all, RunActivities(Settling(script)).settle]  # type: ignore[arg-type]
        workers = [Worker(self.client, task_queue=queue, activities=worker_tasks(script)) for queue in (QUEUE, OWN)]
        async with (
            Worker(self.client, task_queue=CONTROL_QUEUE, workflows=WORKFLOWS, activities=control),
            workers[0],
            workers[1],
        ):
            yield await self.client.start_workflow(
                name, argument, id=f"recorded/{name}", task_queue=CONTROL_QUEUE, run_timeout=timedelta(minutes=2)
            )

    async def record(self, file: str, name: str, argument: object, script: Script, *, cancel: bool = False) -> None:
        """To its end, into a file of the folder."""
        async with self.begun(name, argument, script) as handle:
            if cancel:
                await script.begun.wait()
                await handle.cancel()
            try:
                await handle.result()
            except Exception:
                if not cancel:
                    raise
            history = json.loads((await handle.fetch_history()).to_json())
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"{file}.json").write_text(json.dumps(_bare(history), indent=1, sort_keys=True) + "\n")


def _bare(found: Any) -> Any:
    """Without what says where it was recorded, and is of no use to a replay."""
    if isinstance(found, list):
        return [_bare(each) for each in found]
    if isinstance(found, dict):
        return {name: _bare(value) for name, value in found.items() if name not in {"stackTrace", "identity"}}
    return found


def _batch(phase: str, nonce: str = "n") -> BatchInput:
    return BatchInput("a", _NAMES[1], _NAMES[0], 1, "b1", phase, QUEUE, nonce, 60)


async def record_all(client: Client) -> None:
    """Every way that a workflow's steps may take."""
    recorder, done = Recorder(client), Settled("done")
    attach = Settled("attach", attach_queue=OWN)

    async def batch(file: str, phase: str, tasks: list[Any], settled: list[Settled], **more: Any) -> None:
        name, nonce = f"{phase.capitalize()}Workflow", more.pop("nonce", "n")
        script = Script(iter(tasks), iter(settled))
        await recorder.record(file, name, _batch(phase, nonce), script, **more)

    await batch("plan_ended_well", "PLAN", [SUCCEEDED], [])
    await batch("plan_failed", "PLAN", [FAILED], [])
    await batch("plan_made_again", "PLAN", ["AgentStopping", SUCCEEDED], [Settled("wait"), Settled("again", nonce="m")])
    await batch("plan_canceled", "PLAN", ["waits"], [], cancel=True)
    await batch("apply_ended_well", "APPLY", [SUCCEEDED], [])
    await batch("apply_lost_and_attached", "APPLY", ["AgentStopping", SUCCEEDED], [attach, done])
    await batch("apply_attach_lost_too", "APPLY", ["AgentStopping", "AgentStopping"], [attach, Settled("wait"), done])
    await batch("apply_reported_lost", "APPLY", [LOST], [done])
    await batch("apply_canceled", "APPLY", ["waits"], [], cancel=True)
    await batch("apply_taken_over", "APPLY", [SUCCEEDED], [attach, done], nonce="")
    push, change = PushRef("a", _NAMES[1]), Change("", "f", "d", 0)
    run = RunFor(push, "s", "c", auto_apply=True)
    ways: dict[str, list[Any]] = {
        "push_ended_well": [Scan("c", [change]), Taken(runs=[run]), _NAMES[0], None],
        "push_of_nothing": [Scan(outcome="no such repository"), None],
        "push_scanned_again": [Scan("c", [change]), Taken(stale=True), Scan("c", []), None],
        "push_refused": [ApplicationError("no", type="NOT_FOUND", non_retryable=True), None],
    }
    for file, answers in ways.items():
        await recorder.record(file, "PushWorkflow", push, Script(pushes=iter(answers)))


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="stackly-histories-") as folder:
        server = Temporal(open_home(Path(folder)), free_ports())
        bring_up(server)
        try:
            client = await Client.connect(server.address, namespace=NAMESPACE, identity="recorder")
            request = RegisterNamespaceRequest(
                namespace=NAMESPACE, workflow_execution_retention_period=Duration(seconds=86_400)
            )
            await client.workflow_service.register_namespace(request)
            await record_all(client)
        finally:
            server.stop()


if __name__ == "__main__":
    asyncio.run(main())
