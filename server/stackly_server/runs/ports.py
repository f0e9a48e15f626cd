"""What the runs room asks of others, as it needs it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from stackly_server.runs.unit_batches import Cost
from stackly_server.stacks.engine_options import EngineOptions


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """A file or link of a source tree that may go to a worker. `mode` is Git's: 100644, 100755 or 120000."""

    path: str
    mode: int
    object_id: str
    size: int


class Sources(Protocol):
    """Trees at commits, as far as workers may see them."""

    async def tree(self, account_id: UUID, repository_id: UUID, commit: str) -> Sequence[SourceEntry]:
        """The allow-listed tree, in order of path."""
        ...

    def contents(
        self, account_id: UUID, repository_id: UUID, entries: Sequence[SourceEntry]
    ) -> AsyncIterator[tuple[SourceEntry, bytes]]:
        """The entries with the bytes of each file, or the target of each link, in their order."""
        ...


class Keys(Protocol):
    """Seals and opens under the account's data keys."""

    async def seal(self, account_id: UUID, purpose: str, place: str, data: bytes) -> bytes:
        """Seals."""
        ...

    async def open(self, account_id: UUID, purpose: str, place: str, sealed: bytes) -> bytes:
        """Opens."""
        ...


class Blobs(Protocol):
    """Large objects by key."""

    async def put_new(self, key: str, data: bytes) -> bool:
        """Stores; False when the key is there."""
        ...

    async def get(self, key: str, version: int | None = None) -> bytes:
        """Reads; KeyError when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Lease:
    """What a claim gives: the token is shown once."""

    run_token: str
    epoch: int
    seconds: int
    work_key: str


@dataclass(frozen=True, slots=True)
class Spec:
    """All that a runner needs to know, secrets included. `costs`: what batches of units took lately, newest first."""

    run_name: str
    run_type: str
    commit: str
    root_path: str
    engine: str
    variables: Mapping[str, str]
    sensitive_variables: tuple[str, ...]
    hash_key: bytes
    timeout_seconds: int
    state_serial: int
    state_lineage: str
    plan_sha256: str
    step: str
    log_offset: int
    slices: tuple[str, ...]
    work_key: str
    units: bool
    options: EngineOptions
    artifact_sha256: str
    costs: tuple[Cost, ...]
