# Generated from aio/runs.py by protoc-gen-stackly-sdk; do not edit.
"""Runs: follow them, decide on them, wait for them."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from stackly_sdk._gen.blocking.logs import lines_of
from stackly_sdk._gen.blocking.pages import Pager, deferred
from stackly_sdk._gen.blocking.waiters import Approval, wait_for_run
from stackly_sdk.durations import Duration
from stackly_sdk.names import last_part, parent_of, run_name
from stackly_sdk.presence import there
from stackly_sdk.reaching import Until, short
from stackly_sdk.values import Json, Masked, output_values

if TYPE_CHECKING:
    from stackly_sdk._gen.clients.run_service import RunServiceClient
    from stackly_sdk._gen.stackly.v1 import (
        ExecutionGraph,
        GetExecutionGraphResponse,
        Plan,
        PlanSummary,
        ResourceChange,
        RunError,
        RunOutcome,
        RunStatus,
        RunStep,
    )
    from stackly_sdk._gen.stackly.v1 import Run as RunMessage
    from stackly_sdk._gen.blocking.client import Stackly


class Runs:
    """The runs of an account."""

    def __init__(self, client: "Stackly") -> None:
        self._client = client

    @cached_property
    def api(self) -> "RunServiceClient":
        """Every RPC of RunService."""
        from stackly_sdk._gen.clients.run_service import RunServiceClient

        return RunServiceClient(self._client.transport)

    def get(self, name: str) -> "Run":
        """Reads one, by `STACK/run-3`, `STACK/3` or its whole name."""
        account = "" if name.startswith("accounts/") else self._client.account()
        return self.wrap((self.api.get_run(name=run_name(name, account))).run)

    def list(
        self, stack: str = "-", *, status: "RunStatus | None" = None, commit: str = "", delivery_id: str = ""
    ) -> "Pager[Run]":
        """Lists the runs of a stack, newest first; `-`: of all stacks."""

        def make() -> "Pager[RunMessage]":
            from stackly_sdk._gen.stackly.v1 import RunStatus

            return self.api.list_runs(
                parent=self._client.name(stack, "stackStates"),
                status=status or RunStatus(0),
                to_commit=commit,
                delivery_id=delivery_id,
            )

        return deferred(make).map(self.wrap)

    def watch(self, stack: str = "-", *, resume_token: str = "") -> "Iterator[Run]":
        """Gives each run that changes, from now or from a token on; it resumes by itself and has no end."""
        parent = self._client.name(stack, "stackStates")
        for record in self.api.watch_runs(parent=parent, resume_token=resume_token):
            if record.run is not None:
                yield self.wrap(record.run)

    def wrap(self, message: "RunMessage | None") -> "Run":
        """The facade of a message."""
        return Run(self._client, there(message))


class Run:
    """One plan, apply or destroy of a stack. It is as last read: `refresh`, `wait` and each verb read it anew."""

    def __init__(self, client: "Stackly", message: "RunMessage") -> None:
        self._client = client
        self._message = message

    def __repr__(self) -> str:
        return f"<Run {self.id} {self.status.name}>"

    @property
    def raw(self) -> "RunMessage":
        """The message itself."""
        return self._message

    @property
    def name(self) -> str:
        return self._message.name

    @property
    def id(self) -> str:
        """`hello/run-3`."""
        return short(self._message)

    @property
    def stack_name(self) -> str:
        return parent_of(self._message.name)

    @property
    def stack_id(self) -> str:
        return last_part(self.stack_name)

    @property
    def status(self) -> "RunStatus":
        return self._message.status

    @property
    def done(self) -> bool:
        return self._message.done

    @property
    def outcome(self) -> "RunOutcome":
        return self._message.outcome

    @property
    def to_commit(self) -> str:
        """The commit that it plans."""
        return self._message.to_commit

    @property
    def error(self) -> "RunError | None":
        """Why it failed; None unless it did."""
        return self._message.error

    @property
    def plan_summary(self) -> "PlanSummary | None":
        """What the current plan would do, in numbers; None before it."""
        return self._message.plan_summary

    @property
    def plan_digest(self) -> str:
        """The digest of the current plan as last read; empty before it."""
        return self._message.plan_digest

    @property
    def plan(self) -> "Plan":
        """The current plan. Raises PlanNotReady before there is one."""
        return there((self._client.runs.api.get_plan(name=f"{self.name}/plan")).plan)

    @property
    def outputs(self) -> dict[str, Json | Masked]:
        """The outputs of the stack's newest state; sensitive ones masked."""
        return output_values((self._client.state(self.stack_name).outputs()).outputs)

    def changes(self, *, action: str = "") -> "Pager[ResourceChange]":
        """What the current plan would change, by address; `action` such as `delete` narrows it."""
        return self._client.runs.api.list_resource_changes(parent=self.name, action=action)

    def graph(self) -> "ExecutionGraph":
        """The units of its current plan as a graph: waves, chains, and where each unit is. Raises PlanNotReady before it."""
        return there((self.execution_graph()).graph)

    def execution_graph(self, *, draw: bool = False) -> "GetExecutionGraphResponse":
        """The graph, with `draw` as a picture too: a whole SVG document."""
        return self._client.runs.api.get_execution_graph(name=f"{self.name}/graph", draw=draw)

    def steps(self) -> "Pager[RunStep]":
        """Its tasks, and after each those of its units; while it goes on too."""
        return self._client.runs.api.list_run_steps(parent=self.name)

    def refresh(self) -> "Run":
        return self._take((self._client.runs.api.get_run(name=self.name)).run)

    def logs(self, *, follow: bool = True, offset: int = 0) -> Iterator[str]:
        """The log's lines from a byte on; follows it until the run ends, through cuts and restarts of the server."""
        return lines_of(self._client.runs.api.tail_run_logs(name=self.name, offset=offset, no_follow=not follow))

    def wait(
        self,
        until: Until = "done",
        timeout: Duration | None = None,  # noqa: ASYNC109
        *,
        approval: Approval = "raise",
    ) -> "Run":
        """Waits until it is there: `planned`, `waiting` (for people), `applying` or `done`. `timeout` is like `30m`.

        Raises RunFailed, RunDenied, RunCanceled or RunSuperseded when it ended otherwise, ApprovalRequired when it
        waits for people on its way (unless `approval="wait"`), WaitTimeout when the time is over. The run itself is
        never touched.
        """
        return self._take(
            wait_for_run(self._client.runs.api, self._message, until=until, timeout=timeout, approval=approval)
        )

    def approve(self, *, plan_digest: str = "", comment: str = "") -> "Run":
        """Approves a plan; by default the one of the run as last read. Raises PlanChanged when it is another now."""
        if not (digest := plan_digest or self.plan_digest):
            digest = (self.refresh()).plan_digest
        response = self._client.runs.api.approve_run(name=self.name, plan_digest=digest, comment=comment)
        return self._take(response.run)

    def reject(self, *, comment: str = "") -> "Run":
        """Rejects the current plan and ends the run."""
        return self._take((self._client.runs.api.reject_run(name=self.name, comment=comment)).run)

    def cancel(self, *, reason: str = "", force: bool = False) -> "Run":
        """Stops it in any phase. With `force` Terraform is killed when it does not stop within 60 seconds."""
        return self._take((self._client.runs.api.cancel_run(name=self.name, reason=reason, force=force)).run)

    def _take(self, message: "RunMessage | None") -> "Run":
        self._message = there(message)
        return self
