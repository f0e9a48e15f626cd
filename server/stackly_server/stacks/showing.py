"""Stack states as they are shown: with their code's labels, lock, runs and what is remarkable."""

from collections.abc import Mapping
from dataclasses import dataclass

from stackly_server.database import Connection
from stackly_server.stacks import state_store, store
from stackly_server.stacks.model import Condition, StackCode, StackState, conditions
from stackly_server.states.model import StateHead
from stackly_server.states.service import StateService, visible


@dataclass(frozen=True, slots=True)
class ShownState:
    """A stack state as it is shown. `labels` are merged; `secrets` are the names of its secret variables."""

    state: StackState
    account: str
    stack_code: str
    namespace: str
    labels: Mapping[str, str]
    secrets: tuple[str, ...]
    conditions: tuple[Condition, ...]
    head: StateHead
    current_run: int | None
    last_applied_run: int | None


async def show(conn: Connection, states: StateService, account: str, rows: list[StackState]) -> list[ShownState]:
    """Stack states of the tenant in their order, without the names of secrets, which lie sealed."""
    if not rows:
        return []
    ids = [state.id for state in rows]
    heads = await states.heads(conn, (await store.account(conn))[0], ids)
    runs = await state_store.run_numbers(conn, ids)
    namespaces = await state_store.namespace_names(conn)
    codes = await store.codes_by_id(conn, list({state.stack_code_id for state in rows}))
    return [
        _shown(
            state, account, codes[state.stack_code_id], namespaces[state.namespace_id], heads[state.id], runs[state.id]
        )
        for state in rows
    ]


def _shown(
    state: StackState,
    account: str,
    code: StackCode,
    namespace: str,
    head: StateHead,
    runs: tuple[int | None, int | None],
) -> ShownState:
    seen = visible(head)
    said = code.config.state(state.state_block).labels if code.config else {}
    return ShownState(
        state=state, account=account, stack_code=code.slug, namespace=namespace, labels={**said, **state.labels},
        secrets=(), conditions=conditions(state, locked=seen.lock_id is not None), head=seen, current_run=runs[0],
        last_applied_run=runs[1],
    )  # fmt: skip
