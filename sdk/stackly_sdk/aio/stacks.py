"""Stacks: deployed instances of code, which the wire calls stack states."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from stackly_sdk.aio.pages import AsyncPager, deferred
from stackly_sdk.aio.states import AsyncState
from stackly_sdk.names import last_part
from stackly_sdk.presence import there
from stackly_sdk.values import Json, Masked, Secret, output_values, run_variables, stack_variables

if TYPE_CHECKING:
    from stackly_sdk._gen.clients.stack_service import AsyncStackServiceClient
    from stackly_sdk._gen.stackly.v1 import (
        ExecutionGraph,
        GetExecutionGraphResponse,
        RunType,
        StackState,
        StackStateStatus,
    )
    from stackly_sdk.aio.client import AsyncStackly
    from stackly_sdk.aio.runs import AsyncRun

Variables = Mapping[str, Json | Secret]


class AsyncStacks:
    """The stacks of an account."""

    def __init__(self, client: "AsyncStackly") -> None:
        self._client = client

    @cached_property
    def api(self) -> "AsyncStackServiceClient":
        """Every RPC of StackService."""
        from stackly_sdk._gen.clients.stack_service import AsyncStackServiceClient

        return AsyncStackServiceClient(self._client.transport)

    async def get(self, stack: str) -> "AsyncStack":
        """Reads one, by its id or name."""
        name = await self._client.name(stack, "stackStates")
        return self.wrap((await self.api.get_stack_state(name=name)).stack_state)

    def list(self, *, code: str = "", show_deleted: bool = False) -> "AsyncPager[AsyncStack]":
        """Lists them by name; `code`: only those of that stack code."""

        async def make() -> "AsyncPager[StackState]":
            return self.api.list_stack_states(
                parent=await self._client.account(),
                stack_code=await self._client.name(code, "stackCodes") if code else "",
                show_deleted=show_deleted,
            )

        return deferred(make).map(self.wrap)

    async def create(
        self,
        stack: str,
        *,
        code: str,
        namespace: str = "",
        labels: Mapping[str, str] | None = None,
        variables: Variables | None = None,
        auto_deploy: bool | None = None,
    ) -> "AsyncStack":
        """Makes a stack of a registered stack code. Starts no run."""
        from stackly_sdk._gen.stackly.v1 import StackState

        message = StackState(
            stack_code=await self._client.name(code, "stackCodes"),
            namespace=await self._client.name(namespace, "namespaces") if namespace else "",
            labels=dict(labels or {}),
            variables=stack_variables(variables),
            auto_deploy=auto_deploy,
        )
        response = await self.api.create_stack_state(
            parent=await self._client.account(), stack_state_id=stack, stack_state=message
        )
        return self.wrap(response.stack_state)

    def wrap(self, message: "StackState | None") -> "AsyncStack":
        """The facade of a message."""
        return AsyncStack(self._client, there(message))


class AsyncStack:
    """One stack, as last read: `refresh` and each verb that changes it read it anew."""

    def __init__(self, client: "AsyncStackly", message: "StackState") -> None:
        self._client = client
        self._message = message

    def __repr__(self) -> str:
        return f"<AsyncStack {self.id} {self.status.name}>"

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
    def state(self) -> AsyncState:
        """Its Terraform state."""
        return self._client.state(self.name)

    async def refresh(self) -> "AsyncStack":
        return self._take((await self._client.stacks.api.get_stack_state(name=self.name)).stack_state)

    async def deploy(
        self,
        commit: str = "",
        *,
        message: str = "",
        auto_apply: bool = False,
        variables: Variables | None = None,
    ) -> "AsyncRun":
        """Starts a run that plans and, once approved, applies. `commit` is its hash; by default the desired one."""
        from stackly_sdk._gen.stackly.v1 import RunType

        return await self._run(RunType.APPLY, commit, message, variables, auto_apply=auto_apply)

    async def plan(self, commit: str = "", *, message: str = "", variables: Variables | None = None) -> "AsyncRun":
        """Starts a run that only plans."""
        from stackly_sdk._gen.stackly.v1 import RunType

        return await self._run(RunType.PLAN_ONLY, commit, message, variables, auto_apply=False)

    async def audit(self, *, message: str = "") -> "AsyncRun":
        """Starts a run that audits the engine at the applied commit; `plan.audit` of it says what it found."""
        from stackly_sdk._gen.stackly.v1 import RunType

        return await self._run(RunType.AUDIT, "", message, None, auto_apply=False)

    async def destroy(self, *, message: str = "", etag: str = "") -> "AsyncRun":
        """Starts a run that destroys all its resources; it asks for approval like any other."""
        response = await self._client.stacks.api.destroy_stack_state(name=self.name, message=message, etag=etag)
        return self._client.runs.wrap(response.run)

    async def outputs(self, *, include_sensitive: bool = False) -> dict[str, Json | Masked]:
        """The outputs of its newest state by name. Sensitive ones are `MASKED` unless asked for, which is audited."""
        found = await self.state.outputs(include_sensitive=include_sensitive)
        return output_values(found.outputs)

    async def graph(self, commit: str = "") -> "ExecutionGraph":
        """The units of its newest plan as a graph; of a commit when one is given. Raises PlanNotReady when there is none."""
        return there((await self.execution_graph(commit)).graph)

    async def execution_graph(self, commit: str = "", *, draw: bool = False) -> "GetExecutionGraphResponse":
        """The graph, with `draw` as a picture too: a whole SVG document."""
        name = f"{self.name}/runs/latest/graph"
        return await self._client.runs.api.get_execution_graph(name=name, commit=commit, draw=draw)

    def runs(self) -> "AsyncPager[AsyncRun]":
        """Its runs, newest first."""
        return self._client.runs.list(self.name)

    async def update(
        self,
        *,
        labels: Mapping[str, str] | None = None,
        variables: Variables | None = None,
        remove_variables: tuple[str, ...] = (),
        auto_deploy: bool | None = None,
        engine_suspended: bool | None = None,
        etag: str = "",
    ) -> "AsyncStack":
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
        response = await self._client.stacks.api.update_stack_state(stack_state=message, update_mask=mask)
        return self._take(response.stack_state)

    async def delete(self, *, force: bool = False, etag: str = "") -> "AsyncStack":
        """Deletes it; with `force` also while it holds resources, which then live on unmanaged."""
        response = await self._client.stacks.api.delete_stack_state(name=self.name, force=force, etag=etag)
        return self._take(response.stack_state)

    async def undelete(self) -> "AsyncStack":
        return self._take((await self._client.stacks.api.undelete_stack_state(name=self.name)).stack_state)

    async def _run(
        self, kind: "RunType", commit: str, message: str, variables: Variables | None, *, auto_apply: bool
    ) -> "AsyncRun":
        from stackly_sdk._gen.stackly.v1 import Run

        asked = Run(
            type=kind, to_commit=commit, message=message, auto_apply=auto_apply, variables=run_variables(variables)
        )
        response = await self._client.runs.api.create_run(parent=self.name, run=asked)
        return self._client.runs.wrap(response.run)

    def _take(self, message: "StackState | None") -> "AsyncStack":
        self._message = there(message)
        return self
