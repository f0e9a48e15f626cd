import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from stackly.options.v1 import options_pb2 as _options_pb2
from stackly.v1 import workers_pb2 as _workers_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateJoinTokenRequest(_message.Message):
    __slots__ = ("parent", "join_token", "ttl", "request_id")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    JOIN_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    parent: str
    join_token: _workers_pb2.JoinToken
    ttl: _duration_pb2.Duration
    request_id: str
    def __init__(self, parent: _Optional[str] = ..., join_token: _Optional[_Union[_workers_pb2.JoinToken, _Mapping]] = ..., ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateJoinTokenResponse(_message.Message):
    __slots__ = ("join_token", "join_file")
    JOIN_TOKEN_FIELD_NUMBER: _ClassVar[int]
    JOIN_FILE_FIELD_NUMBER: _ClassVar[int]
    join_token: _workers_pb2.JoinToken
    join_file: str
    def __init__(self, join_token: _Optional[_Union[_workers_pb2.JoinToken, _Mapping]] = ..., join_file: _Optional[str] = ...) -> None: ...

class ListJoinTokensRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListJoinTokensResponse(_message.Message):
    __slots__ = ("join_tokens", "next_page_token")
    JOIN_TOKENS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    join_tokens: _containers.RepeatedCompositeFieldContainer[_workers_pb2.JoinToken]
    next_page_token: str
    def __init__(self, join_tokens: _Optional[_Iterable[_Union[_workers_pb2.JoinToken, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RevokeJoinTokenRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class RevokeJoinTokenResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListWorkersRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListWorkersResponse(_message.Message):
    __slots__ = ("workers", "next_page_token")
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    workers: _containers.RepeatedCompositeFieldContainer[_workers_pb2.Worker]
    next_page_token: str
    def __init__(self, workers: _Optional[_Iterable[_Union[_workers_pb2.Worker, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetWorkerRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetWorkerResponse(_message.Message):
    __slots__ = ("worker",)
    WORKER_FIELD_NUMBER: _ClassVar[int]
    worker: _workers_pb2.Worker
    def __init__(self, worker: _Optional[_Union[_workers_pb2.Worker, _Mapping]] = ...) -> None: ...

class UpdateWorkerRequest(_message.Message):
    __slots__ = ("worker", "update_mask")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    worker: _workers_pb2.Worker
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, worker: _Optional[_Union[_workers_pb2.Worker, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class UpdateWorkerResponse(_message.Message):
    __slots__ = ("worker",)
    WORKER_FIELD_NUMBER: _ClassVar[int]
    worker: _workers_pb2.Worker
    def __init__(self, worker: _Optional[_Union[_workers_pb2.Worker, _Mapping]] = ...) -> None: ...

class DrainWorkerRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DrainWorkerResponse(_message.Message):
    __slots__ = ("worker",)
    WORKER_FIELD_NUMBER: _ClassVar[int]
    worker: _workers_pb2.Worker
    def __init__(self, worker: _Optional[_Union[_workers_pb2.Worker, _Mapping]] = ...) -> None: ...

class EvictWorkerRequest(_message.Message):
    __slots__ = ("name", "reason")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    reason: str
    def __init__(self, name: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class EvictWorkerResponse(_message.Message):
    __slots__ = ("worker",)
    WORKER_FIELD_NUMBER: _ClassVar[int]
    worker: _workers_pb2.Worker
    def __init__(self, worker: _Optional[_Union[_workers_pb2.Worker, _Mapping]] = ...) -> None: ...

class BanWorkerRequest(_message.Message):
    __slots__ = ("name", "reason")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    reason: str
    def __init__(self, name: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class BanWorkerResponse(_message.Message):
    __slots__ = ("worker",)
    WORKER_FIELD_NUMBER: _ClassVar[int]
    worker: _workers_pb2.Worker
    def __init__(self, worker: _Optional[_Union[_workers_pb2.Worker, _Mapping]] = ...) -> None: ...

class DeleteWorkerRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteWorkerResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetTrustBundleRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetTrustBundleResponse(_message.Message):
    __slots__ = ("ca_certificates", "sequence", "refresh_seconds")
    CA_CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REFRESH_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ca_certificates: str
    sequence: int
    refresh_seconds: int
    def __init__(self, ca_certificates: _Optional[str] = ..., sequence: _Optional[int] = ..., refresh_seconds: _Optional[int] = ...) -> None: ...

class RegisterWorkerRequest(_message.Message):
    __slots__ = ("join_token", "csr", "capabilities", "host")
    JOIN_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CSR_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    join_token: str
    csr: str
    capabilities: _workers_pb2.Capabilities
    host: str
    def __init__(self, join_token: _Optional[str] = ..., csr: _Optional[str] = ..., capabilities: _Optional[_Union[_workers_pb2.Capabilities, _Mapping]] = ..., host: _Optional[str] = ...) -> None: ...

class RegisterWorkerResponse(_message.Message):
    __slots__ = ("worker", "certificate_chain", "ca_certificates", "worker_address", "challenge")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_CHAIN_FIELD_NUMBER: _ClassVar[int]
    CA_CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    WORKER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    worker: _workers_pb2.Worker
    certificate_chain: str
    ca_certificates: str
    worker_address: str
    challenge: Challenge
    def __init__(self, worker: _Optional[_Union[_workers_pb2.Worker, _Mapping]] = ..., certificate_chain: _Optional[str] = ..., ca_certificates: _Optional[str] = ..., worker_address: _Optional[str] = ..., challenge: _Optional[_Union[Challenge, _Mapping]] = ...) -> None: ...

class Challenge(_message.Message):
    __slots__ = ("id", "nonce", "engines")
    ID_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    ENGINES_FIELD_NUMBER: _ClassVar[int]
    id: str
    nonce: str
    engines: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., nonce: _Optional[str] = ..., engines: _Optional[_Iterable[str]] = ...) -> None: ...

class VerifyCapabilitiesRequest(_message.Message):
    __slots__ = ("challenge_id", "answers", "capabilities")
    class AnswersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CHALLENGE_ID_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    challenge_id: str
    answers: _containers.ScalarMap[str, str]
    capabilities: _workers_pb2.Capabilities
    def __init__(self, challenge_id: _Optional[str] = ..., answers: _Optional[_Mapping[str, str]] = ..., capabilities: _Optional[_Union[_workers_pb2.Capabilities, _Mapping]] = ...) -> None: ...

class VerifyCapabilitiesResponse(_message.Message):
    __slots__ = ("worker", "temporal_address", "temporal_namespace", "task_queues", "public_url")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    TEMPORAL_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    TEMPORAL_NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    TASK_QUEUES_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_URL_FIELD_NUMBER: _ClassVar[int]
    worker: _workers_pb2.Worker
    temporal_address: str
    temporal_namespace: str
    task_queues: _containers.RepeatedScalarFieldContainer[str]
    public_url: str
    def __init__(self, worker: _Optional[_Union[_workers_pb2.Worker, _Mapping]] = ..., temporal_address: _Optional[str] = ..., temporal_namespace: _Optional[str] = ..., task_queues: _Optional[_Iterable[str]] = ..., public_url: _Optional[str] = ...) -> None: ...

class HeartbeatRequest(_message.Message):
    __slots__ = ("running_runs", "acknowledged", "wait_seconds", "first", "engines")
    RUNNING_RUNS_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    ENGINES_FIELD_NUMBER: _ClassVar[int]
    running_runs: _containers.RepeatedScalarFieldContainer[str]
    acknowledged: int
    wait_seconds: int
    first: bool
    engines: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, running_runs: _Optional[_Iterable[str]] = ..., acknowledged: _Optional[int] = ..., wait_seconds: _Optional[int] = ..., first: _Optional[bool] = ..., engines: _Optional[_Iterable[str]] = ...) -> None: ...

class HeartbeatResponse(_message.Message):
    __slots__ = ("lease_expires_at", "sequence", "task_queues", "drain", "reverify", "rotate")
    LEASE_EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TASK_QUEUES_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    REVERIFY_FIELD_NUMBER: _ClassVar[int]
    ROTATE_FIELD_NUMBER: _ClassVar[int]
    lease_expires_at: _timestamp_pb2.Timestamp
    sequence: int
    task_queues: _containers.RepeatedScalarFieldContainer[str]
    drain: bool
    reverify: Challenge
    rotate: bool
    def __init__(self, lease_expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sequence: _Optional[int] = ..., task_queues: _Optional[_Iterable[str]] = ..., drain: _Optional[bool] = ..., reverify: _Optional[_Union[Challenge, _Mapping]] = ..., rotate: _Optional[bool] = ...) -> None: ...

class RotateCertificateRequest(_message.Message):
    __slots__ = ("csr",)
    CSR_FIELD_NUMBER: _ClassVar[int]
    csr: str
    def __init__(self, csr: _Optional[str] = ...) -> None: ...

class RotateCertificateResponse(_message.Message):
    __slots__ = ("certificate_chain", "ca_certificates", "expires_at")
    CERTIFICATE_CHAIN_FIELD_NUMBER: _ClassVar[int]
    CA_CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    certificate_chain: str
    ca_certificates: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, certificate_chain: _Optional[str] = ..., ca_certificates: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DeregisterWorkerRequest(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class DeregisterWorkerResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
