from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from stackly.options.v1 import options_pb2 as _options_pb2
from stackly.v1 import runs_pb2 as _runs_pb2
from stackly.v1 import stacks_pb2 as _stacks_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListStackCodesRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListStackCodesResponse(_message.Message):
    __slots__ = ("stack_codes", "next_page_token")
    STACK_CODES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    stack_codes: _containers.RepeatedCompositeFieldContainer[_stacks_pb2.StackCode]
    next_page_token: str
    def __init__(self, stack_codes: _Optional[_Iterable[_Union[_stacks_pb2.StackCode, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetStackCodeRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetStackCodeResponse(_message.Message):
    __slots__ = ("stack_code",)
    STACK_CODE_FIELD_NUMBER: _ClassVar[int]
    stack_code: _stacks_pb2.StackCode
    def __init__(self, stack_code: _Optional[_Union[_stacks_pb2.StackCode, _Mapping]] = ...) -> None: ...

class RegisterStackCodeRequest(_message.Message):
    __slots__ = ("parent", "repository", "repo_path", "ref")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    REPO_PATH_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    parent: str
    repository: str
    repo_path: str
    ref: str
    def __init__(self, parent: _Optional[str] = ..., repository: _Optional[str] = ..., repo_path: _Optional[str] = ..., ref: _Optional[str] = ...) -> None: ...

class RegisterStackCodeResponse(_message.Message):
    __slots__ = ("stack_code",)
    STACK_CODE_FIELD_NUMBER: _ClassVar[int]
    stack_code: _stacks_pb2.StackCode
    def __init__(self, stack_code: _Optional[_Union[_stacks_pb2.StackCode, _Mapping]] = ...) -> None: ...

class SyncStackCodeRequest(_message.Message):
    __slots__ = ("name", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class SyncStackCodeResponse(_message.Message):
    __slots__ = ("stack_code", "changed")
    STACK_CODE_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    stack_code: _stacks_pb2.StackCode
    changed: bool
    def __init__(self, stack_code: _Optional[_Union[_stacks_pb2.StackCode, _Mapping]] = ..., changed: _Optional[bool] = ...) -> None: ...

class ListStackCodeVersionsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListStackCodeVersionsResponse(_message.Message):
    __slots__ = ("stack_code_versions", "next_page_token")
    STACK_CODE_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    stack_code_versions: _containers.RepeatedCompositeFieldContainer[_stacks_pb2.StackCodeVersion]
    next_page_token: str
    def __init__(self, stack_code_versions: _Optional[_Iterable[_Union[_stacks_pb2.StackCodeVersion, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetStackCodeVersionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetStackCodeVersionResponse(_message.Message):
    __slots__ = ("stack_code_version",)
    STACK_CODE_VERSION_FIELD_NUMBER: _ClassVar[int]
    stack_code_version: _stacks_pb2.StackCodeVersion
    def __init__(self, stack_code_version: _Optional[_Union[_stacks_pb2.StackCodeVersion, _Mapping]] = ...) -> None: ...

class ListStackStatesRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token", "stack_code", "show_deleted")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STACK_CODE_FIELD_NUMBER: _ClassVar[int]
    SHOW_DELETED_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    stack_code: str
    show_deleted: bool
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., stack_code: _Optional[str] = ..., show_deleted: _Optional[bool] = ...) -> None: ...

class ListStackStatesResponse(_message.Message):
    __slots__ = ("stack_states", "next_page_token")
    STACK_STATES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    stack_states: _containers.RepeatedCompositeFieldContainer[_stacks_pb2.StackState]
    next_page_token: str
    def __init__(self, stack_states: _Optional[_Iterable[_Union[_stacks_pb2.StackState, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetStackStateRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetStackStateResponse(_message.Message):
    __slots__ = ("stack_state",)
    STACK_STATE_FIELD_NUMBER: _ClassVar[int]
    stack_state: _stacks_pb2.StackState
    def __init__(self, stack_state: _Optional[_Union[_stacks_pb2.StackState, _Mapping]] = ...) -> None: ...

class CreateStackStateRequest(_message.Message):
    __slots__ = ("parent", "stack_state_id", "stack_state", "request_id")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    STACK_STATE_ID_FIELD_NUMBER: _ClassVar[int]
    STACK_STATE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    parent: str
    stack_state_id: str
    stack_state: _stacks_pb2.StackState
    request_id: str
    def __init__(self, parent: _Optional[str] = ..., stack_state_id: _Optional[str] = ..., stack_state: _Optional[_Union[_stacks_pb2.StackState, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateStackStateResponse(_message.Message):
    __slots__ = ("stack_state",)
    STACK_STATE_FIELD_NUMBER: _ClassVar[int]
    stack_state: _stacks_pb2.StackState
    def __init__(self, stack_state: _Optional[_Union[_stacks_pb2.StackState, _Mapping]] = ...) -> None: ...

class UpdateStackStateRequest(_message.Message):
    __slots__ = ("stack_state", "update_mask", "request_id")
    STACK_STATE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    stack_state: _stacks_pb2.StackState
    update_mask: _field_mask_pb2.FieldMask
    request_id: str
    def __init__(self, stack_state: _Optional[_Union[_stacks_pb2.StackState, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpdateStackStateResponse(_message.Message):
    __slots__ = ("stack_state",)
    STACK_STATE_FIELD_NUMBER: _ClassVar[int]
    stack_state: _stacks_pb2.StackState
    def __init__(self, stack_state: _Optional[_Union[_stacks_pb2.StackState, _Mapping]] = ...) -> None: ...

class DestroyStackStateRequest(_message.Message):
    __slots__ = ("name", "etag", "request_id", "message")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    name: str
    etag: str
    request_id: str
    message: str
    def __init__(self, name: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class DestroyStackStateResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _runs_pb2.Run
    def __init__(self, run: _Optional[_Union[_runs_pb2.Run, _Mapping]] = ...) -> None: ...

class DeleteStackStateRequest(_message.Message):
    __slots__ = ("name", "etag", "force")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    etag: str
    force: bool
    def __init__(self, name: _Optional[str] = ..., etag: _Optional[str] = ..., force: _Optional[bool] = ...) -> None: ...

class DeleteStackStateResponse(_message.Message):
    __slots__ = ("stack_state",)
    STACK_STATE_FIELD_NUMBER: _ClassVar[int]
    stack_state: _stacks_pb2.StackState
    def __init__(self, stack_state: _Optional[_Union[_stacks_pb2.StackState, _Mapping]] = ...) -> None: ...

class UndeleteStackStateRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class UndeleteStackStateResponse(_message.Message):
    __slots__ = ("stack_state",)
    STACK_STATE_FIELD_NUMBER: _ClassVar[int]
    stack_state: _stacks_pb2.StackState
    def __init__(self, stack_state: _Optional[_Union[_stacks_pb2.StackState, _Mapping]] = ...) -> None: ...
