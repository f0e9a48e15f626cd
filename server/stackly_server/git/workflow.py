"""Takes up one delivery: scan, each change, each run. Its id is `push/<inbox uuid>`; starting it again is harmless."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from stackly_server.git.activities import PushActivities
    from stackly_server.git.push import Change, ChangeAt, Handled, PushRef, RunFor, Scan, Taken

T = TypeVar("T")

STEP = timedelta(minutes=15)  # a first fetch of a large repository
BEAT = timedelta(seconds=20)
RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2, maximum_interval=timedelta(minutes=1)
)
PATIENCE = timedelta(hours=6)  # a code host that is away for longer: the next push catches up
SCANS_MAX = 5
AT_ONCE = 8


@workflow.defn(name="PushWorkflow")
class PushWorkflow:
    """No step is lost: those that fail for want of a part are tried again, refusals are noted with the delivery."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(AT_ONCE)

    @workflow.run
    async def run(self, push: PushRef) -> str:
        """What came of the delivery."""
        try:
            outcome = await self._take_up(push)
        except ActivityError as error:
            outcome = f"failed: {_cause(error)}"
        await self._step(PushActivities.finish, Handled(push, outcome))
        return outcome

    async def _take_up(self, push: PushRef) -> str:
        for _ in range(SCANS_MAX):
            scan: Scan = await self._step(PushActivities.scan, push)
            if scan.outcome:
                return scan.outcome
            taken = await self._all(self._take(push, scan.head, change) for change in scan.changes)
            runs = [run for one in taken for run in one.runs]
            made = await self._all(self._step(PushActivities.start_run, run) for run in runs)
            if not any(one.stale for one in taken):
                return _outcome(scan, made)
        return "failed: the stacks were changed by others again and again"

    async def _take(self, push: PushRef, head: str, change: Change) -> Taken:
        taken: Taken = await self._step(PushActivities.take, ChangeAt(push, head, change))
        return taken

    async def _all(self, steps: Any) -> list[Any]:
        return list(await asyncio.gather(*(self._in_turn(step) for step in steps)))

    async def _in_turn(self, step: Coroutine[Any, Any, T]) -> T:
        async with self._room:
            return await step

    async def _step(self, activity: Any, argument: PushRef | ChangeAt | RunFor | Handled) -> Any:
        return await workflow.execute_activity_method(
            activity,
            argument,
            start_to_close_timeout=STEP,
            schedule_to_close_timeout=PATIENCE,
            heartbeat_timeout=BEAT,
            retry_policy=RETRY,
        )


def _outcome(scan: Scan, made: list[str]) -> str:
    if not scan.changes:
        return "no stack changed"
    refused = [name for name in made if name.startswith("none: ")]
    words = f"{len(scan.changes)} stacks changed, {len(made) - len(refused)} runs"
    return f"{words}; {len(refused)} refused ({refused[0]})" if refused else words


def _cause(error: ActivityError) -> str:
    cause = error.cause
    return f"{cause.type}: {cause.message}" if isinstance(cause, ApplicationError) else "a step did not end"
