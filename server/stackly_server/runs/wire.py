"""Runs as messages: dataclass to message and back, nothing else."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from stackly.v1 import runs_pb2
from stackly_server.runs.model import NewRun, Plan, RunType, Status
from stackly_server.runs.service import Shown
from stackly_server.runs.steps import Step
from stackly_server.stacks.variables import Variables, check_variables

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_SECONDS = 86_400
_OUTCOMES = {
    Status.PLANNED_AND_FINISHED: runs_pb2.RUN_OUTCOME_SUCCEEDED,
    Status.APPLIED: runs_pb2.RUN_OUTCOME_SUCCEEDED,
    Status.FAILED: runs_pb2.RUN_OUTCOME_FAILED,
    Status.REJECTED: runs_pb2.RUN_OUTCOME_DENIED,
    Status.EXPIRED: runs_pb2.RUN_OUTCOME_DENIED,
    Status.SUPERSEDED: runs_pb2.RUN_OUTCOME_SKIPPED,
    Status.CANCELED: runs_pb2.RUN_OUTCOME_CANCELED,
}


def timestamp(moment: datetime | None) -> Timestamp | None:
    """A moment as a message; None stays unset."""
    return None if moment is None else _timestamp(moment)


def _timestamp(moment: datetime) -> Timestamp:
    since = moment - _EPOCH  # as `FromDatetime` does, at a quarter of its price
    return Timestamp(seconds=since.days * _DAY_SECONDS + since.seconds, nanos=since.microseconds * 1000)


def new_run_from_proto(run: runs_pb2.Run) -> NewRun:
    """What a caller asks for."""
    kind = runs_pb2.RunType.Name(run.type).removeprefix("RUN_TYPE_")
    plain: dict[str, str] = {}
    secret: dict[str, str] = {}
    for name, variable in run.variables.items():
        side = secret if variable.sensitive else plain
        side[name] = variable.json
    check_variables(Variables(plain, secret))
    return NewRun(
        type=RunType.APPLY if kind == "UNSPECIFIED" else RunType(kind),
        commit=run.to_commit,
        message=run.message,
        auto_apply=run.auto_apply,
        variables=plain,
        secret_variables=secret,
    )


def status_from_proto(status: runs_pb2.RunStatus) -> str:
    """A status filter; unspecified asks for nothing."""
    name = runs_pb2.RunStatus.Name(status).removeprefix("RUN_STATUS_")
    return "" if name == "UNSPECIFIED" else name


def run_to_proto(shown: Shown) -> runs_pb2.Run:
    """A run as it is shown."""
    run = shown.run
    message = runs_pb2.Run(
        name=shown.name, uid=str(run.id), etag=f'"{run.version}"', number=run.number,
        type=f"RUN_TYPE_{run.type.value}",
        trigger=f"RUN_TRIGGER_{run.trigger.value}",
        from_commit=run.from_commit, to_commit=run.to_commit, message=run.message, auto_apply=run.auto_apply,
        status=f"RUN_STATUS_{run.status.value}", done=run.done,
        outcome=_OUTCOMES.get(run.status, runs_pb2.RUN_OUTCOME_UNSPECIFIED), waiting_on=_waiting_on(shown),
        actions=runs_pb2.RunActions(
            can_approve=shown.can_approve, can_reject=shown.can_reject, can_cancel=shown.can_cancel
        ),
        plan_number=shown.plan.number if shown.plan else 0, plan_digest=run.plan_digest if shown.plan else "",
        plan_summary=_summary(shown.plan), approvals=[_approval(word, valid) for word, valid in shown.approvals],
        error=_error(run.error), suspects=run.suspects, creator=run.creator, delivery_id=run.delivery_id,
        worker=f"accounts/{shown.account}/namespaces/{shown.namespace}/workers/{shown.worker}" if shown.worker else "",
        workflow_id=_workflow_id(shown), created_at=timestamp(run.created_at), updated_at=timestamp(run.updated_at),
        left_units=[_left(unit) for unit in run.left_units], left_count=run.left_count,
    )  # fmt: skip
    for status, moment in run.status_times.items():
        message.status_times[status].CopyFrom(_timestamp(datetime.fromisoformat(moment)))
    return message


def plan_to_proto(run_name: str, plan: Plan, seconds: Mapping[str, float]) -> runs_pb2.Plan:
    """A plan; `seconds` is what the last plans of skipped units took."""
    return runs_pb2.Plan(
        name=f"{run_name}/plan", number=plan.number, digest=plan.digest, summary=_summary(plan), engine=plan.engine,
        output_changes=[runs_pb2.OutputChange(**dict(change)) for change in plan.output_changes],
        commit=plan.commit_hash, serial=plan.state_serial, created_at=timestamp(plan.created_at),
        units=[_unit(unit, seconds.get(unit["unit"], 0.0)) for unit in plan.units], whole_reasons=plan.whole_reasons,
    )  # fmt: skip


def change_to_proto(change: Mapping[str, Any]) -> runs_pb2.ResourceChange:
    """A resource change as it was stored, masked."""
    attributes = [runs_pb2.AttributeChange(**item) for item in change["attributes"]]
    return runs_pb2.ResourceChange(**{**change, "attributes": attributes})


def step_to_proto(run_name: str, step: Step, workers: Mapping[UUID, str]) -> runs_pb2.RunStep:
    """A task of a run, or a unit within it; `workers` has the resource names of workers by id."""
    return runs_pb2.RunStep(
        name=f"{run_name}/steps/{step.name}", kind=f"RUN_STEP_KIND_{step.phase.value}",
        status=f"RUN_STEP_STATUS_{step.status}", plan_number=step.plan_number, batch=step.batch, slices=step.slices,
        worker=workers.get(step.worker_id, "") if step.worker_id else "", started_at=timestamp(step.started_at),
        finished_at=timestamp(step.finished_at), unit=step.unit, reasons=step.reasons,
    )  # fmt: skip


def _unit(unit: Mapping[str, Any], seconds: float) -> runs_pb2.PlanUnit:
    return runs_pb2.PlanUnit(
        unit=unit["unit"], run=unit["run"], reasons=unit["reasons"], batch=unit["batch"], deferred=unit["deferred"],
        needs=unit.get("needs", ()), plan_seconds=seconds,
    )  # fmt: skip


def _summary(plan: Plan | None) -> runs_pb2.PlanSummary | None:
    return None if plan is None else runs_pb2.PlanSummary(**dict(plan.summary))


def _approval(word: Any, valid: bool) -> runs_pb2.Approval:  # noqa: FBT001
    return runs_pb2.Approval(
        member=word.member, approved=word.approved, plan_digest=word.plan_digest, commit=word.commit_hash,
        serial=word.serial, policies=word.policies, comment=word.comment, given_at=timestamp(word.given_at), valid=valid,
    )  # fmt: skip


def _waiting_on(shown: Shown) -> runs_pb2.WaitingOn | None:
    run, head = shown.run, shown.head
    locked = head is not None and head.lock_id is not None and head.lock_run_id != run.id
    if not (shown.missing or shown.missing_capabilities or locked):
        return None
    missing = [
        runs_pb2.MissingApproval(
            policy=f"accounts/{shown.account}/policies/{one.policy}" if one.policy else "",
            count=one.count, groups=one.groups,
        )
        for one in shown.missing
    ]  # fmt: skip
    by_run = locked and head is not None and head.lock_run_id is not None
    holder = (head.lock_holder or "") if locked and head is not None else ""
    return runs_pb2.WaitingOn(
        approvals=missing,
        blocking_run=holder if by_run else "",
        lock_holder="" if by_run else holder,
        missing_capabilities=shown.missing_capabilities,
        offered_engines=shown.offered_engines,
        expires_at=timestamp(run.expires_at) if shown.missing else None,
    )


def _left(unit: Mapping[str, Any]) -> runs_pb2.LeftUnit:
    return runs_pb2.LeftUnit(unit=unit["unit"], cause=f"LEFT_CAUSE_{unit['cause']}", detail=unit["detail"])


def _error(error: Mapping[str, Any] | None) -> runs_pb2.RunError | None:
    if error is None:
        return None
    found = [runs_pb2.TerraformError(**item) for item in error.get("terraform_errors", [])]
    return runs_pb2.RunError(
        reason=error["reason"], message=error["message"], terraform_errors=found, log_offset=error.get("log_offset", 0)
    )


def _workflow_id(shown: Shown) -> str:
    run = shown.run
    since = {name: run.status_times.get(name, "") for name in ("queued", "partially_applied", "apply_queued")}
    phase = "apply" if since["apply_queued"] > max(since["queued"], since["partially_applied"]) else "plan"
    return f"run/{run.id}/{phase}/{run.plan_number}"
