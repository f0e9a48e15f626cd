import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.rpc import status_pb2 as _status_pb2
from stackly.options.v1 import options_pb2 as _options_pb2
from stackly.v1 import events_service_pb2 as _events_service_pb2
from stackly.v1 import runs_pb2 as _runs_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WaitUntil(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WAIT_UNTIL_UNSPECIFIED: _ClassVar[WaitUntil]
    WAIT_UNTIL_DONE: _ClassVar[WaitUntil]
    WAIT_UNTIL_PLANNED: _ClassVar[WaitUntil]
    WAIT_UNTIL_WAITING: _ClassVar[WaitUntil]
    WAIT_UNTIL_APPLYING: _ClassVar[WaitUntil]
WAIT_UNTIL_UNSPECIFIED: WaitUntil
WAIT_UNTIL_DONE: WaitUntil
WAIT_UNTIL_PLANNED: WaitUntil
WAIT_UNTIL_WAITING: WaitUntil
WAIT_UNTIL_APPLYING: WaitUntil

class CreateRunRequest(_message.Message):
    __slots__ = ("parent", "run", "request_id")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    parent: str
    run: _runs_pb2.Run
    request_id: str
    def __init__(self, parent: _Optional[str] = ..., run: _Optional[_Union[_runs_pb2.Run, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _runs_pb2.Run
    def __init__(self, run: _Optional[_Union[_runs_pb2.Run, _Mapping]] = ...) -> None: ...

class ListRunsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token", "status", "to_commit", "delivery_id")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TO_COMMIT_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_ID_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    status: _runs_pb2.RunStatus
    to_commit: str
    delivery_id: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., status: _Optional[_Union[_runs_pb2.RunStatus, str]] = ..., to_commit: _Optional[str] = ..., delivery_id: _Optional[str] = ...) -> None: ...

class ListRunsResponse(_message.Message):
    __slots__ = ("runs", "next_page_token")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[_runs_pb2.Run]
    next_page_token: str
    def __init__(self, runs: _Optional[_Iterable[_Union[_runs_pb2.Run, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetRunRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _runs_pb2.Run
    def __init__(self, run: _Optional[_Union[_runs_pb2.Run, _Mapping]] = ...) -> None: ...

class WaitRunRequest(_message.Message):
    __slots__ = ("name", "until", "timeout", "etag")
    NAME_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    until: WaitUntil
    timeout: _duration_pb2.Duration
    etag: str
    def __init__(self, name: _Optional[str] = ..., until: _Optional[_Union[WaitUntil, str]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class WaitRunResponse(_message.Message):
    __slots__ = ("run", "reached")
    RUN_FIELD_NUMBER: _ClassVar[int]
    REACHED_FIELD_NUMBER: _ClassVar[int]
    run: _runs_pb2.Run
    reached: bool
    def __init__(self, run: _Optional[_Union[_runs_pb2.Run, _Mapping]] = ..., reached: _Optional[bool] = ...) -> None: ...

class WatchRunsRequest(_message.Message):
    __slots__ = ("parent", "resume_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    resume_token: str
    def __init__(self, parent: _Optional[str] = ..., resume_token: _Optional[str] = ...) -> None: ...

class WatchRunsResponse(_message.Message):
    __slots__ = ("resume_token", "run", "heartbeat", "end")
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    resume_token: str
    run: _runs_pb2.Run
    heartbeat: _events_service_pb2.Heartbeat
    end: _status_pb2.Status
    def __init__(self, resume_token: _Optional[str] = ..., run: _Optional[_Union[_runs_pb2.Run, _Mapping]] = ..., heartbeat: _Optional[_Union[_events_service_pb2.Heartbeat, _Mapping]] = ..., end: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class ApproveRunRequest(_message.Message):
    __slots__ = ("name", "plan_digest", "comment")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PLAN_DIGEST_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    plan_digest: str
    comment: str
    def __init__(self, name: _Optional[str] = ..., plan_digest: _Optional[str] = ..., comment: _Optional[str] = ...) -> None: ...

class ApproveRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _runs_pb2.Run
    def __init__(self, run: _Optional[_Union[_runs_pb2.Run, _Mapping]] = ...) -> None: ...

class RejectRunRequest(_message.Message):
    __slots__ = ("name", "comment")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    comment: str
    def __init__(self, name: _Optional[str] = ..., comment: _Optional[str] = ...) -> None: ...

class RejectRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _runs_pb2.Run
    def __init__(self, run: _Optional[_Union[_runs_pb2.Run, _Mapping]] = ...) -> None: ...

class CancelRunRequest(_message.Message):
    __slots__ = ("name", "reason", "force")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    reason: str
    force: bool
    def __init__(self, name: _Optional[str] = ..., reason: _Optional[str] = ..., force: _Optional[bool] = ...) -> None: ...

class CancelRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _runs_pb2.Run
    def __init__(self, run: _Optional[_Union[_runs_pb2.Run, _Mapping]] = ...) -> None: ...

class ListRunStepsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRunStepsResponse(_message.Message):
    __slots__ = ("run_steps", "next_page_token")
    RUN_STEPS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    run_steps: _containers.RepeatedCompositeFieldContainer[_runs_pb2.RunStep]
    next_page_token: str
    def __init__(self, run_steps: _Optional[_Iterable[_Union[_runs_pb2.RunStep, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetPlanRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetPlanResponse(_message.Message):
    __slots__ = ("plan",)
    PLAN_FIELD_NUMBER: _ClassVar[int]
    plan: _runs_pb2.Plan
    def __init__(self, plan: _Optional[_Union[_runs_pb2.Plan, _Mapping]] = ...) -> None: ...

class GetExecutionGraphRequest(_message.Message):
    __slots__ = ("name", "commit", "draw")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    DRAW_FIELD_NUMBER: _ClassVar[int]
    name: str
    commit: str
    draw: bool
    def __init__(self, name: _Optional[str] = ..., commit: _Optional[str] = ..., draw: _Optional[bool] = ...) -> None: ...

class GetExecutionGraphResponse(_message.Message):
    __slots__ = ("graph", "svg")
    GRAPH_FIELD_NUMBER: _ClassVar[int]
    SVG_FIELD_NUMBER: _ClassVar[int]
    graph: _runs_pb2.ExecutionGraph
    svg: str
    def __init__(self, graph: _Optional[_Union[_runs_pb2.ExecutionGraph, _Mapping]] = ..., svg: _Optional[str] = ...) -> None: ...

class ListResourceChangesRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token", "action")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    action: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., action: _Optional[str] = ...) -> None: ...

class ListResourceChangesResponse(_message.Message):
    __slots__ = ("resource_changes", "next_page_token", "plan_digest")
    RESOURCE_CHANGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PLAN_DIGEST_FIELD_NUMBER: _ClassVar[int]
    resource_changes: _containers.RepeatedCompositeFieldContainer[_runs_pb2.ResourceChange]
    next_page_token: str
    plan_digest: str
    def __init__(self, resource_changes: _Optional[_Iterable[_Union[_runs_pb2.ResourceChange, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., plan_digest: _Optional[str] = ...) -> None: ...

class TailRunLogsRequest(_message.Message):
    __slots__ = ("name", "offset", "no_follow")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    NO_FOLLOW_FIELD_NUMBER: _ClassVar[int]
    name: str
    offset: int
    no_follow: bool
    def __init__(self, name: _Optional[str] = ..., offset: _Optional[int] = ..., no_follow: _Optional[bool] = ...) -> None: ...

class TailRunLogsResponse(_message.Message):
    __slots__ = ("next_offset", "chunk", "heartbeat", "end")
    NEXT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    next_offset: int
    chunk: _runs_pb2.LogChunk
    heartbeat: _events_service_pb2.Heartbeat
    end: LogEnd
    def __init__(self, next_offset: _Optional[int] = ..., chunk: _Optional[_Union[_runs_pb2.LogChunk, _Mapping]] = ..., heartbeat: _Optional[_Union[_events_service_pb2.Heartbeat, _Mapping]] = ..., end: _Optional[_Union[LogEnd, _Mapping]] = ...) -> None: ...

class LogEnd(_message.Message):
    __slots__ = ("status", "run")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    status: _status_pb2.Status
    run: _runs_pb2.Run
    def __init__(self, status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., run: _Optional[_Union[_runs_pb2.Run, _Mapping]] = ...) -> None: ...

class ReadRunLogsRequest(_message.Message):
    __slots__ = ("name", "offset", "max_bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    offset: int
    max_bytes: int
    def __init__(self, name: _Optional[str] = ..., offset: _Optional[int] = ..., max_bytes: _Optional[int] = ...) -> None: ...

class ReadRunLogsResponse(_message.Message):
    __slots__ = ("text", "next_offset", "complete")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    NEXT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    text: str
    next_offset: int
    complete: bool
    def __init__(self, text: _Optional[str] = ..., next_offset: _Optional[int] = ..., complete: _Optional[bool] = ...) -> None: ...
