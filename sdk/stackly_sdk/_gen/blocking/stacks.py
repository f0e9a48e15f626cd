# Generated from aio/stacks.py by protoc-gen-stackly-sdk; do not edit.
"""Stacks: deployed instances of code, which the wire calls stack states."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from stackly_sdk._gen.blocking.pages import Pager, deferred
from stackly_sdk._gen.blocking.states import State
from stackly_sdk.names import last_part
from stackly_sdk.presence import there
from stackly_sdk.values import Json, Masked, Secret, output_values, run_variables, stack_variables

if TYPE_CHECKING:
    from stackly_sdk._gen.clients.stack_service import StackServiceClient
    from stackly_sdk._gen.stackly.v1 import (
        ExecutionGraph,
        GetExecutionGraphResponse,
        RunType,
        StackState,
        StackStateStatus,
    )
    from stackly_sdk._gen.blocking.client import Stackly
    from stackly_sdk._gen.blocking.runs import Run

Variables = Mapping[str, Json | Secret]


class Stacks:
    """The stacks of an account."""

    def __init__(self, client: "Stackly") -> None:
        self._client = client

    @cached_property
    def api(self) -> "StackServiceClient":
        """Every RPC of StackService."""
        from stackly_sdk._gen.clients.stack_service import StackServiceClient

        return StackServiceClient(self._client.transport)

    def get(self, stack: str) -> "Stack":
        """Reads one, by its id or name."""
        name = self._client.name(stack, "stackStates")
        return self.wrap((self.api.get_stack_state(name=name)).stack_state)

    def list(self, *, code: str = "", show_deleted: bool = False) -> "Pager[Stack]":
        """Lists them by name; `code`: only those of that stack code."""

        def make() -> "Pager[StackState]":
            return self.api.list_stack_states(
                parent=self._client.account(),
                stack_code=self._client.name(code, "stackCodes") if code else "",
                show_deleted=show_deleted,
            )

        return deferred(make).map(self.wrap)

    def create(
        self,
        stack: str,
        *,
        code: str,
        namespace: str = "",
        labels: Mapping[str, str] | None = None,
        variables: Variables | None = None,
        auto_deploy: bool | None = None,
    ) -> "Stack":
        """Makes a stack of a registered stack code. Starts no run."""
        from stackly_sdk._gen.stackly.v1 import StackState

        message = StackState(
            stack_code=self._client.name(code, "stackCodes"),
            namespace=self._client.name(namespace, "namespaces") if namespace else "",
            labels=dict(labels or {}),
            variables=stack_variables(variables),
            auto_deploy=auto_deploy,
        )
        response = self.api.create_stack_state(
            parent=self._client.account(), stack_state_id=stack, stack_state=message
        )
        return self.wrap(response.stack_state)

    def wrap(self, message: "StackState | None") -> "Stack":
        """The facade of a message."""
        return Stack(self._client, there(message))


class Stack:
    """One stack, as last read: `refresh` and each verb that changes it read it anew."""

    def __init__(self, client: "Stackly", message: "StackState") -> None:
        self._client = client
        self._message = message

    def __repr__(self) -> str:
        return f"<Stack {self.id} {self.status.name}>"

    @property
    def raw(self) -> "StackState":
        """The message itself."""
        return self._message

    @property
    def name(self) -> str:
        return self._message.name

    @property
    def id(self) -> str:
        return last_part(self._message.name)

    @property
    def status(self) -> "StackStateStatus":
        return self._message.status

    @property
    def state(self) -> State:
        """Its Terraform state."""
        return self._client.state(self.name)

    def refresh(self) -> "Stack":
        return self._take((self._client.stacks.api.get_stack_state(name=self.name)).stack_state)

    def deploy(
        self,
        commit: str = "",
        *,
        message: str = "",
        auto_apply: bool = False,
        variables: Variables | None = None,
    ) -> "Run":
        """Starts a run that plans and, once approved, applies. `commit` is its hash; by default the desired one."""
        from stackly_sdk._gen.stackly.v1 import RunType

        return self._run(RunType.APPLY, commit, message, variables, auto_apply=auto_apply)

    def plan(self, commit: str = "", *, message: str = "", variables: Variables | None = None) -> "Run":
        """Starts a run that only plans."""
        from stackly_sdk._gen.stackly.v1 import RunType

        return self._run(RunType.PLAN_ONLY, commit, message, variables, auto_apply=False)

    def audit(self, *, message: str = "") -> "Run":
        """Starts a run that audits the engine at the applied commit; `plan.audit` of it says what it found."""
        from stackly_sdk._gen.stackly.v1 import RunType

        return self._run(RunType.AUDIT, "", message, None, auto_apply=False)

    def destroy(self, *, message: str = "", etag: str = "") -> "Run":
        """Starts a run that destroys all its resources; it asks for approval like any other."""
        response = self._client.stacks.api.destroy_stack_state(name=self.name, message=message, etag=etag)
        return self._client.runs.wrap(response.run)

    def outputs(self, *, include_sensitive: bool = False) -> dict[str, Json | Masked]:
        """The outputs of its newest state by name. Sensitive ones are `MASKED` unless asked for, which is audited."""
        found = self.state.outputs(include_sensitive=include_sensitive)
        return output_values(found.outputs)

    def graph(self, commit: str = "") -> "ExecutionGraph":
        """The units of its newest plan as a graph; of a commit when one is given. Raises PlanNotReady when there is none."""
        return there((self.execution_graph(commit)).graph)

    def execution_graph(self, commit: str = "", *, draw: bool = False) -> "GetExecutionGraphResponse":
        """The graph, with `draw` as a picture too: a whole SVG document."""
        name = f"{self.name}/runs/latest/graph"
        return self._client.runs.api.get_execution_graph(name=name, commit=commit, draw=draw)

    def runs(self) -> "Pager[Run]":
        """Its runs, newest first."""
        return self._client.runs.list(self.name)

    def update(
        self,
        *,
        labels: Mapping[str, str] | None = None,
        variables: Variables | None = None,
        remove_variables: tuple[str, ...] = (),
        auto_deploy: bool | None = None,
        engine_suspended: bool | None = None,
        etag: str = "",
    ) -> "Stack":
        """Changes what is given and nothing else; labels are replaced, variables are added. Starts no run.

        `engine_suspended`: its runs are whole, though its code says `engine = "auto"`.
        """
        from stackly_sdk._gen.stackly.v1 import StackState, Variable

        values = {**stack_variables(variables), **{name: Variable() for name in remove_variables}}
        mask = [
            field
            for field, given in (
                ("labels", labels is not None),
                ("variables", bool(values)),
                ("auto_deploy", auto_deploy is not None),
                ("engine_suspended", engine_suspended is not None),
            )
            if given
        ]
        message = StackState(
            name=self.name, etag=etag, labels=dict(labels or {}), variables=values, auto_deploy=auto_deploy,
            engine_suspended=engine_suspended,
        )  # fmt: skip
        response = self._client.stacks.api.update_stack_state(stack_state=message, update_mask=mask)
        return self._take(response.stack_state)

    def delete(self, *, force: bool = False, etag: str = "") -> "Stack":
        """Deletes it; with `force` also while it holds resources, which then live on unmanaged."""
        response = self._client.stacks.api.delete_stack_state(name=self.name, force=force, etag=etag)
        return self._take(response.stack_state)

    def undelete(self) -> "Stack":
        return self._take((self._client.stacks.api.undelete_stack_state(name=self.name)).stack_state)

    def _run(
        self, kind: "RunType", commit: str, message: str, variables: Variables | None, *, auto_apply: bool
    ) -> "Run":
        from stackly_sdk._gen.stackly.v1 import Run

        asked = Run(
            type=kind, to_commit=commit, message=message, auto_apply=auto_apply, variables=run_variables(variables)
        )
        response = self._client.runs.api.create_run(parent=self.name, run=asked)
        return self._client.runs.wrap(response.run)

    def _take(self, message: "StackState | None") -> "Stack":
        self._message = there(message)
        return self
