import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from stackly.options.v1 import options_pb2 as _options_pb2
from stackly.v1 import policies_pb2 as _policies_pb2
from stackly.v1 import states_pb2 as _states_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StackCodeStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STACK_CODE_STATUS_UNSPECIFIED: _ClassVar[StackCodeStatus]
    STACK_CODE_STATUS_ACTIVE: _ClassVar[StackCodeStatus]
    STACK_CODE_STATUS_INVALID: _ClassVar[StackCodeStatus]
    STACK_CODE_STATUS_DEREGISTERED: _ClassVar[StackCodeStatus]

class StackStateStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STACK_STATE_STATUS_UNSPECIFIED: _ClassVar[StackStateStatus]
    STACK_STATE_STATUS_PENDING: _ClassVar[StackStateStatus]
    STACK_STATE_STATUS_ACTIVE: _ClassVar[StackStateStatus]
    STACK_STATE_STATUS_LOOSE: _ClassVar[StackStateStatus]
    STACK_STATE_STATUS_DESTROYING: _ClassVar[StackStateStatus]
    STACK_STATE_STATUS_DESTROYED: _ClassVar[StackStateStatus]
    STACK_STATE_STATUS_DELETED: _ClassVar[StackStateStatus]

class StackStateCondition(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STACK_STATE_CONDITION_UNSPECIFIED: _ClassVar[StackStateCondition]
    STACK_STATE_CONDITION_LOCKED: _ClassVar[StackStateCondition]
    STACK_STATE_CONDITION_UPDATE_AVAILABLE: _ClassVar[StackStateCondition]
    STACK_STATE_CONDITION_LAST_RUN_FAILED: _ClassVar[StackStateCondition]
    STACK_STATE_CONDITION_HISTORY_MISMATCH: _ClassVar[StackStateCondition]
    STACK_STATE_CONDITION_ENGINE_SUSPENDED: _ClassVar[StackStateCondition]
STACK_CODE_STATUS_UNSPECIFIED: StackCodeStatus
STACK_CODE_STATUS_ACTIVE: StackCodeStatus
STACK_CODE_STATUS_INVALID: StackCodeStatus
STACK_CODE_STATUS_DEREGISTERED: StackCodeStatus
STACK_STATE_STATUS_UNSPECIFIED: StackStateStatus
STACK_STATE_STATUS_PENDING: StackStateStatus
STACK_STATE_STATUS_ACTIVE: StackStateStatus
STACK_STATE_STATUS_LOOSE: StackStateStatus
STACK_STATE_STATUS_DESTROYING: StackStateStatus
STACK_STATE_STATUS_DESTROYED: StackStateStatus
STACK_STATE_STATUS_DELETED: StackStateStatus
STACK_STATE_CONDITION_UNSPECIFIED: StackStateCondition
STACK_STATE_CONDITION_LOCKED: StackStateCondition
STACK_STATE_CONDITION_UPDATE_AVAILABLE: StackStateCondition
STACK_STATE_CONDITION_LAST_RUN_FAILED: StackStateCondition
STACK_STATE_CONDITION_HISTORY_MISMATCH: StackStateCondition
STACK_STATE_CONDITION_ENGINE_SUSPENDED: StackStateCondition

class StackCode(_message.Message):
    __slots__ = ("name", "uid", "etag", "repository", "repo_path", "ref", "current_commit", "status", "config", "findings", "stack_state_count", "created_at", "updated_at")
    NAME_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    REPO_PATH_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    CURRENT_COMMIT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    STACK_STATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    name: str
    uid: str
    etag: str
    repository: str
    repo_path: str
    ref: str
    current_commit: str
    status: StackCodeStatus
    config: StackConfig
    findings: _containers.RepeatedCompositeFieldContainer[_policies_pb2.Finding]
    stack_state_count: int
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., uid: _Optional[str] = ..., etag: _Optional[str] = ..., repository: _Optional[str] = ..., repo_path: _Optional[str] = ..., ref: _Optional[str] = ..., current_commit: _Optional[str] = ..., status: _Optional[_Union[StackCodeStatus, str]] = ..., config: _Optional[_Union[StackConfig, _Mapping]] = ..., findings: _Optional[_Iterable[_Union[_policies_pb2.Finding, _Mapping]]] = ..., stack_state_count: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StackConfig(_message.Message):
    __slots__ = ("stack", "version", "environment", "labels", "auto_deploy", "policies", "states", "engine", "required_features", "required_labels", "plan_timeout_seconds", "apply_timeout_seconds", "units", "data_refresh_seconds", "max_age_seconds", "audit_seconds", "max_parallel")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class RequiredLabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    STACK_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    AUTO_DEPLOY_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FEATURES_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_LABELS_FIELD_NUMBER: _ClassVar[int]
    PLAN_TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    APPLY_TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    DATA_REFRESH_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    AUDIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MAX_PARALLEL_FIELD_NUMBER: _ClassVar[int]
    stack: str
    version: str
    environment: str
    labels: _containers.ScalarMap[str, str]
    auto_deploy: bool
    policies: _containers.RepeatedScalarFieldContainer[str]
    states: _containers.RepeatedScalarFieldContainer[str]
    engine: str
    required_features: _containers.RepeatedScalarFieldContainer[str]
    required_labels: _containers.ScalarMap[str, str]
    plan_timeout_seconds: int
    apply_timeout_seconds: int
    units: bool
    data_refresh_seconds: int
    max_age_seconds: int
    audit_seconds: int
    max_parallel: int
    def __init__(self, stack: _Optional[str] = ..., version: _Optional[str] = ..., environment: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., auto_deploy: _Optional[bool] = ..., policies: _Optional[_Iterable[str]] = ..., states: _Optional[_Iterable[str]] = ..., engine: _Optional[str] = ..., required_features: _Optional[_Iterable[str]] = ..., required_labels: _Optional[_Mapping[str, str]] = ..., plan_timeout_seconds: _Optional[int] = ..., apply_timeout_seconds: _Optional[int] = ..., units: _Optional[bool] = ..., data_refresh_seconds: _Optional[int] = ..., max_age_seconds: _Optional[int] = ..., audit_seconds: _Optional[int] = ..., max_parallel: _Optional[int] = ...) -> None: ...

class StackCodeVersion(_message.Message):
    __slots__ = ("name", "commit", "author", "message", "committed_at", "config", "findings", "created_at")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_AT_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    name: str
    commit: str
    author: str
    message: str
    committed_at: _timestamp_pb2.Timestamp
    config: StackConfig
    findings: _containers.RepeatedCompositeFieldContainer[_policies_pb2.Finding]
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., commit: _Optional[str] = ..., author: _Optional[str] = ..., message: _Optional[str] = ..., committed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., config: _Optional[_Union[StackConfig, _Mapping]] = ..., findings: _Optional[_Iterable[_Union[_policies_pb2.Finding, _Mapping]]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StackState(_message.Message):
    __slots__ = ("name", "uid", "etag", "stack_code", "namespace", "state_block", "commit", "desired_commit", "environment", "labels", "variables", "auto_deploy", "status", "conditions", "serial", "lineage", "resource_count", "lock", "current_run", "last_applied_run", "created_at", "updated_at", "deleted_at", "purge_at", "engine_suspended")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class VariablesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Variable
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Variable, _Mapping]] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    STACK_CODE_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    STATE_BLOCK_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    DESIRED_COMMIT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    AUTO_DEPLOY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    LINEAGE_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_COUNT_FIELD_NUMBER: _ClassVar[int]
    LOCK_FIELD_NUMBER: _ClassVar[int]
    CURRENT_RUN_FIELD_NUMBER: _ClassVar[int]
    LAST_APPLIED_RUN_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    DELETED_AT_FIELD_NUMBER: _ClassVar[int]
    PURGE_AT_FIELD_NUMBER: _ClassVar[int]
    ENGINE_SUSPENDED_FIELD_NUMBER: _ClassVar[int]
    name: str
    uid: str
    etag: str
    stack_code: str
    namespace: str
    state_block: str
    commit: str
    desired_commit: str
    environment: str
    labels: _containers.ScalarMap[str, str]
    variables: _containers.MessageMap[str, Variable]
    auto_deploy: bool
    status: StackStateStatus
    conditions: _containers.RepeatedScalarFieldContainer[StackStateCondition]
    serial: int
    lineage: str
    resource_count: int
    lock: _states_pb2.StateLock
    current_run: str
    last_applied_run: str
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    deleted_at: _timestamp_pb2.Timestamp
    purge_at: _timestamp_pb2.Timestamp
    engine_suspended: bool
    def __init__(self, name: _Optional[str] = ..., uid: _Optional[str] = ..., etag: _Optional[str] = ..., stack_code: _Optional[str] = ..., namespace: _Optional[str] = ..., state_block: _Optional[str] = ..., commit: _Optional[str] = ..., desired_commit: _Optional[str] = ..., environment: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., variables: _Optional[_Mapping[str, Variable]] = ..., auto_deploy: _Optional[bool] = ..., status: _Optional[_Union[StackStateStatus, str]] = ..., conditions: _Optional[_Iterable[_Union[StackStateCondition, str]]] = ..., serial: _Optional[int] = ..., lineage: _Optional[str] = ..., resource_count: _Optional[int] = ..., lock: _Optional[_Union[_states_pb2.StateLock, _Mapping]] = ..., current_run: _Optional[str] = ..., last_applied_run: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., deleted_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., purge_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., engine_suspended: _Optional[bool] = ...) -> None: ...

class Variable(_message.Message):
    __slots__ = ("json", "sensitive")
    JSON_FIELD_NUMBER: _ClassVar[int]
    SENSITIVE_FIELD_NUMBER: _ClassVar[int]
    json: str
    sensitive: bool
    def __init__(self, json: _Optional[str] = ..., sensitive: _Optional[bool] = ...) -> None: ...
