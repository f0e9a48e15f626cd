import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from stackly.options.v1 import options_pb2 as _options_pb2
from stackly.v1 import runs_pb2 as _runs_pb2
from stackly.worker.v1 import tasks_pb2 as _tasks_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AuditedDifference(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDITED_DIFFERENCE_UNSPECIFIED: _ClassVar[AuditedDifference]
    AUDITED_DIFFERENCE_PENDING: _ClassVar[AuditedDifference]
    AUDITED_DIFFERENCE_STATE: _ClassVar[AuditedDifference]
    AUDITED_DIFFERENCE_WORLD: _ClassVar[AuditedDifference]
    AUDITED_DIFFERENCE_SAME: _ClassVar[AuditedDifference]
    AUDITED_DIFFERENCE_OTHER: _ClassVar[AuditedDifference]

class UnitBatchStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    UNIT_BATCH_STATUS_UNSPECIFIED: _ClassVar[UnitBatchStatus]
    UNIT_BATCH_STATUS_RUNNING: _ClassVar[UnitBatchStatus]
    UNIT_BATCH_STATUS_SUCCEEDED: _ClassVar[UnitBatchStatus]
    UNIT_BATCH_STATUS_FAILED: _ClassVar[UnitBatchStatus]
    UNIT_BATCH_STATUS_CANCELED: _ClassVar[UnitBatchStatus]
    UNIT_BATCH_STATUS_SKIPPED: _ClassVar[UnitBatchStatus]
    UNIT_BATCH_STATUS_DEFERRED: _ClassVar[UnitBatchStatus]
AUDITED_DIFFERENCE_UNSPECIFIED: AuditedDifference
AUDITED_DIFFERENCE_PENDING: AuditedDifference
AUDITED_DIFFERENCE_STATE: AuditedDifference
AUDITED_DIFFERENCE_WORLD: AuditedDifference
AUDITED_DIFFERENCE_SAME: AuditedDifference
AUDITED_DIFFERENCE_OTHER: AuditedDifference
UNIT_BATCH_STATUS_UNSPECIFIED: UnitBatchStatus
UNIT_BATCH_STATUS_RUNNING: UnitBatchStatus
UNIT_BATCH_STATUS_SUCCEEDED: UnitBatchStatus
UNIT_BATCH_STATUS_FAILED: UnitBatchStatus
UNIT_BATCH_STATUS_CANCELED: UnitBatchStatus
UNIT_BATCH_STATUS_SKIPPED: UnitBatchStatus
UNIT_BATCH_STATUS_DEFERRED: UnitBatchStatus

class GetBatchSpecRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetBatchSpecResponse(_message.Message):
    __slots__ = ("batch", "run", "run_type", "commit", "root_path", "engine", "variables", "sensitive_variables", "hash_key", "timeout_seconds", "state_serial", "state_lineage", "plan_sha256", "stop_grace_seconds", "step", "log_offset", "slices", "work_key", "units", "unit_options", "artifact_sha256", "costs")
    class VariablesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    BATCH_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    RUN_TYPE_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    ROOT_PATH_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    SENSITIVE_VARIABLES_FIELD_NUMBER: _ClassVar[int]
    HASH_KEY_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    STATE_SERIAL_FIELD_NUMBER: _ClassVar[int]
    STATE_LINEAGE_FIELD_NUMBER: _ClassVar[int]
    PLAN_SHA256_FIELD_NUMBER: _ClassVar[int]
    STOP_GRACE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    LOG_OFFSET_FIELD_NUMBER: _ClassVar[int]
    SLICES_FIELD_NUMBER: _ClassVar[int]
    WORK_KEY_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    UNIT_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_SHA256_FIELD_NUMBER: _ClassVar[int]
    COSTS_FIELD_NUMBER: _ClassVar[int]
    batch: _tasks_pb2.BatchRef
    run: str
    run_type: _runs_pb2.RunType
    commit: str
    root_path: str
    engine: str
    variables: _containers.ScalarMap[str, str]
    sensitive_variables: _containers.RepeatedScalarFieldContainer[str]
    hash_key: bytes
    timeout_seconds: int
    state_serial: int
    state_lineage: str
    plan_sha256: str
    stop_grace_seconds: int
    step: str
    log_offset: int
    slices: _containers.RepeatedScalarFieldContainer[str]
    work_key: str
    units: bool
    unit_options: UnitOptions
    artifact_sha256: str
    costs: _containers.RepeatedCompositeFieldContainer[UnitBatchCost]
    def __init__(self, batch: _Optional[_Union[_tasks_pb2.BatchRef, _Mapping]] = ..., run: _Optional[str] = ..., run_type: _Optional[_Union[_runs_pb2.RunType, str]] = ..., commit: _Optional[str] = ..., root_path: _Optional[str] = ..., engine: _Optional[str] = ..., variables: _Optional[_Mapping[str, str]] = ..., sensitive_variables: _Optional[_Iterable[str]] = ..., hash_key: _Optional[bytes] = ..., timeout_seconds: _Optional[int] = ..., state_serial: _Optional[int] = ..., state_lineage: _Optional[str] = ..., plan_sha256: _Optional[str] = ..., stop_grace_seconds: _Optional[int] = ..., step: _Optional[str] = ..., log_offset: _Optional[int] = ..., slices: _Optional[_Iterable[str]] = ..., work_key: _Optional[str] = ..., units: _Optional[bool] = ..., unit_options: _Optional[_Union[UnitOptions, _Mapping]] = ..., artifact_sha256: _Optional[str] = ..., costs: _Optional[_Iterable[_Union[UnitBatchCost, _Mapping]]] = ...) -> None: ...

class UnitOptions(_message.Message):
    __slots__ = ("data_refresh_seconds", "max_age_seconds", "max_parallel")
    DATA_REFRESH_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MAX_PARALLEL_FIELD_NUMBER: _ClassVar[int]
    data_refresh_seconds: int
    max_age_seconds: int
    max_parallel: int
    def __init__(self, data_refresh_seconds: _Optional[int] = ..., max_age_seconds: _Optional[int] = ..., max_parallel: _Optional[int] = ...) -> None: ...

class FetchSourceRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FetchSourceResponse(_message.Message):
    __slots__ = ("entry", "chunk", "end")
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    entry: SourceEntry
    chunk: bytes
    end: SourceEnd
    def __init__(self, entry: _Optional[_Union[SourceEntry, _Mapping]] = ..., chunk: _Optional[bytes] = ..., end: _Optional[_Union[SourceEnd, _Mapping]] = ...) -> None: ...

class SourceEntry(_message.Message):
    __slots__ = ("path", "executable", "link_target", "size_bytes")
    PATH_FIELD_NUMBER: _ClassVar[int]
    EXECUTABLE_FIELD_NUMBER: _ClassVar[int]
    LINK_TARGET_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    path: str
    executable: bool
    link_target: str
    size_bytes: int
    def __init__(self, path: _Optional[str] = ..., executable: _Optional[bool] = ..., link_target: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class SourceEnd(_message.Message):
    __slots__ = ("entries", "tree_sha256")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    TREE_SHA256_FIELD_NUMBER: _ClassVar[int]
    entries: int
    tree_sha256: str
    def __init__(self, entries: _Optional[int] = ..., tree_sha256: _Optional[str] = ...) -> None: ...

class FetchStateRequest(_message.Message):
    __slots__ = ("outline", "units", "serial")
    OUTLINE_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    outline: bool
    units: _containers.RepeatedScalarFieldContainer[str]
    serial: int
    def __init__(self, outline: _Optional[bool] = ..., units: _Optional[_Iterable[str]] = ..., serial: _Optional[int] = ...) -> None: ...

class FetchStateResponse(_message.Message):
    __slots__ = ("chunk", "sha256", "outline")
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    OUTLINE_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    sha256: str
    outline: bool
    def __init__(self, chunk: _Optional[bytes] = ..., sha256: _Optional[str] = ..., outline: _Optional[bool] = ...) -> None: ...

class FetchPlanRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FetchPlanResponse(_message.Message):
    __slots__ = ("chunk", "sha256")
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    sha256: str
    def __init__(self, chunk: _Optional[bytes] = ..., sha256: _Optional[str] = ...) -> None: ...

class FetchArtifactRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FetchArtifactResponse(_message.Message):
    __slots__ = ("chunk", "sha256")
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    sha256: str
    def __init__(self, chunk: _Optional[bytes] = ..., sha256: _Optional[str] = ...) -> None: ...

class KeepArtifactRequest(_message.Message):
    __slots__ = ("sha256", "chunk")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    chunk: bytes
    def __init__(self, sha256: _Optional[str] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class KeepArtifactResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AppendRunLogsRequest(_message.Message):
    __slots__ = ("offset", "data")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    offset: int
    data: bytes
    def __init__(self, offset: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class AppendRunLogsResponse(_message.Message):
    __slots__ = ("next_offset",)
    NEXT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    next_offset: int
    def __init__(self, next_offset: _Optional[int] = ...) -> None: ...

class SubmitPlanRequest(_message.Message):
    __slots__ = ("header", "projected", "plan_file")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    PROJECTED_FIELD_NUMBER: _ClassVar[int]
    PLAN_FILE_FIELD_NUMBER: _ClassVar[int]
    header: PlanHeader
    projected: bytes
    plan_file: bytes
    def __init__(self, header: _Optional[_Union[PlanHeader, _Mapping]] = ..., projected: _Optional[bytes] = ..., plan_file: _Optional[bytes] = ...) -> None: ...

class PlanHeader(_message.Message):
    __slots__ = ("engine", "platform", "tree_sha256", "state_serial", "state_lineage", "projected_sha256", "plan_sha256", "has_changes", "whole_reasons", "record_generations", "artifact_sha256", "audit")
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    TREE_SHA256_FIELD_NUMBER: _ClassVar[int]
    STATE_SERIAL_FIELD_NUMBER: _ClassVar[int]
    STATE_LINEAGE_FIELD_NUMBER: _ClassVar[int]
    PROJECTED_SHA256_FIELD_NUMBER: _ClassVar[int]
    PLAN_SHA256_FIELD_NUMBER: _ClassVar[int]
    HAS_CHANGES_FIELD_NUMBER: _ClassVar[int]
    WHOLE_REASONS_FIELD_NUMBER: _ClassVar[int]
    RECORD_GENERATIONS_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_SHA256_FIELD_NUMBER: _ClassVar[int]
    AUDIT_FIELD_NUMBER: _ClassVar[int]
    engine: str
    platform: str
    tree_sha256: str
    state_serial: int
    state_lineage: str
    projected_sha256: str
    plan_sha256: str
    has_changes: bool
    whole_reasons: _containers.RepeatedScalarFieldContainer[str]
    record_generations: int
    artifact_sha256: str
    audit: AuditReport
    def __init__(self, engine: _Optional[str] = ..., platform: _Optional[str] = ..., tree_sha256: _Optional[str] = ..., state_serial: _Optional[int] = ..., state_lineage: _Optional[str] = ..., projected_sha256: _Optional[str] = ..., plan_sha256: _Optional[str] = ..., has_changes: _Optional[bool] = ..., whole_reasons: _Optional[_Iterable[str]] = ..., record_generations: _Optional[int] = ..., artifact_sha256: _Optional[str] = ..., audit: _Optional[_Union[AuditReport, _Mapping]] = ...) -> None: ...

class AuditReport(_message.Message):
    __slots__ = ("nothing", "audited_units", "addresses")
    NOTHING_FIELD_NUMBER: _ClassVar[int]
    AUDITED_UNITS_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    nothing: str
    audited_units: int
    addresses: _containers.RepeatedCompositeFieldContainer[AuditedAddress]
    def __init__(self, nothing: _Optional[str] = ..., audited_units: _Optional[int] = ..., addresses: _Optional[_Iterable[_Union[AuditedAddress, _Mapping]]] = ...) -> None: ...

class AuditedAddress(_message.Message):
    __slots__ = ("unit", "address", "difference", "detail")
    UNIT_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    unit: str
    address: str
    difference: AuditedDifference
    detail: str
    def __init__(self, unit: _Optional[str] = ..., address: _Optional[str] = ..., difference: _Optional[_Union[AuditedDifference, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class SubmitPlanResponse(_message.Message):
    __slots__ = ("plan_digest",)
    PLAN_DIGEST_FIELD_NUMBER: _ClassVar[int]
    plan_digest: str
    def __init__(self, plan_digest: _Optional[str] = ...) -> None: ...

class StartApplyRequest(_message.Message):
    __slots__ = ("start_token", "units")
    START_TOKEN_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    start_token: str
    units: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, start_token: _Optional[str] = ..., units: _Optional[_Iterable[str]] = ...) -> None: ...

class StartApplyResponse(_message.Message):
    __slots__ = ("helpers",)
    HELPERS_FIELD_NUMBER: _ClassVar[int]
    helpers: int
    def __init__(self, helpers: _Optional[int] = ...) -> None: ...

class OfferBatchRequest(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: OfferHeader
    chunk: bytes
    def __init__(self, header: _Optional[_Union[OfferHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class OfferHeader(_message.Message):
    __slots__ = ("batch", "slices", "sha256")
    BATCH_FIELD_NUMBER: _ClassVar[int]
    SLICES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    batch: str
    slices: _containers.RepeatedScalarFieldContainer[str]
    sha256: str
    def __init__(self, batch: _Optional[str] = ..., slices: _Optional[_Iterable[str]] = ..., sha256: _Optional[str] = ...) -> None: ...

class OfferBatchResponse(_message.Message):
    __slots__ = ("accepted",)
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    accepted: bool
    def __init__(self, accepted: _Optional[bool] = ...) -> None: ...

class WatchBatchesRequest(_message.Message):
    __slots__ = ("wait_seconds", "known")
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    wait_seconds: int
    known: _containers.RepeatedCompositeFieldContainer[OfferedBatch]
    def __init__(self, wait_seconds: _Optional[int] = ..., known: _Optional[_Iterable[_Union[OfferedBatch, _Mapping]]] = ...) -> None: ...

class WatchBatchesResponse(_message.Message):
    __slots__ = ("batches",)
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    batches: _containers.RepeatedCompositeFieldContainer[OfferedBatch]
    def __init__(self, batches: _Optional[_Iterable[_Union[OfferedBatch, _Mapping]]] = ...) -> None: ...

class OfferedBatch(_message.Message):
    __slots__ = ("batch", "claimed", "done", "outcome")
    BATCH_FIELD_NUMBER: _ClassVar[int]
    CLAIMED_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    batch: str
    claimed: bool
    done: bool
    outcome: _tasks_pb2.BatchOutcome
    def __init__(self, batch: _Optional[str] = ..., claimed: _Optional[bool] = ..., done: _Optional[bool] = ..., outcome: _Optional[_Union[_tasks_pb2.BatchOutcome, str]] = ...) -> None: ...

class WithdrawBatchRequest(_message.Message):
    __slots__ = ("batch",)
    BATCH_FIELD_NUMBER: _ClassVar[int]
    batch: str
    def __init__(self, batch: _Optional[str] = ...) -> None: ...

class WithdrawBatchResponse(_message.Message):
    __slots__ = ("withdrawn",)
    WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    withdrawn: bool
    def __init__(self, withdrawn: _Optional[bool] = ...) -> None: ...

class SubmitResultRequest(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: ResultHeader
    chunk: bytes
    def __init__(self, header: _Optional[_Union[ResultHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class ResultHeader(_message.Message):
    __slots__ = ("sha256",)
    SHA256_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    def __init__(self, sha256: _Optional[str] = ...) -> None: ...

class SubmitResultResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FetchResultRequest(_message.Message):
    __slots__ = ("batch",)
    BATCH_FIELD_NUMBER: _ClassVar[int]
    batch: str
    def __init__(self, batch: _Optional[str] = ...) -> None: ...

class FetchResultResponse(_message.Message):
    __slots__ = ("chunk", "sha256")
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    sha256: str
    def __init__(self, chunk: _Optional[bytes] = ..., sha256: _Optional[str] = ...) -> None: ...

class VerifyPlanRequest(_message.Message):
    __slots__ = ("header", "projected", "reads")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    PROJECTED_FIELD_NUMBER: _ClassVar[int]
    READS_FIELD_NUMBER: _ClassVar[int]
    header: VerifyPlanHeader
    projected: bytes
    reads: ReadExports
    def __init__(self, header: _Optional[_Union[VerifyPlanHeader, _Mapping]] = ..., projected: _Optional[bytes] = ..., reads: _Optional[_Union[ReadExports, _Mapping]] = ...) -> None: ...

class ReadExports(_message.Message):
    __slots__ = ("exports",)
    EXPORTS_FIELD_NUMBER: _ClassVar[int]
    exports: _containers.RepeatedCompositeFieldContainer[ReadExport]
    def __init__(self, exports: _Optional[_Iterable[_Union[ReadExport, _Mapping]]] = ...) -> None: ...

class ReadExport(_message.Message):
    __slots__ = ("address", "attribute", "hashed")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTE_FIELD_NUMBER: _ClassVar[int]
    HASHED_FIELD_NUMBER: _ClassVar[int]
    address: str
    attribute: str
    hashed: str
    def __init__(self, address: _Optional[str] = ..., attribute: _Optional[str] = ..., hashed: _Optional[str] = ...) -> None: ...

class VerifyPlanHeader(_message.Message):
    __slots__ = ("units", "projected_sha256")
    UNITS_FIELD_NUMBER: _ClassVar[int]
    PROJECTED_SHA256_FIELD_NUMBER: _ClassVar[int]
    units: _containers.RepeatedScalarFieldContainer[str]
    projected_sha256: str
    def __init__(self, units: _Optional[_Iterable[str]] = ..., projected_sha256: _Optional[str] = ...) -> None: ...

class VerifyPlanResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FetchRecordsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FetchRecordsResponse(_message.Message):
    __slots__ = ("record",)
    RECORD_FIELD_NUMBER: _ClassVar[int]
    record: UnitRecord
    def __init__(self, record: _Optional[_Union[UnitRecord, _Mapping]] = ...) -> None: ...

class UnitRecord(_message.Message):
    __slots__ = ("unit", "generation", "record", "exports")
    UNIT_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    EXPORTS_FIELD_NUMBER: _ClassVar[int]
    unit: str
    generation: int
    record: bytes
    exports: bytes
    def __init__(self, unit: _Optional[str] = ..., generation: _Optional[int] = ..., record: _Optional[bytes] = ..., exports: _Optional[bytes] = ...) -> None: ...

class WriteRecordsRequest(_message.Message):
    __slots__ = ("records",)
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[UnitRecord]
    def __init__(self, records: _Optional[_Iterable[_Union[UnitRecord, _Mapping]]] = ...) -> None: ...

class WriteRecordsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class UnitBatchCost(_message.Message):
    __slots__ = ("resources", "seconds")
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    resources: int
    seconds: float
    def __init__(self, resources: _Optional[int] = ..., seconds: _Optional[float] = ...) -> None: ...

class ReportUnitsRequest(_message.Message):
    __slots__ = ("batches",)
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    batches: _containers.RepeatedCompositeFieldContainer[UnitBatch]
    def __init__(self, batches: _Optional[_Iterable[_Union[UnitBatch, _Mapping]]] = ...) -> None: ...

class ReportUnitsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class UnitBatch(_message.Message):
    __slots__ = ("number", "units", "status", "began_ms_ago", "took_ms", "resources", "replan_ms")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    BEGAN_MS_AGO_FIELD_NUMBER: _ClassVar[int]
    TOOK_MS_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    REPLAN_MS_FIELD_NUMBER: _ClassVar[int]
    number: int
    units: _containers.RepeatedScalarFieldContainer[str]
    status: UnitBatchStatus
    began_ms_ago: int
    took_ms: int
    resources: int
    replan_ms: int
    def __init__(self, number: _Optional[int] = ..., units: _Optional[_Iterable[str]] = ..., status: _Optional[_Union[UnitBatchStatus, str]] = ..., began_ms_ago: _Optional[int] = ..., took_ms: _Optional[int] = ..., resources: _Optional[int] = ..., replan_ms: _Optional[int] = ...) -> None: ...

class WriteStateRequest(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: StateHeader
    chunk: bytes
    def __init__(self, header: _Optional[_Union[StateHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class StateHeader(_message.Message):
    __slots__ = ("serial", "lineage", "sha256", "final", "slices")
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    LINEAGE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    SLICES_FIELD_NUMBER: _ClassVar[int]
    serial: int
    lineage: str
    sha256: str
    final: bool
    slices: StateSlices
    def __init__(self, serial: _Optional[int] = ..., lineage: _Optional[str] = ..., sha256: _Optional[str] = ..., final: _Optional[bool] = ..., slices: _Optional[_Union[StateSlices, _Mapping]] = ...) -> None: ...

class StateSlices(_message.Message):
    __slots__ = ("head_bytes", "slices")
    HEAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    SLICES_FIELD_NUMBER: _ClassVar[int]
    head_bytes: int
    slices: _containers.RepeatedCompositeFieldContainer[StateSlice]
    def __init__(self, head_bytes: _Optional[int] = ..., slices: _Optional[_Iterable[_Union[StateSlice, _Mapping]]] = ...) -> None: ...

class StateSlice(_message.Message):
    __slots__ = ("unit", "sha256", "size_bytes")
    UNIT_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    unit: str
    sha256: str
    size_bytes: int
    def __init__(self, unit: _Optional[str] = ..., sha256: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class WriteStateResponse(_message.Message):
    __slots__ = ("accepted", "detail", "serial")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    accepted: bool
    detail: str
    serial: int
    def __init__(self, accepted: _Optional[bool] = ..., detail: _Optional[str] = ..., serial: _Optional[int] = ...) -> None: ...

class RenewLeaseRequest(_message.Message):
    __slots__ = ("wait_seconds",)
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    wait_seconds: int
    def __init__(self, wait_seconds: _Optional[int] = ...) -> None: ...

class RenewLeaseResponse(_message.Message):
    __slots__ = ("lease_expires_at", "stop", "force")
    LEASE_EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    lease_expires_at: _timestamp_pb2.Timestamp
    stop: bool
    force: bool
    def __init__(self, lease_expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., stop: _Optional[bool] = ..., force: _Optional[bool] = ...) -> None: ...

class FinishBatchRequest(_message.Message):
    __slots__ = ("outcome", "error", "suspects", "exit_code", "left_units", "unit_batches")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    SUSPECTS_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    LEFT_UNITS_FIELD_NUMBER: _ClassVar[int]
    UNIT_BATCHES_FIELD_NUMBER: _ClassVar[int]
    outcome: _tasks_pb2.BatchOutcome
    error: _runs_pb2.RunError
    suspects: _containers.RepeatedScalarFieldContainer[str]
    exit_code: int
    left_units: _containers.RepeatedCompositeFieldContainer[_runs_pb2.LeftUnit]
    unit_batches: _containers.RepeatedCompositeFieldContainer[UnitBatch]
    def __init__(self, outcome: _Optional[_Union[_tasks_pb2.BatchOutcome, str]] = ..., error: _Optional[_Union[_runs_pb2.RunError, _Mapping]] = ..., suspects: _Optional[_Iterable[str]] = ..., exit_code: _Optional[int] = ..., left_units: _Optional[_Iterable[_Union[_runs_pb2.LeftUnit, _Mapping]]] = ..., unit_batches: _Optional[_Iterable[_Union[UnitBatch, _Mapping]]] = ...) -> None: ...

class FinishBatchResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
