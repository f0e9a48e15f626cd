"""What of a stack state can never be changed: its code and its namespace."""

from stackly_server.database import Connection
from stackly_server.errors import FieldProblem, Invalid
from stackly_server.stacks import state_store, store
from stackly_server.stacks.model import StackState
from stackly_server.stacks.wanted import StackStateChange


async def require_fixed(conn: Connection, account: str, state: StackState, change: StackStateChange) -> None:
    """Refuses a change that speaks of another code or namespace with VALIDATION_FAILED, naming the field."""
    said = {"stack_code": change.stack_code, "namespace": change.namespace}
    if not any(said.values()):
        return
    held = await _held(conn, account, state)
    problems = [
        FieldProblem(f"stack_state.{field}", f"cannot be changed: it is {held[field]}")
        for field, name in said.items()
        if name not in {"", held[field]}
    ]
    if problems:
        names = ", ".join(problem.field for problem in problems)
        raise Invalid("VALIDATION_FAILED", f"Of a stack state this cannot be changed: {names}.", fields=problems)


async def _held(conn: Connection, account: str, state: StackState) -> dict[str, str]:
    codes = await store.codes_by_id(conn, [state.stack_code_id])
    namespaces = await state_store.namespace_names(conn)
    return {
        "stack_code": f"accounts/{account}/stackCodes/{codes[state.stack_code_id].slug}",
        "namespace": f"accounts/{account}/namespaces/{namespaces[state.namespace_id]}",
    }
