import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from stackly.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RunType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUN_TYPE_UNSPECIFIED: _ClassVar[RunType]
    RUN_TYPE_APPLY: _ClassVar[RunType]
    RUN_TYPE_PLAN_ONLY: _ClassVar[RunType]
    RUN_TYPE_DESTROY: _ClassVar[RunType]
    RUN_TYPE_AUDIT: _ClassVar[RunType]

class RunTrigger(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUN_TRIGGER_UNSPECIFIED: _ClassVar[RunTrigger]
    RUN_TRIGGER_API: _ClassVar[RunTrigger]
    RUN_TRIGGER_PUSH: _ClassVar[RunTrigger]
    RUN_TRIGGER_SCHEDULE: _ClassVar[RunTrigger]

class RunStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUN_STATUS_UNSPECIFIED: _ClassVar[RunStatus]
    RUN_STATUS_QUEUED: _ClassVar[RunStatus]
    RUN_STATUS_PLANNING: _ClassVar[RunStatus]
    RUN_STATUS_AWAITING_APPROVAL: _ClassVar[RunStatus]
    RUN_STATUS_APPLY_QUEUED: _ClassVar[RunStatus]
    RUN_STATUS_APPLYING: _ClassVar[RunStatus]
    RUN_STATUS_CANCELING: _ClassVar[RunStatus]
    RUN_STATUS_PLANNED_AND_FINISHED: _ClassVar[RunStatus]
    RUN_STATUS_APPLIED: _ClassVar[RunStatus]
    RUN_STATUS_FAILED: _ClassVar[RunStatus]
    RUN_STATUS_REJECTED: _ClassVar[RunStatus]
    RUN_STATUS_EXPIRED: _ClassVar[RunStatus]
    RUN_STATUS_SUPERSEDED: _ClassVar[RunStatus]
    RUN_STATUS_CANCELED: _ClassVar[RunStatus]
    RUN_STATUS_PARTIALLY_APPLIED: _ClassVar[RunStatus]

class LeftCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LEFT_CAUSE_UNSPECIFIED: _ClassVar[LeftCause]
    LEFT_CAUSE_DEFERRED: _ClassVar[LeftCause]
    LEFT_CAUSE_NOT_COVERED: _ClassVar[LeftCause]
    LEFT_CAUSE_INPUTS_CHANGED: _ClassVar[LeftCause]
    LEFT_CAUSE_NEEDS_OTHERS: _ClassVar[LeftCause]

class RunOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUN_OUTCOME_UNSPECIFIED: _ClassVar[RunOutcome]
    RUN_OUTCOME_SUCCEEDED: _ClassVar[RunOutcome]
    RUN_OUTCOME_FAILED: _ClassVar[RunOutcome]
    RUN_OUTCOME_DENIED: _ClassVar[RunOutcome]
    RUN_OUTCOME_CANCELED: _ClassVar[RunOutcome]
    RUN_OUTCOME_SKIPPED: _ClassVar[RunOutcome]

class RunStepKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUN_STEP_KIND_UNSPECIFIED: _ClassVar[RunStepKind]
    RUN_STEP_KIND_PLAN: _ClassVar[RunStepKind]
    RUN_STEP_KIND_APPLY: _ClassVar[RunStepKind]

class RunStepStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUN_STEP_STATUS_UNSPECIFIED: _ClassVar[RunStepStatus]
    RUN_STEP_STATUS_QUEUED: _ClassVar[RunStepStatus]
    RUN_STEP_STATUS_RUNNING: _ClassVar[RunStepStatus]
    RUN_STEP_STATUS_SUCCEEDED: _ClassVar[RunStepStatus]
    RUN_STEP_STATUS_FAILED: _ClassVar[RunStepStatus]
    RUN_STEP_STATUS_CANCELED: _ClassVar[RunStepStatus]
    RUN_STEP_STATUS_SKIPPED: _ClassVar[RunStepStatus]
    RUN_STEP_STATUS_DEFERRED: _ClassVar[RunStepStatus]

class AuditResult(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIT_RESULT_UNSPECIFIED: _ClassVar[AuditResult]
    AUDIT_RESULT_CLEAN: _ClassVar[AuditResult]
    AUDIT_RESULT_DRIFT: _ClassVar[AuditResult]
    AUDIT_RESULT_UNSOUND: _ClassVar[AuditResult]
    AUDIT_RESULT_NOTHING: _ClassVar[AuditResult]

class AuditVerdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIT_VERDICT_UNSPECIFIED: _ClassVar[AuditVerdict]
    AUDIT_VERDICT_PENDING: _ClassVar[AuditVerdict]
    AUDIT_VERDICT_DRIFT: _ClassVar[AuditVerdict]
    AUDIT_VERDICT_UNSOUND: _ClassVar[AuditVerdict]

class GraphActivityStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GRAPH_ACTIVITY_STATUS_UNSPECIFIED: _ClassVar[GraphActivityStatus]
    GRAPH_ACTIVITY_STATUS_SKIPPED: _ClassVar[GraphActivityStatus]
    GRAPH_ACTIVITY_STATUS_UNCHANGED: _ClassVar[GraphActivityStatus]
    GRAPH_ACTIVITY_STATUS_CHANGED: _ClassVar[GraphActivityStatus]
    GRAPH_ACTIVITY_STATUS_DEFERRED: _ClassVar[GraphActivityStatus]
    GRAPH_ACTIVITY_STATUS_RUNNING: _ClassVar[GraphActivityStatus]
    GRAPH_ACTIVITY_STATUS_APPLIED: _ClassVar[GraphActivityStatus]
    GRAPH_ACTIVITY_STATUS_FAILED: _ClassVar[GraphActivityStatus]
    GRAPH_ACTIVITY_STATUS_CANCELED: _ClassVar[GraphActivityStatus]
RUN_TYPE_UNSPECIFIED: RunType
RUN_TYPE_APPLY: RunType
RUN_TYPE_PLAN_ONLY: RunType
RUN_TYPE_DESTROY: RunType
RUN_TYPE_AUDIT: RunType
RUN_TRIGGER_UNSPECIFIED: RunTrigger
RUN_TRIGGER_API: RunTrigger
RUN_TRIGGER_PUSH: RunTrigger
RUN_TRIGGER_SCHEDULE: RunTrigger
RUN_STATUS_UNSPECIFIED: RunStatus
RUN_STATUS_QUEUED: RunStatus
RUN_STATUS_PLANNING: RunStatus
RUN_STATUS_AWAITING_APPROVAL: RunStatus
RUN_STATUS_APPLY_QUEUED: RunStatus
RUN_STATUS_APPLYING: RunStatus
RUN_STATUS_CANCELING: RunStatus
RUN_STATUS_PLANNED_AND_FINISHED: RunStatus
RUN_STATUS_APPLIED: RunStatus
RUN_STATUS_FAILED: RunStatus
RUN_STATUS_REJECTED: RunStatus
RUN_STATUS_EXPIRED: RunStatus
RUN_STATUS_SUPERSEDED: RunStatus
RUN_STATUS_CANCELED: RunStatus
RUN_STATUS_PARTIALLY_APPLIED: RunStatus
LEFT_CAUSE_UNSPECIFIED: LeftCause
LEFT_CAUSE_DEFERRED: LeftCause
LEFT_CAUSE_NOT_COVERED: LeftCause
LEFT_CAUSE_INPUTS_CHANGED: LeftCause
LEFT_CAUSE_NEEDS_OTHERS: LeftCause
RUN_OUTCOME_UNSPECIFIED: RunOutcome
RUN_OUTCOME_SUCCEEDED: RunOutcome
RUN_OUTCOME_FAILED: RunOutcome
RUN_OUTCOME_DENIED: RunOutcome
RUN_OUTCOME_CANCELED: RunOutcome
RUN_OUTCOME_SKIPPED: RunOutcome
RUN_STEP_KIND_UNSPECIFIED: RunStepKind
RUN_STEP_KIND_PLAN: RunStepKind
RUN_STEP_KIND_APPLY: RunStepKind
RUN_STEP_STATUS_UNSPECIFIED: RunStepStatus
RUN_STEP_STATUS_QUEUED: RunStepStatus
RUN_STEP_STATUS_RUNNING: RunStepStatus
RUN_STEP_STATUS_SUCCEEDED: RunStepStatus
RUN_STEP_STATUS_FAILED: RunStepStatus
RUN_STEP_STATUS_CANCELED: RunStepStatus
RUN_STEP_STATUS_SKIPPED: RunStepStatus
RUN_STEP_STATUS_DEFERRED: RunStepStatus
AUDIT_RESULT_UNSPECIFIED: AuditResult
AUDIT_RESULT_CLEAN: AuditResult
AUDIT_RESULT_DRIFT: AuditResult
AUDIT_RESULT_UNSOUND: AuditResult
AUDIT_RESULT_NOTHING: AuditResult
AUDIT_VERDICT_UNSPECIFIED: AuditVerdict
AUDIT_VERDICT_PENDING: AuditVerdict
AUDIT_VERDICT_DRIFT: AuditVerdict
AUDIT_VERDICT_UNSOUND: AuditVerdict
GRAPH_ACTIVITY_STATUS_UNSPECIFIED: GraphActivityStatus
GRAPH_ACTIVITY_STATUS_SKIPPED: GraphActivityStatus
GRAPH_ACTIVITY_STATUS_UNCHANGED: GraphActivityStatus
GRAPH_ACTIVITY_STATUS_CHANGED: GraphActivityStatus
GRAPH_ACTIVITY_STATUS_DEFERRED: GraphActivityStatus
GRAPH_ACTIVITY_STATUS_RUNNING: GraphActivityStatus
GRAPH_ACTIVITY_STATUS_APPLIED: GraphActivityStatus
GRAPH_ACTIVITY_STATUS_FAILED: GraphActivityStatus
GRAPH_ACTIVITY_STATUS_CANCELED: GraphActivityStatus

class Run(_message.Message):
    __slots__ = ("name", "uid", "etag", "number", "type", "trigger", "from_commit", "to_commit", "message", "auto_apply", "variables", "status", "done", "outcome", "waiting_on", "actions", "status_times", "plan_number", "plan_summary", "plan_digest", "approvals", "error", "worker", "suspects", "creator", "delivery_id", "workflow_id", "created_at", "updated_at", "left_units", "left_count")
    class VariablesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: RunVariable
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[RunVariable, _Mapping]] = ...) -> None: ...
    class StatusTimesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _timestamp_pb2.Timestamp
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_FIELD_NUMBER: _ClassVar[int]
    FROM_COMMIT_FIELD_NUMBER: _ClassVar[int]
    TO_COMMIT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    AUTO_APPLY_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    WAITING_ON_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    STATUS_TIMES_FIELD_NUMBER: _ClassVar[int]
    PLAN_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PLAN_SUMMARY_FIELD_NUMBER: _ClassVar[int]
    PLAN_DIGEST_FIELD_NUMBER: _ClassVar[int]
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    SUSPECTS_FIELD_NUMBER: _ClassVar[int]
    CREATOR_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_ID_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    LEFT_UNITS_FIELD_NUMBER: _ClassVar[int]
    LEFT_COUNT_FIELD_NUMBER: _ClassVar[int]
    name: str
    uid: str
    etag: str
    number: int
    type: RunType
    trigger: RunTrigger
    from_commit: str
    to_commit: str
    message: str
    auto_apply: bool
    variables: _containers.MessageMap[str, RunVariable]
    status: RunStatus
    done: bool
    outcome: RunOutcome
    waiting_on: WaitingOn
    actions: RunActions
    status_times: _containers.MessageMap[str, _timestamp_pb2.Timestamp]
    plan_number: int
    plan_summary: PlanSummary
    plan_digest: str
    approvals: _containers.RepeatedCompositeFieldContainer[Approval]
    error: RunError
    worker: str
    suspects: _containers.RepeatedScalarFieldContainer[str]
    creator: str
    delivery_id: str
    workflow_id: str
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    left_units: _containers.RepeatedCompositeFieldContainer[LeftUnit]
    left_count: int
    def __init__(self, name: _Optional[str] = ..., uid: _Optional[str] = ..., etag: _Optional[str] = ..., number: _Optional[int] = ..., type: _Optional[_Union[RunType, str]] = ..., trigger: _Optional[_Union[RunTrigger, str]] = ..., from_commit: _Optional[str] = ..., to_commit: _Optional[str] = ..., message: _Optional[str] = ..., auto_apply: _Optional[bool] = ..., variables: _Optional[_Mapping[str, RunVariable]] = ..., status: _Optional[_Union[RunStatus, str]] = ..., done: _Optional[bool] = ..., outcome: _Optional[_Union[RunOutcome, str]] = ..., waiting_on: _Optional[_Union[WaitingOn, _Mapping]] = ..., actions: _Optional[_Union[RunActions, _Mapping]] = ..., status_times: _Optional[_Mapping[str, _timestamp_pb2.Timestamp]] = ..., plan_number: _Optional[int] = ..., plan_summary: _Optional[_Union[PlanSummary, _Mapping]] = ..., plan_digest: _Optional[str] = ..., approvals: _Optional[_Iterable[_Union[Approval, _Mapping]]] = ..., error: _Optional[_Union[RunError, _Mapping]] = ..., worker: _Optional[str] = ..., suspects: _Optional[_Iterable[str]] = ..., creator: _Optional[str] = ..., delivery_id: _Optional[str] = ..., workflow_id: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., left_units: _Optional[_Iterable[_Union[LeftUnit, _Mapping]]] = ..., left_count: _Optional[int] = ...) -> None: ...

