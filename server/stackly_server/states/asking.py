"""What people ask of Terraform state, by the names of stack states."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from stackly_server.access import Subject, require
from stackly_server.database import Connection, Database, Transaction
from stackly_server.errors import NotFound
from stackly_server.states import store
from stackly_server.states.model import Output, StateHead, StateVersion
from stackly_server.states.service import StateService

Advance = Callable[[Transaction, UUID], Awaitable[None]]
"""Lets an apply go on that waits for the lock of a stack state."""
_SERIAL_DIGITS = 18


class StackStateLike(Protocol):
    """What of a stack state is read here."""

    @property
    def id(self) -> UUID:
        """Its id."""
        ...


class Stacks(Protocol):
    """Who knows stack states by name."""

    async def state_by_name(self, conn: Connection, subject: Subject, name: str) -> StackStateLike:
        """The caller's stack state of a resource name; NotFound."""
        ...


@dataclass(frozen=True, slots=True)
class ShownVersion:
    """A state version with the resource name of its stack state and the number of the run that wrote it."""

    stack_state: str
    version: StateVersion
    run_number: int | None


class StateRequests:
    """Versions, documents, locks and outputs, for people."""

    def __init__(self, db: Database, states: StateService, stacks: Stacks, advance: Advance) -> None:
        self._db = db
        self._states = states
        self._stacks = stacks
        self._advance = advance

    async def versions(self, subject: Subject, parent: str, before: int | None, limit: int) -> list[ShownVersion]:
        """Stored serials below `before`, newest first; without the SHA-256 of those that came in slices."""
        require(subject, "state.read", parent)
        id_ = await self._id(subject, parent)
        return await self._show(subject, parent, await self._states.versions(subject.tenant, id_, before, limit))

    async def version(self, subject: Subject, name: str) -> ShownVersion:
        """One stored serial; `-` as the last part of the name is the newest."""
        require(subject, "state.read", name)
        parent, version = await self._version(subject, name)
        return (await self._show(subject, parent, [await self._states.measured(subject.tenant, version)]))[0]

    async def export(self, subject: Subject, name: str) -> tuple[ShownVersion, bytes]:
        """One stored serial with its whole document, with all that Terraform wrote. Told as an event."""
        require(subject, "state.secret", name)
        parent, version = await self._version(subject, name)
        document = await self._states.document(subject.tenant, version)
        version = replace(version, sha256=version.sha256 or hashlib.sha256(document).hexdigest())
        async with self._db.transaction(subject) as tx:
            tx.tell("state.exported", f"{parent}/stateVersions/{version.serial}", sha256=version.sha256)
        return (await self._show(subject, parent, [version]))[0], document

    async def lock(self, subject: Subject, name: str, reason: str, ttl: timedelta | None) -> StateHead:
        """Locks for the caller; the same caller's lock is given again."""
        require(subject, "state.write", name)
        return await self._states.lock(subject, await self._id(subject, name), name, reason, ttl)

    async def unlock(self, subject: Subject, name: str, lock_id: UUID | None, *, force: bool) -> None:
        """Gives a lock back; an apply that waited for it goes on."""
        require(subject, "state.write", name)
        id_ = await self._id(subject, name)
        async with self._db.transaction(subject) as tx:
            await self._states.unlock(tx, id_, name, lock_id, force)
            await self._advance(tx, id_)

    async def outputs(self, subject: Subject, parent: str, *, include_sensitive: bool) -> tuple[list[Output], int]:
        """Outputs of the newest state by name, and its serial. Sensitive values only when asked for; that is told."""
        require(subject, "state.read", parent)
        if include_sensitive:
            require(subject, "state.secret", parent)
        try:
            version = await self._states.version(subject.tenant, await self._id(subject, parent), None)
        except NotFound as error:
            if error.facts.get("resource") == parent:
                raise
            return [], 0  # no state yet
        outputs = await self._states.outputs(subject.tenant, version)
        if include_sensitive:
            async with self._db.transaction(subject) as tx:
                tx.tell("state.outputs_read", parent, serial=str(version.serial))
            return outputs, version.serial
        return [replace(each, json="") if each.sensitive else each for each in outputs], version.serial

    async def _id(self, subject: Subject, name: str) -> UUID:
        async with self._db.read(subject.tenant) as conn:
            return (await self._stacks.state_by_name(conn, subject, name)).id

    async def _version(self, subject: Subject, name: str) -> tuple[str, StateVersion]:
        parent, _, last = name.partition("/stateVersions/")
        id_ = await self._id(subject, parent)
        if last != "-" and not (last.isascii() and last.isdigit() and len(last) <= _SERIAL_DIGITS):
            raise NotFound("state version", name)
        try:
            return parent, await self._states.version(subject.tenant, id_, None if last == "-" else int(last))
        except NotFound as error:
            raise NotFound("state version", name) from error

    async def _show(self, subject: Subject, stack_state: str, versions: list[StateVersion]) -> list[ShownVersion]:
        async with self._db.read(subject.tenant) as conn:
            numbers = await store.run_numbers(conn, [version.run_id for version in versions if version.run_id])
        return [
            ShownVersion(stack_state, version, numbers.get(version.run_id) if version.run_id else None)
            for version in versions
        ]
