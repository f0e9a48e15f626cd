"""State heads, versions and locks, and what a write means: pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID


@dataclass(frozen=True, slots=True)
class StateHead:
    """The newest state of a stack state (serial 0: none) and who holds its lock."""

    stack_state_id: UUID
    hash_key: bytes
    serial: int
    lineage: str
    resource_count: int
    lock_id: UUID | None
    lock_holder: str | None
    lock_reason: str | None
    lock_run_id: UUID | None
    lock_epoch: int
    locked_at: datetime | None
    lock_expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class StateVersion:
    """One stored serial; `manifest` is sealed. `sha256` and `size_bytes` are of the document as it is exported.

    `received_sha256` is of what was handed in: the same values, but as Terraform lays them out, or slices. `sha256` is empty
    of what came in slices: nobody had the document then.
    """

    stack_state_id: UUID
    serial: int
    lineage: str
    received_sha256: str
    sha256: str
    size_bytes: int
    terraform_version: str
    manifest: bytes
    slices: tuple[str, ...]
    resource_count: int
    run_id: UUID | None
    epoch: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class BatchFence:
    """The batch that writes, when it is not the one whose epoch the lock carries: its row must be held under this epoch."""

    plan_number: int
    phase: str
    batch: str
    epoch: int


@dataclass(frozen=True, slots=True)
class NewState:
    """What a runner hands in, under the lock epoch that it was given; with a `fence` under the epoch of its batch."""

    stack_state_id: UUID
    run_id: UUID
    epoch: int
    serial: int
    lineage: str
    sha256: str
    fence: BatchFence | None = None


@dataclass(frozen=True, slots=True)
class UnitRecord:
    """What is kept of a unit's last apply, opened: `record` is empty once it was cleared. `exports` may be secret."""

    unit: str
    generation: int
    record: bytes
    exports: bytes


@dataclass(frozen=True, slots=True)
class RecordRow:
    """A row of `unit_records`: sealed, None for nothing."""

    unit: str
    generation: int
    record: bytes | None
    exports: bytes | None


@dataclass(frozen=True, slots=True)
class Output:
    """A root output: its value as JSON text."""

    name: str
    json: str
    sensitive: bool


class Refusal(Enum):
    """Why a state is kept aside instead of becoming the current one."""

    NOT_HOLDER = "Another holds the lock now."
    LINEAGE = "The lineage is another: these are not versions of one state."
    SERIAL = "The serial does not follow the current one."
    MOVED = "Another has written the same part of the state meanwhile."


def judge(head: StateHead, new: NewState, stored_sha256: str | None) -> Refusal | None:
    """What a write meets: None lets it in. `stored_sha256` is what the gateway holds under the same serial.

    A repeated write (equal serial, equal bytes) is let in and changes nothing.
    """
    if head.lock_run_id != new.run_id or head.lock_epoch != new.epoch:
        return Refusal.NOT_HOLDER
    if head.serial > 0 and head.lineage != new.lineage:
        return Refusal.LINEAGE
    if stored_sha256 == new.sha256:
        return None
    return Refusal.SERIAL if new.serial <= head.serial or stored_sha256 is not None else None


def judge_delta(head: StateHead, new: NewState, *, held: bool) -> Refusal | None:
    """What a write of slices meets before they are looked at; `new.serial` is that of the manifest that they build on.

    `held`: whether the fence's batch is held under its epoch.
    """
    if head.lock_run_id != new.run_id or (not held if new.fence else head.lock_epoch != new.epoch):
        return Refusal.NOT_HOLDER
    if head.serial > 0 and head.lineage != new.lineage:
        return Refusal.LINEAGE
    return Refusal.SERIAL if new.serial > head.serial else None