class LeftUnit(_message.Message):
    __slots__ = ("unit", "cause", "detail")
    UNIT_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    unit: str
    cause: LeftCause
    detail: str
    def __init__(self, unit: _Optional[str] = ..., cause: _Optional[_Union[LeftCause, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class RunVariable(_message.Message):
    __slots__ = ("json", "sensitive")
    JSON_FIELD_NUMBER: _ClassVar[int]
    SENSITIVE_FIELD_NUMBER: _ClassVar[int]
    json: str
    sensitive: bool
    def __init__(self, json: _Optional[str] = ..., sensitive: _Optional[bool] = ...) -> None: ...

class WaitingOn(_message.Message):
    __slots__ = ("approvals", "blocking_run", "lock_holder", "missing_capabilities", "offered_engines", "expires_at")
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    BLOCKING_RUN_FIELD_NUMBER: _ClassVar[int]
    LOCK_HOLDER_FIELD_NUMBER: _ClassVar[int]
    MISSING_CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    OFFERED_ENGINES_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    approvals: _containers.RepeatedCompositeFieldContainer[MissingApproval]
    blocking_run: str
    lock_holder: str
    missing_capabilities: _containers.RepeatedScalarFieldContainer[str]
    offered_engines: _containers.RepeatedScalarFieldContainer[str]
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, approvals: _Optional[_Iterable[_Union[MissingApproval, _Mapping]]] = ..., blocking_run: _Optional[str] = ..., lock_holder: _Optional[str] = ..., missing_capabilities: _Optional[_Iterable[str]] = ..., offered_engines: _Optional[_Iterable[str]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class MissingApproval(_message.Message):
    __slots__ = ("policy", "count", "groups")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    policy: str
    count: int
    groups: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, policy: _Optional[str] = ..., count: _Optional[int] = ..., groups: _Optional[_Iterable[str]] = ...) -> None: ...

class RunActions(_message.Message):
    __slots__ = ("can_approve", "can_reject", "can_cancel")
    CAN_APPROVE_FIELD_NUMBER: _ClassVar[int]
    CAN_REJECT_FIELD_NUMBER: _ClassVar[int]
    CAN_CANCEL_FIELD_NUMBER: _ClassVar[int]
    can_approve: bool
    can_reject: bool
    can_cancel: bool
    def __init__(self, can_approve: _Optional[bool] = ..., can_reject: _Optional[bool] = ..., can_cancel: _Optional[bool] = ...) -> None: ...

class PlanSummary(_message.Message):
    __slots__ = ("add", "change", "destroy", "replace", "forget", "output_changes")
    ADD_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    DESTROY_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    IMPORT_FIELD_NUMBER: _ClassVar[int]
    FORGET_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_CHANGES_FIELD_NUMBER: _ClassVar[int]
    add: int
    change: int
    destroy: int
    replace: int
    forget: int
    output_changes: int
    def __init__(self, add: _Optional[int] = ..., change: _Optional[int] = ..., destroy: _Optional[int] = ..., replace: _Optional[int] = ..., forget: _Optional[int] = ..., output_changes: _Optional[int] = ..., **kwargs) -> None: ...

class Approval(_message.Message):
    __slots__ = ("member", "approved", "plan_digest", "commit", "serial", "policies", "comment", "given_at", "valid")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    APPROVED_FIELD_NUMBER: _ClassVar[int]
    PLAN_DIGEST_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    GIVEN_AT_FIELD_NUMBER: _ClassVar[int]
    VALID_FIELD_NUMBER: _ClassVar[int]
    member: str
    approved: bool
    plan_digest: str
    commit: str
    serial: int
    policies: _containers.RepeatedScalarFieldContainer[str]
    comment: str
    given_at: _timestamp_pb2.Timestamp
    valid: bool
    def __init__(self, member: _Optional[str] = ..., approved: _Optional[bool] = ..., plan_digest: _Optional[str] = ..., commit: _Optional[str] = ..., serial: _Optional[int] = ..., policies: _Optional[_Iterable[str]] = ..., comment: _Optional[str] = ..., given_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., valid: _Optional[bool] = ...) -> None: ...

class RunError(_message.Message):
    __slots__ = ("reason", "message", "terraform_errors", "log_offset")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TERRAFORM_ERRORS_FIELD_NUMBER: _ClassVar[int]
    LOG_OFFSET_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    terraform_errors: _containers.RepeatedCompositeFieldContainer[TerraformError]
    log_offset: int
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ..., terraform_errors: _Optional[_Iterable[_Union[TerraformError, _Mapping]]] = ..., log_offset: _Optional[int] = ...) -> None: ...

class TerraformError(_message.Message):
    __slots__ = ("summary", "detail", "address", "path", "line")
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    summary: str
    detail: str
    address: str
    path: str
    line: int
    def __init__(self, summary: _Optional[str] = ..., detail: _Optional[str] = ..., address: _Optional[str] = ..., path: _Optional[str] = ..., line: _Optional[int] = ...) -> None: ...

class RunStep(_message.Message):
    __slots__ = ("name", "kind", "status", "plan_number", "batch", "slices", "worker", "started_at", "finished_at", "unit", "reasons")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PLAN_NUMBER_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    SLICES_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: RunStepKind
    status: RunStepStatus
    plan_number: int
    batch: str
    slices: _containers.RepeatedScalarFieldContainer[str]
    worker: str
    started_at: _timestamp_pb2.Timestamp
    finished_at: _timestamp_pb2.Timestamp
    unit: str
    reasons: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[RunStepKind, str]] = ..., status: _Optional[_Union[RunStepStatus, str]] = ..., plan_number: _Optional[int] = ..., batch: _Optional[str] = ..., slices: _Optional[_Iterable[str]] = ..., worker: _Optional[str] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., unit: _Optional[str] = ..., reasons: _Optional[_Iterable[str]] = ...) -> None: ...

