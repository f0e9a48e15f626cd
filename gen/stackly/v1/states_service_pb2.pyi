import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.rpc import status_pb2 as _status_pb2
from stackly.options.v1 import options_pb2 as _options_pb2
from stackly.v1 import states_pb2 as _states_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListStateVersionsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListStateVersionsResponse(_message.Message):
    __slots__ = ("state_versions", "next_page_token")
    STATE_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    state_versions: _containers.RepeatedCompositeFieldContainer[_states_pb2.StateVersion]
    next_page_token: str
    def __init__(self, state_versions: _Optional[_Iterable[_Union[_states_pb2.StateVersion, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetStateVersionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetStateVersionResponse(_message.Message):
    __slots__ = ("state_version",)
    STATE_VERSION_FIELD_NUMBER: _ClassVar[int]
    state_version: _states_pb2.StateVersion
    def __init__(self, state_version: _Optional[_Union[_states_pb2.StateVersion, _Mapping]] = ...) -> None: ...

class ExportStateVersionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ExportStateVersionResponse(_message.Message):
    __slots__ = ("state_version", "chunk", "end")
    STATE_VERSION_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    state_version: _states_pb2.StateVersion
    chunk: bytes
    end: _status_pb2.Status
    def __init__(self, state_version: _Optional[_Union[_states_pb2.StateVersion, _Mapping]] = ..., chunk: _Optional[bytes] = ..., end: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class LockStateRequest(_message.Message):
    __slots__ = ("name", "reason", "ttl")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    name: str
    reason: str
    ttl: _duration_pb2.Duration
    def __init__(self, name: _Optional[str] = ..., reason: _Optional[str] = ..., ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class LockStateResponse(_message.Message):
    __slots__ = ("lock",)
    LOCK_FIELD_NUMBER: _ClassVar[int]
    lock: _states_pb2.StateLock
    def __init__(self, lock: _Optional[_Union[_states_pb2.StateLock, _Mapping]] = ...) -> None: ...

class UnlockStateRequest(_message.Message):
    __slots__ = ("name", "lock_id", "force")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LOCK_ID_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    lock_id: str
    force: bool
    def __init__(self, name: _Optional[str] = ..., lock_id: _Optional[str] = ..., force: _Optional[bool] = ...) -> None: ...

class UnlockStateResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListOutputsRequest(_message.Message):
    __slots__ = ("parent", "include_sensitive")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_SENSITIVE_FIELD_NUMBER: _ClassVar[int]
    parent: str
    include_sensitive: bool
    def __init__(self, parent: _Optional[str] = ..., include_sensitive: _Optional[bool] = ...) -> None: ...

class ListOutputsResponse(_message.Message):
    __slots__ = ("outputs", "serial")
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    outputs: _containers.RepeatedCompositeFieldContainer[_states_pb2.Output]
    serial: int
    def __init__(self, outputs: _Optional[_Iterable[_Union[_states_pb2.Output, _Mapping]]] = ..., serial: _Optional[int] = ...) -> None: ...
