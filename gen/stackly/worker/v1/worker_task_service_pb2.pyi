import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from stackly.options.v1 import options_pb2 as _options_pb2
from stackly.worker.v1 import tasks_pb2 as _tasks_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ClaimBatchRequest(_message.Message):
    __slots__ = ("batch", "nonce")
    BATCH_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    batch: _tasks_pb2.BatchRef
    nonce: str
    def __init__(self, batch: _Optional[_Union[_tasks_pb2.BatchRef, _Mapping]] = ..., nonce: _Optional[str] = ...) -> None: ...

class ClaimBatchResponse(_message.Message):
    __slots__ = ("lease",)
    LEASE_FIELD_NUMBER: _ClassVar[int]
    lease: BatchLease
    def __init__(self, lease: _Optional[_Union[BatchLease, _Mapping]] = ...) -> None: ...

class ReclaimBatchRequest(_message.Message):
    __slots__ = ("batch",)
    BATCH_FIELD_NUMBER: _ClassVar[int]
    batch: _tasks_pb2.BatchRef
    def __init__(self, batch: _Optional[_Union[_tasks_pb2.BatchRef, _Mapping]] = ...) -> None: ...

class ReclaimBatchResponse(_message.Message):
    __slots__ = ("lease",)
    LEASE_FIELD_NUMBER: _ClassVar[int]
    lease: BatchLease
    def __init__(self, lease: _Optional[_Union[BatchLease, _Mapping]] = ...) -> None: ...

class BatchLease(_message.Message):
    __slots__ = ("run_token", "epoch", "lease_expires_at", "work_key")
    RUN_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    LEASE_EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    WORK_KEY_FIELD_NUMBER: _ClassVar[int]
    run_token: str
    epoch: int
    lease_expires_at: _timestamp_pb2.Timestamp
    work_key: str
    def __init__(self, run_token: _Optional[str] = ..., epoch: _Optional[int] = ..., lease_expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., work_key: _Optional[str] = ...) -> None: ...

class GetBatchStatusRequest(_message.Message):
    __slots__ = ("batch",)
    BATCH_FIELD_NUMBER: _ClassVar[int]
    batch: _tasks_pb2.BatchRef
    def __init__(self, batch: _Optional[_Union[_tasks_pb2.BatchRef, _Mapping]] = ...) -> None: ...

class GetBatchStatusResponse(_message.Message):
    __slots__ = ("done", "outcome", "apply_started", "lease_over")
    DONE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    APPLY_STARTED_FIELD_NUMBER: _ClassVar[int]
    LEASE_OVER_FIELD_NUMBER: _ClassVar[int]
    done: bool
    outcome: _tasks_pb2.BatchOutcome
    apply_started: bool
    lease_over: bool
    def __init__(self, done: _Optional[bool] = ..., outcome: _Optional[_Union[_tasks_pb2.BatchOutcome, str]] = ..., apply_started: _Optional[bool] = ..., lease_over: _Optional[bool] = ...) -> None: ...

class GetPayloadKeysRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetPayloadKeysResponse(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[PayloadKey]
    def __init__(self, keys: _Optional[_Iterable[_Union[PayloadKey, _Mapping]]] = ...) -> None: ...

class PayloadKey(_message.Message):
    __slots__ = ("version", "key")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    version: int
    key: bytes
    def __init__(self, version: _Optional[int] = ..., key: _Optional[bytes] = ...) -> None: ...
