"""The run workflows: hand a batch to a worker, and see to it that it ends in SQL, whoever dies meanwhile.

They wait for no people and decide nothing: approvals, locks and what follows a batch are steps in SQL.
"""

from dataclasses import replace
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, CancelledError

with workflow.unsafe.imports_passed_through():
    from stackly.worker.v1 import tasks_pb2
    from stackly_server.runs.activities import BatchInput, RunActivities, Settled

_HEARTBEAT = timedelta(seconds=20)
_SETTLE = timedelta(seconds=30)
_ATTACH = timedelta(seconds=15)  # short of a lease: a worker that is gone is asked again until that is over
_PAUSE = timedelta(seconds=5)
_BREATH = timedelta(seconds=1)
_SLACK = timedelta(minutes=15)  # over the runner's own time limit: it stops first
_ONCE = RetryPolicy(maximum_attempts=1)
_CONTINUE_AFTER = 2000  # events of history
_REPORTED = frozenset({
    tasks_pb2.BATCH_OUTCOME_SUCCEEDED, tasks_pb2.BATCH_OUTCOME_FAILED, tasks_pb2.BATCH_OUTCOME_PARTIAL,
    tasks_pb2.BATCH_OUTCOME_STALE,
})  # fmt: skip


@workflow.defn(name="PlanWorkflow")
class PlanWorkflow:
    """Has a batch planned. A plan changes nothing, so a lost one is made again."""

    @workflow.run
    async def run(self, batch: BatchInput) -> None:
        """Ends when the batch has ended in SQL."""
        await _carry(batch, "stackly.worker.v1.Tasks.PlanBatch", tasks_pb2.BATCH_PHASE_PLAN)


@workflow.defn(name="ApplyWorkflow")
class ApplyWorkflow:
    """Has a batch applied. The task has one attempt; an apply that began is never begun again."""

    @workflow.run
    async def run(self, batch: BatchInput) -> None:
        """Ends when the batch has ended in SQL."""
        await _carry(batch, "stackly.worker.v1.Tasks.ApplyBatch", tasks_pb2.BATCH_PHASE_APPLY)


async def _carry(batch: BatchInput, task: str, phase: "tasks_pb2.BatchPhase") -> None:
    nonce, word = batch.nonce, "again" if batch.nonce else "look"
    while word != "done":
        if word == "again" and await _hand_out(batch, task, phase, nonce):
            return
        settled = await _settle(batch)
        word, nonce = settled.word, settled.nonce or nonce
        if word == "attach":
            await _attach(batch, phase, settled.attach_queue)
        if word != "done":
            await workflow.sleep(_PAUSE if word == "wait" else _BREATH)
        if workflow.info().get_current_history_length() > _CONTINUE_AFTER:
            workflow.continue_as_new(replace(batch, nonce=""))


async def _hand_out(batch: BatchInput, task: str, phase: "tasks_pb2.BatchPhase", nonce: str) -> bool:
    """Gives the task to a worker; True when its runner reported the end of the batch."""
    planning = phase == tasks_pb2.BATCH_PHASE_PLAN
    message = tasks_pb2.PlanBatchRequest if planning else tasks_pb2.ApplyBatchRequest
    answer = tasks_pb2.PlanBatchResponse if planning else tasks_pb2.ApplyBatchResponse
    try:
        ended = await workflow.execute_activity(
            task,
            message(batch=_ref(batch, phase), nonce=nonce, run=batch.run_name),
            task_queue=batch.task_queue,
            result_type=answer,
            start_to_close_timeout=timedelta(seconds=batch.timeout_seconds) + _SLACK,
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=_ONCE,
            cancellation_type=workflow.ActivityCancellationType.ABANDON,
        )
    except ActivityError as error:
        if isinstance(error.cause, CancelledError):
            raise
        return False
    return ended.outcome in _REPORTED


async def _settle(batch: BatchInput) -> Settled:
    return await workflow.execute_local_activity_method(
        RunActivities.settle, batch, start_to_close_timeout=_SETTLE,
        retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=_PAUSE),
    )  # fmt: skip


async def _attach(batch: BatchInput, phase: "tasks_pb2.BatchPhase", queue: str) -> None:
    """Asks the worker what became of its batch; no answer in time is no news."""
    try:
        await workflow.execute_activity(
            "stackly.worker.v1.Tasks.AttachBatch",
            tasks_pb2.AttachBatchRequest(batch=_ref(batch, phase), run=batch.run_name),
            task_queue=queue,
            result_type=tasks_pb2.AttachBatchResponse,
            schedule_to_start_timeout=_ATTACH,
            start_to_close_timeout=timedelta(seconds=batch.timeout_seconds) + _SLACK,
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=_ONCE,
        )
    except ActivityError as error:
        if isinstance(error.cause, CancelledError):
            raise
        workflow.logger.info("attach to batch did not answer", extra={"run": batch.run_name})


def _ref(batch: BatchInput, phase: "tasks_pb2.BatchPhase") -> tasks_pb2.BatchRef:
    return tasks_pb2.BatchRef(run_id=batch.run_id, plan_number=batch.plan_number, batch=batch.batch, phase=phase)
