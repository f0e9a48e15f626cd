"""Stack codes and stack states as messages, and back."""

from collections.abc import Iterable
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from stackly.v1 import policies_pb2, stacks_pb2
from stackly.v1 import stacks_service_pb2 as pb
from stackly_server.access import Subject, own
from stackly_server.errors import FieldProblem, Invalid
from stackly_server.stacks.config import StackConfig
from stackly_server.stacks.model import CodeFinding, StackCode, StackCodeVersion
from stackly_server.stacks.service import NewStackState, ShownState, StackStateChange
from stackly_server.stacks.variables import Variables
from stackly_server.states.wire import lock_to_proto

_CHANGEABLE = frozenset({"labels", "variables", "auto_deploy", "engine_suspended"})
_OPTIONAL = frozenset({"auto_deploy", "engine_suspended"})


def code_to_proto(code: StackCode, account: str) -> stacks_pb2.StackCode:
    return stacks_pb2.StackCode(
        name=f"accounts/{account}/stackCodes/{code.slug}",
        uid=str(code.id),
        etag=f'"{code.version}"',
        repository=f"accounts/{account}/repositories/{code.repository}",
        repo_path=code.repo_path,
        ref=code.ref,
        current_commit=code.current_commit,
        status=f"STACK_CODE_STATUS_{code.status.value}",
        config=_config(code.config),
        findings=_findings(code.findings),
        stack_state_count=code.stack_state_count,
        created_at=_time(code.created_at),
        updated_at=_time(code.updated_at),
    )


def version_to_proto(version: StackCodeVersion, parent: str) -> stacks_pb2.StackCodeVersion:
    return stacks_pb2.StackCodeVersion(
        name=f"{parent}/versions/{version.commit_hash}",
        commit=version.commit_hash,
        author=version.author,
        message=version.message,
        committed_at=_time(version.committed_at),
        config=_config(version.config),
        findings=_findings(version.findings),
        created_at=_time(version.created_at),
    )


def state_to_proto(shown: ShownState) -> stacks_pb2.StackState:
    state, account = shown.state, shown.account
    name = f"accounts/{account}/stackStates/{state.name}"
    plain = {key: stacks_pb2.Variable(json=text) for key, text in state.variables.items()}
    secret = {key: stacks_pb2.Variable(sensitive=True) for key in shown.secrets}
    return stacks_pb2.StackState(
        name=name,
        uid=str(state.id),
        etag=state.etag,
        stack_code=f"accounts/{account}/stackCodes/{shown.stack_code}",
        namespace=f"accounts/{account}/namespaces/{shown.namespace}",
        state_block=state.state_block.removeprefix("-"),
        commit=state.commit_hash,
        desired_commit=state.desired_commit,
        environment=state.environment,
        labels=shown.labels,
        variables={**plain, **secret},
        auto_deploy=state.auto_deploy,
        status=f"STACK_STATE_STATUS_{state.status}",
        conditions=[f"STACK_STATE_CONDITION_{each.value}" for each in shown.conditions],
        serial=shown.head.serial,
        lineage=shown.head.lineage,
        resource_count=shown.head.resource_count,
        lock=lock_to_proto(shown.head),
        current_run=_run(name, shown.current_run),
        last_applied_run=_run(name, shown.last_applied_run),
        created_at=_time(state.created_at),
        updated_at=_time(state.updated_at),
        deleted_at=_time(state.deleted_at),
        purge_at=_time(state.purge_at),
        engine_suspended=state.engine_suspended,
    )


def new_state_from_proto(request: pb.CreateStackStateRequest, call: Subject) -> NewStackState:
    said = request.stack_state
    return NewStackState(
        name=request.stack_state_id,
        stack_code=said.stack_code,
        namespace=own(call, said.namespace, "namespace")[1] if said.namespace else "",
        labels=dict(said.labels),
        variables=_variables(said),
        auto_deploy=said.auto_deploy if said.HasField("auto_deploy") else None,
    )


def change_from_proto(request: pb.UpdateStackStateRequest) -> StackStateChange:
    """What the mask names, or what is set without one; an update that changes nothing is refused."""
    said = request.stack_state
    named = set(request.update_mask.paths)
    if named - _CHANGEABLE:
        problem = FieldProblem("update_mask", "only labels, variables, auto_deploy and engine_suspended can be changed")
        raise Invalid("VALIDATION_FAILED", f"update_mask: {problem.problem}.", fields=[problem])
    fields = named or {name for name in _CHANGEABLE if _is_set(said, name)}
    if not fields:
        raise Invalid("UPDATE_EMPTY", "The update sets nothing that can change: give one of the fields that can.")
    has_auto = said.HasField("auto_deploy")
    return StackStateChange(
        labels=dict(said.labels) if "labels" in fields else None,
        variables=_variables(said) if "variables" in fields else None,
        auto_deploy=said.auto_deploy if "auto_deploy" in fields and has_auto else None,
        suspended=said.engine_suspended if "engine_suspended" in fields else None,
        clear_auto_deploy="auto_deploy" in fields and not has_auto,
        etag=said.etag,
        stack_code="" if named else said.stack_code,
        namespace="" if named else said.namespace,
    )


def _is_set(said: stacks_pb2.StackState, name: str) -> bool:
    return said.HasField(name) if name in _OPTIONAL else bool(getattr(said, name))


def _variables(said: stacks_pb2.StackState) -> Variables:
    return Variables(
        {name: variable.json for name, variable in said.variables.items() if not variable.sensitive},
        {name: variable.json for name, variable in said.variables.items() if variable.sensitive},
    )


def _config(config: StackConfig | None) -> stacks_pb2.StackConfig | None:
    if config is None:
        return None
    return stacks_pb2.StackConfig(
        stack=config.stack,
        version=config.version,
        environment=config.shared.environment,
        labels=config.shared.labels,
        auto_deploy=config.auto_deploy,
        policies=config.policies,
        states=[state.block for state in config.states if state.block],
        engine=f"{config.engine} {config.constraint}".strip(),
        required_features=config.features,
        required_labels=config.required_labels,
        plan_timeout_seconds=config.plan_timeout_seconds,
        apply_timeout_seconds=config.apply_timeout_seconds,
        units=config.units,
        data_refresh_seconds=config.options.data_refresh,
        max_age_seconds=config.options.max_age,
        audit_seconds=config.options.audit or 0,
        max_parallel=config.options.max_parallel or 0,
    )


def _findings(findings: Iterable[CodeFinding]) -> list[policies_pb2.Finding]:
    return [
        policies_pb2.Finding(
            code=each.code, message=each.message, path=each.path, line=each.line, column=each.column,
            line_text=each.line_text, blocking=each.blocking,
        )
        for each in findings
    ]  # fmt: skip


def _run(name: str, number: int | None) -> str:
    return f"{name}/runs/run-{number}" if number else ""


def _time(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    made = Timestamp()
    made.FromDatetime(moment)
    return made
