"""The gate of releases: the workflows of today take the steps that were recorded, and call activities that somebody has."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from stackly.worker.v1 import tasks_pb2
from stackly_server.app import WORKFLOWS, activities
from stackly_server.runs import workflow as run_workflows
from stackly_server.runs.activities import BatchInput
from stackly_worker.agent.tasks import Tasks

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))


def history(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(f"recorded/{path.stem}", path.read_text())


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_a_recorded_history_is_replayed(path: Path) -> None:
    await Replayer(workflows=WORKFLOWS).replay_workflow(history(path))


def test_each_way_is_recorded() -> None:
    ways = {path.stem.partition("_")[2] for path in HISTORIES if path.stem.startswith("apply")}
    assert {"ended_well", "lost_and_attached", "canceled"} <= ways
    assert {path.stem.partition("_")[0] for path in HISTORIES} == {"plan", "apply", "push"}


@workflow.defn(name="ApplyWorkflow")
class OtherApply:
    """One that settles before it hands out: a step in another place."""

    @workflow.run
    async def run(self, batch: BatchInput) -> None:
        await run_workflows.ApplyWorkflow.run(self, replace(batch, nonce=""))  # type: ignore[arg-type]


async def test_a_step_in_another_place_is_noticed() -> None:
    """The gate itself: a planted change fails."""
    (path,) = (each for each in HISTORIES if each.stem == "apply_ended_well")
    with pytest.raises(workflow.NondeterminismError):
        await Replayer(workflows=[OtherApply], workflow_runner=UnsandboxedWorkflowRunner()).replay_workflow(
            history(path)
        )


def names(carried_out: Iterable[Any]) -> set[str]:
    """Under which a Temporal worker registers them."""
    defined = [activity._Definition.from_callable(each) for each in carried_out]
    return {str(each.name) for each in defined if each is not None}


def test_the_activities_that_workflows_call_are_those_that_are_registered() -> None:
    service: Any = None
    of_workers = names(Tasks(service).activities)
    of_control = names(activities(service, service))
    methods = tasks_pb2.DESCRIPTOR.services_by_name["Tasks"].methods
    assert of_workers == {method.full_name for method in methods}
    source = Path(run_workflows.__file__).read_text()
    assert set(re.findall(r'"(stackly\.worker\.v1\.Tasks\.\w+)"', source)) == of_workers
    assert {name for path in HISTORIES for name in called(path)} == of_workers | of_control


def called(path: Path) -> Iterator[str]:
    """The names of all activities of a history; local ones stand in markers of the SDK."""
    for event in history(path).events:
        if event.HasField("activity_task_scheduled_event_attributes"):
            yield event.activity_task_scheduled_event_attributes.activity_type.name
        if event.marker_recorded_event_attributes.marker_name == "core_local_activity":
            (said,) = event.marker_recorded_event_attributes.details["data"].payloads
            yield json.loads(said.data)["activity_type"]