class Plan(_message.Message):
    __slots__ = ("name", "number", "digest", "summary", "output_changes", "engine", "commit", "serial", "created_at", "units", "whole_reasons", "audit")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_CHANGES_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    WHOLE_REASONS_FIELD_NUMBER: _ClassVar[int]
    AUDIT_FIELD_NUMBER: _ClassVar[int]
    name: str
    number: int
    digest: str
    summary: PlanSummary
    output_changes: _containers.RepeatedCompositeFieldContainer[OutputChange]
    engine: str
    commit: str
    serial: int
    created_at: _timestamp_pb2.Timestamp
    units: _containers.RepeatedCompositeFieldContainer[PlanUnit]
    whole_reasons: _containers.RepeatedScalarFieldContainer[str]
    audit: Audit
    def __init__(self, name: _Optional[str] = ..., number: _Optional[int] = ..., digest: _Optional[str] = ..., summary: _Optional[_Union[PlanSummary, _Mapping]] = ..., output_changes: _Optional[_Iterable[_Union[OutputChange, _Mapping]]] = ..., engine: _Optional[str] = ..., commit: _Optional[str] = ..., serial: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., units: _Optional[_Iterable[_Union[PlanUnit, _Mapping]]] = ..., whole_reasons: _Optional[_Iterable[str]] = ..., audit: _Optional[_Union[Audit, _Mapping]] = ...) -> None: ...

