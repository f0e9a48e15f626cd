from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Audience(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIENCE_UNSPECIFIED: _ClassVar[Audience]
    AUDIENCE_ANONYMOUS: _ClassVar[Audience]
    AUDIENCE_USER: _ClassVar[Audience]
    AUDIENCE_BOOT: _ClassVar[Audience]
    AUDIENCE_WORKER: _ClassVar[Audience]
    AUDIENCE_RUN: _ClassVar[Audience]
    AUDIENCE_HMAC: _ClassVar[Audience]

class Idempotency(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IDEMPOTENCY_UNSPECIFIED: _ClassVar[Idempotency]
    IDEMPOTENCY_READ: _ClassVar[Idempotency]
    IDEMPOTENCY_KEYED: _ClassVar[Idempotency]
    IDEMPOTENCY_NATURAL: _ClassVar[Idempotency]
    IDEMPOTENCY_STREAM: _ClassVar[Idempotency]
    IDEMPOTENCY_NEVER: _ClassVar[Idempotency]

class Audit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIT_UNSPECIFIED: _ClassVar[Audit]
    AUDIT_NONE: _ClassVar[Audit]
    AUDIT_WRITE: _ClassVar[Audit]
    AUDIT_READ: _ClassVar[Audit]
AUDIENCE_UNSPECIFIED: Audience
AUDIENCE_ANONYMOUS: Audience
AUDIENCE_USER: Audience
AUDIENCE_BOOT: Audience
AUDIENCE_WORKER: Audience
AUDIENCE_RUN: Audience
AUDIENCE_HMAC: Audience
IDEMPOTENCY_UNSPECIFIED: Idempotency
IDEMPOTENCY_READ: Idempotency
IDEMPOTENCY_KEYED: Idempotency
IDEMPOTENCY_NATURAL: Idempotency
IDEMPOTENCY_STREAM: Idempotency
IDEMPOTENCY_NEVER: Idempotency
AUDIT_UNSPECIFIED: Audit
AUDIT_NONE: Audit
AUDIT_WRITE: Audit
AUDIT_READ: Audit
RULE_FIELD_NUMBER: _ClassVar[int]
rule: _descriptor.FieldDescriptor
BOUNDS_FIELD_NUMBER: _ClassVar[int]
bounds: _descriptor.FieldDescriptor

class MethodRule(_message.Message):
    __slots__ = ("audience", "permission", "resource_field", "idempotency", "audit", "returns_secret")
    AUDIENCE_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_FIELD_NUMBER: _ClassVar[int]
    AUDIT_FIELD_NUMBER: _ClassVar[int]
    RETURNS_SECRET_FIELD_NUMBER: _ClassVar[int]
    audience: Audience
    permission: str
    resource_field: str
    idempotency: Idempotency
    audit: Audit
    returns_secret: bool
    def __init__(self, audience: _Optional[_Union[Audience, str]] = ..., permission: _Optional[str] = ..., resource_field: _Optional[str] = ..., idempotency: _Optional[_Union[Idempotency, str]] = ..., audit: _Optional[_Union[Audit, str]] = ..., returns_secret: _Optional[bool] = ...) -> None: ...

class FieldRule(_message.Message):
    __slots__ = ("resource", "min_length", "max_length", "pattern", "min", "max", "uuid")
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    MIN_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_LENGTH_FIELD_NUMBER: _ClassVar[int]
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    UUID_FIELD_NUMBER: _ClassVar[int]
    resource: str
    min_length: int
    max_length: int
    pattern: str
    min: int
    max: int
    uuid: bool
    def __init__(self, resource: _Optional[str] = ..., min_length: _Optional[int] = ..., max_length: _Optional[int] = ..., pattern: _Optional[str] = ..., min: _Optional[int] = ..., max: _Optional[int] = ..., uuid: _Optional[bool] = ...) -> None: ...
