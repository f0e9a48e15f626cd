from stackly.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BatchPhase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BATCH_PHASE_UNSPECIFIED: _ClassVar[BatchPhase]
    BATCH_PHASE_PLAN: _ClassVar[BatchPhase]
    BATCH_PHASE_APPLY: _ClassVar[BatchPhase]

class BatchOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BATCH_OUTCOME_UNSPECIFIED: _ClassVar[BatchOutcome]
    BATCH_OUTCOME_SUCCEEDED: _ClassVar[BatchOutcome]
    BATCH_OUTCOME_FAILED: _ClassVar[BatchOutcome]
    BATCH_OUTCOME_GONE: _ClassVar[BatchOutcome]
    BATCH_OUTCOME_LOST: _ClassVar[BatchOutcome]
    BATCH_OUTCOME_PARTIAL: _ClassVar[BatchOutcome]
    BATCH_OUTCOME_STALE: _ClassVar[BatchOutcome]
BATCH_PHASE_UNSPECIFIED: BatchPhase
BATCH_PHASE_PLAN: BatchPhase
BATCH_PHASE_APPLY: BatchPhase
BATCH_OUTCOME_UNSPECIFIED: BatchOutcome
BATCH_OUTCOME_SUCCEEDED: BatchOutcome
BATCH_OUTCOME_FAILED: BatchOutcome
BATCH_OUTCOME_GONE: BatchOutcome
BATCH_OUTCOME_LOST: BatchOutcome
BATCH_OUTCOME_PARTIAL: BatchOutcome
BATCH_OUTCOME_STALE: BatchOutcome

class BatchRef(_message.Message):
    __slots__ = ("run_id", "plan_number", "batch", "phase")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_NUMBER_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    plan_number: int
    batch: str
    phase: BatchPhase
    def __init__(self, run_id: _Optional[str] = ..., plan_number: _Optional[int] = ..., batch: _Optional[str] = ..., phase: _Optional[_Union[BatchPhase, str]] = ...) -> None: ...

class PlanBatchRequest(_message.Message):
    __slots__ = ("batch", "nonce", "run")
    BATCH_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    batch: BatchRef
    nonce: str
    run: str
    def __init__(self, batch: _Optional[_Union[BatchRef, _Mapping]] = ..., nonce: _Optional[str] = ..., run: _Optional[str] = ...) -> None: ...

class PlanBatchResponse(_message.Message):
    __slots__ = ("outcome",)
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    outcome: BatchOutcome
    def __init__(self, outcome: _Optional[_Union[BatchOutcome, str]] = ...) -> None: ...

class ApplyBatchRequest(_message.Message):
    __slots__ = ("batch", "nonce", "run")
    BATCH_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    batch: BatchRef
    nonce: str
    run: str
    def __init__(self, batch: _Optional[_Union[BatchRef, _Mapping]] = ..., nonce: _Optional[str] = ..., run: _Optional[str] = ...) -> None: ...

class ApplyBatchResponse(_message.Message):
    __slots__ = ("outcome",)
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    outcome: BatchOutcome
    def __init__(self, outcome: _Optional[_Union[BatchOutcome, str]] = ...) -> None: ...

class AttachBatchRequest(_message.Message):
    __slots__ = ("batch", "run")
    BATCH_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    batch: BatchRef
    run: str
    def __init__(self, batch: _Optional[_Union[BatchRef, _Mapping]] = ..., run: _Optional[str] = ...) -> None: ...

class AttachBatchResponse(_message.Message):
    __slots__ = ("outcome",)
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    outcome: BatchOutcome
    def __init__(self, outcome: _Optional[_Union[BatchOutcome, str]] = ...) -> None: ...