class Audit(_message.Message):
    __slots__ = ("result", "reason", "audited_units", "findings")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AUDITED_UNITS_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    result: AuditResult
    reason: str
    audited_units: int
    findings: _containers.RepeatedCompositeFieldContainer[AuditFinding]
    def __init__(self, result: _Optional[_Union[AuditResult, str]] = ..., reason: _Optional[str] = ..., audited_units: _Optional[int] = ..., findings: _Optional[_Iterable[_Union[AuditFinding, _Mapping]]] = ...) -> None: ...

class AuditFinding(_message.Message):
    __slots__ = ("unit", "address", "verdict", "detail")
    UNIT_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    unit: str
    address: str
    verdict: AuditVerdict
    detail: str
    def __init__(self, unit: _Optional[str] = ..., address: _Optional[str] = ..., verdict: _Optional[_Union[AuditVerdict, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class PlanUnit(_message.Message):
    __slots__ = ("unit", "run", "reasons", "batch", "deferred", "needs", "plan_seconds")
    UNIT_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    DEFERRED_FIELD_NUMBER: _ClassVar[int]
    NEEDS_FIELD_NUMBER: _ClassVar[int]
    PLAN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    unit: str
    run: bool
    reasons: _containers.RepeatedScalarFieldContainer[str]
    batch: int
    deferred: bool
    needs: _containers.RepeatedScalarFieldContainer[str]
    plan_seconds: float
    def __init__(self, unit: _Optional[str] = ..., run: _Optional[bool] = ..., reasons: _Optional[_Iterable[str]] = ..., batch: _Optional[int] = ..., deferred: _Optional[bool] = ..., needs: _Optional[_Iterable[str]] = ..., plan_seconds: _Optional[float] = ...) -> None: ...

class ExecutionGraph(_message.Message):
    __slots__ = ("name", "activities", "edges", "groups", "chains", "run", "run_status", "commit", "whole_reasons")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ACTIVITIES_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    CHAINS_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    RUN_STATUS_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    WHOLE_REASONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    activities: _containers.RepeatedCompositeFieldContainer[GraphActivity]
    edges: _containers.RepeatedCompositeFieldContainer[GraphEdge]
    groups: _containers.RepeatedCompositeFieldContainer[GraphGroup]
    chains: _containers.RepeatedCompositeFieldContainer[GraphChain]
    run: str
    run_status: RunStatus
    commit: str
    whole_reasons: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., activities: _Optional[_Iterable[_Union[GraphActivity, _Mapping]]] = ..., edges: _Optional[_Iterable[_Union[GraphEdge, _Mapping]]] = ..., groups: _Optional[_Iterable[_Union[GraphGroup, _Mapping]]] = ..., chains: _Optional[_Iterable[_Union[GraphChain, _Mapping]]] = ..., run: _Optional[str] = ..., run_status: _Optional[_Union[RunStatus, str]] = ..., commit: _Optional[str] = ..., whole_reasons: _Optional[_Iterable[str]] = ...) -> None: ...

class GraphActivity(_message.Message):
    __slots__ = ("unit", "group", "run", "reason", "reasons", "type", "depends_on", "inputs", "outputs", "execution_mode", "status", "batch", "changes", "started_at", "finished_at", "plan_seconds")
    UNIT_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DEPENDS_ON_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_MODE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    PLAN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    unit: str
    group: int
    run: bool
    reason: str
    reasons: _containers.RepeatedScalarFieldContainer[str]
    type: str
    depends_on: _containers.RepeatedScalarFieldContainer[str]
    inputs: _containers.RepeatedScalarFieldContainer[str]
    outputs: _containers.RepeatedScalarFieldContainer[str]
    execution_mode: str
    status: GraphActivityStatus
    batch: int
    changes: PlanSummary
    started_at: _timestamp_pb2.Timestamp
    finished_at: _timestamp_pb2.Timestamp
    plan_seconds: float
    def __init__(self, unit: _Optional[str] = ..., group: _Optional[int] = ..., run: _Optional[bool] = ..., reason: _Optional[str] = ..., reasons: _Optional[_Iterable[str]] = ..., type: _Optional[str] = ..., depends_on: _Optional[_Iterable[str]] = ..., inputs: _Optional[_Iterable[str]] = ..., outputs: _Optional[_Iterable[str]] = ..., execution_mode: _Optional[str] = ..., status: _Optional[_Union[GraphActivityStatus, str]] = ..., batch: _Optional[int] = ..., changes: _Optional[_Union[PlanSummary, _Mapping]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., plan_seconds: _Optional[float] = ...) -> None: ...

class GraphEdge(_message.Message):
    __slots__ = ("from_unit", "to_unit")
    FROM_UNIT_FIELD_NUMBER: _ClassVar[int]
    TO_UNIT_FIELD_NUMBER: _ClassVar[int]
    from_unit: str
    to_unit: str
    def __init__(self, from_unit: _Optional[str] = ..., to_unit: _Optional[str] = ...) -> None: ...

class GraphGroup(_message.Message):
    __slots__ = ("units",)
    UNITS_FIELD_NUMBER: _ClassVar[int]
    units: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, units: _Optional[_Iterable[str]] = ...) -> None: ...

class GraphChain(_message.Message):
    __slots__ = ("units",)
    UNITS_FIELD_NUMBER: _ClassVar[int]
    units: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, units: _Optional[_Iterable[str]] = ...) -> None: ...

class OutputChange(_message.Message):
    __slots__ = ("output", "action", "before_json", "after_json", "after_unknown")
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    BEFORE_JSON_FIELD_NUMBER: _ClassVar[int]
    AFTER_JSON_FIELD_NUMBER: _ClassVar[int]
    AFTER_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    output: str
    action: str
    before_json: str
    after_json: str
    after_unknown: bool
    def __init__(self, output: _Optional[str] = ..., action: _Optional[str] = ..., before_json: _Optional[str] = ..., after_json: _Optional[str] = ..., after_unknown: _Optional[bool] = ...) -> None: ...

class ResourceChange(_message.Message):
    __slots__ = ("address", "previous_address", "module", "type", "provider", "actions", "deposed", "attributes", "replace_paths", "import_id", "unit")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    MODULE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    DEPOSED_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    REPLACE_PATHS_FIELD_NUMBER: _ClassVar[int]
    IMPORT_ID_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    address: str
    previous_address: str
    module: str
    type: str
    provider: str
    actions: _containers.RepeatedScalarFieldContainer[str]
    deposed: str
    attributes: _containers.RepeatedCompositeFieldContainer[AttributeChange]
    replace_paths: _containers.RepeatedScalarFieldContainer[str]
    import_id: str
    unit: str
    def __init__(self, address: _Optional[str] = ..., previous_address: _Optional[str] = ..., module: _Optional[str] = ..., type: _Optional[str] = ..., provider: _Optional[str] = ..., actions: _Optional[_Iterable[str]] = ..., deposed: _Optional[str] = ..., attributes: _Optional[_Iterable[_Union[AttributeChange, _Mapping]]] = ..., replace_paths: _Optional[_Iterable[str]] = ..., import_id: _Optional[str] = ..., unit: _Optional[str] = ...) -> None: ...

class AttributeChange(_message.Message):
    __slots__ = ("path", "before_json", "after_json", "after_unknown", "sensitive")
    PATH_FIELD_NUMBER: _ClassVar[int]
    BEFORE_JSON_FIELD_NUMBER: _ClassVar[int]
    AFTER_JSON_FIELD_NUMBER: _ClassVar[int]
    AFTER_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    SENSITIVE_FIELD_NUMBER: _ClassVar[int]
    path: str
    before_json: str
    after_json: str
    after_unknown: bool
    sensitive: bool
    def __init__(self, path: _Optional[str] = ..., before_json: _Optional[str] = ..., after_json: _Optional[str] = ..., after_unknown: _Optional[bool] = ..., sensitive: _Optional[bool] = ...) -> None: ...

class LogChunk(_message.Message):
    __slots__ = ("offset", "text", "step", "received_at")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    offset: int
    text: str
    step: str
    received_at: _timestamp_pb2.Timestamp
    def __init__(self, offset: _Optional[int] = ..., text: _Optional[str] = ..., step: _Optional[str] = ..., received_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
