"""Stack states: what people do with them, and what runs need to know and tell of them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol
from uuid import UUID

from stackly_server.access import Subject, own, require
from stackly_server.clock import uuid7
from stackly_server.database import Connection, Database, Transaction
from stackly_server.errors import AlreadyExists, Conflict, FieldProblem, Invalid, NotFound, NotNow
from stackly_server.stacks import state_store, store
from stackly_server.stacks.engine_build import EVERY_BUILD
from stackly_server.stacks.fixed import require_fixed
from stackly_server.stacks.model import BY_HAND, Blueprint, CodeStatus, StackCode, StackState, blueprint_of
from stackly_server.stacks.problems import config_invalid
from stackly_server.stacks.showing import ShownState, show
from stackly_server.stacks.variables import LABELS_MAX, VARIABLES_MAX, Variables, check_labels, check_variables
from stackly_server.stacks.wanted import NewStackState, StackStateChange
from stackly_server.states.service import StateService

__all__ = ["Blueprint", "NewStackState", "ShownState", "StackService", "StackState", "StackStateChange"]

_TRIES = 5


class Keys(Protocol):
    """Seals and opens under the account's data keys."""

    async def seal(self, account_id: UUID, purpose: str, place: str, data: bytes) -> bytes:
        """Seals."""
        ...

    async def open(self, account_id: UUID, purpose: str, place: str, sealed: bytes) -> bytes:
        """Opens."""
        ...


class StackService:
    """Stack states."""

    def __init__(self, db: Database, keys: Keys, states: StateService) -> None:
        self._db = db
        self._keys = keys
        self._states = states

    async def page(
        self, subject: Subject, parent: str, after: str, limit: int, stack_code: str, *, deleted: bool
    ) -> list[ShownState]:
        """By name, after the name `after`; of one stack code, unless it is ""."""
        require(subject, "stacks.read", parent)
        own(subject, parent, "account")
        async with self._db.read(subject.tenant) as conn:
            code = await self._code(conn, subject, stack_code) if stack_code else None
            rows = await state_store.page(conn, after, limit, code.id if code else None, deleted=deleted)
            shown = await show(conn, self._states, subject.account, rows)
        return await self._with_secrets(subject.tenant, shown)

    async def get(self, subject: Subject, name: str) -> ShownState:
        """One, deleted or not."""
        require(subject, "stacks.read", name)
        async with self._db.read(subject.tenant) as conn:
            shown = await show(conn, self._states, subject.account, [await self.state_by_name(conn, subject, name)])
        return (await self._with_secrets(subject.tenant, shown))[0]

    async def create(self, subject: Subject, parent: str, new: NewStackState) -> ShownState:
        """A new one, PENDING; it starts no run."""
        require(subject, "stacks.write", parent)
        own(subject, parent, "account")
        variables = new.variables or Variables({}, {})
        check_variables(variables)
        check_labels(new.labels or {})
        id_ = uuid7()
        hash_key = await self._states.new_hash_key(subject.tenant, id_)
        sealed = await self._seal(subject.tenant, id_, {k: v for k, v in variables.secret.items() if v})
        async with self._db.transaction(subject) as tx:
            code = await self._code(tx.conn, subject, new.stack_code, lock=True)
            if code.status is CodeStatus.DEREGISTERED or code.config is None:
                raise NotNow(
                    "STACK_CODE_NOT_REGISTERED", f"{new.stack_code} has no valid stack file.", resource=new.stack_code
                )
            namespace_id = await state_store.namespace_id(tx.conn, new.namespace or "default")
            if namespace_id is None:
                raise NotFound("namespace", f"{parent}/namespaces/{new.namespace}")
            columns = {
                "id": id_, "name": new.name, "namespace": namespace_id, "code": code.id, "block": BY_HAND,
                "commit": code.good_commit or code.current_commit, "environment": code.config.shared.environment,
                "labels": new.labels or {}, "variables": {k: v for k, v in variables.plain.items() if v},
                "secrets": sealed, "auto_deploy": new.auto_deploy,
            }  # fmt: skip
            state = await state_store.insert(tx.conn, tx.account_id, columns)
            if state is None:
                name = self.resource_name(subject.account, new.name)
                raise AlreadyExists("ALREADY_EXISTS", f"There is a stack state {name!r} already.", resource=name)
            await self._states.begin(tx, state.id, tf_state_key(state.id), hash_key)
            tx.tell("stack_state.created", self.resource_name(subject.account, state.name), stack_code=new.stack_code)
            shown = (await show(tx.conn, self._states, subject.account, [state]))[0]
            tx.result = replace(shown, secrets=tuple(sorted(k for k, v in variables.secret.items() if v)))
            return tx.result  # type: ignore[no-any-return]

    async def update(self, subject: Subject, name: str, change: StackStateChange) -> ShownState:
        """Changes labels, variables or auto_deploy; it starts no run."""
        require(subject, "stacks.write", name)
        check_variables(change.variables or Variables({}, {}))
        check_labels(change.labels or {})
        for _ in range(_TRIES):
            async with self._db.read(subject.tenant) as conn:
                before = await self.state_by_name(conn, subject, name)
                await require_fixed(conn, subject.account, before, change)
            if change.etag and change.etag != before.etag:
                raise _mismatch(name, before)
            shown = await self._update(subject, name, before, change)
            if shown is not None:
                return shown
        raise Conflict("CONCURRENT_CHANGE", f"{name} is being changed by others; try again.")

    async def delete(self, subject: Subject, name: str, etag: str, *, force: bool) -> ShownState:
        """Deletes it for 30 days, then for good. Deleting it again gives the same."""
        require(subject, "stacks.destroy", name)
        async with self._db.transaction(subject) as tx:
            own(subject, name, "stack state")
            state = await self.state_by_name(tx.conn, subject, name, lock=True)
            if etag and etag != state.etag:
                raise _mismatch(name, state)
            if state.deleted_at is None:
                head = await self._states.head(tx.conn, tx.account_id, state.id, lock=True)
                if head.resource_count and not force:
                    raise NotNow(
                        "STATE_NOT_EMPTY", f"{name} holds {head.resource_count} resources: destroy them, or force.",
                        resource_count=str(head.resource_count),
                    )  # fmt: skip
                deleted = await state_store.delete(tx.conn, state.id, state.version)
                if deleted is None:
                    raise NotNow("RUN_IN_PROGRESS", f"{name} has a run that is not done.", resource=name)
                state = deleted
                tx.tell("stack_state.deleted", name, forced=str(force).lower())
            shown = await show(tx.conn, self._states, subject.account, [state])
        return (await self._with_secrets(subject.tenant, shown))[0]

    async def undelete(self, subject: Subject, name: str) -> ShownState:
        """Brings it back as it was; LOOSE when its code is gone meanwhile."""
        require(subject, "stacks.destroy", name)
        async with self._db.transaction(subject) as tx:
            before = await self.state_by_name(tx.conn, subject, name, lock=True)
            state = await state_store.undelete(tx.conn, before.id)
            if state is None:
                raise NotNow("NOT_DELETED", f"{name} is not deleted, or no longer kept.", status=before.status)
            tx.tell("stack_state.undeleted", name)
            shown = await show(tx.conn, self._states, subject.account, [state])
        return (await self._with_secrets(subject.tenant, shown))[0]

    # --- what runs and states need

    async def account_name(self, conn: Connection, account_id: UUID) -> str:  # noqa: ARG002  (row security knows it)
        """The tenant's name."""
        return (await store.account(conn))[1]

    @staticmethod
    def resource_name(account: str, state: str) -> str:
        """The resource name of a stack state."""
        return f"accounts/{account}/stackStates/{state}"

    async def state_by_name(self, conn: Connection, subject: Subject, name: str, *, lock: bool = False) -> StackState:
        """The caller's stack state of a resource name, deleted or not."""
        ids = own(subject, name, "stack state")
        found = await state_store.find(conn, name=ids[1], lock=lock)
        if found is None:
            raise NotFound("stack state", name)
        return found

    async def state_by_id(self, conn: Connection, account_id: UUID, id_: UUID) -> StackState:  # noqa: ARG002
        """The stack state of an id."""
        found = await state_store.find(conn, id_=id_)
        if found is None:
            raise NotFound("stack state", str(id_))
        return found

    async def blueprint(self, conn: Connection, state: StackState, commit: str) -> Blueprint:
        """All that a run at a commit goes by.

        Raises:
            NotNow: REF_NOT_FOUND, the commit is none at which the stack changed; CONFIG_INVALID, its stack file has
                errors there or parts that are not supported yet, each with line and column.
        """
        version = await store.find_version(conn, state.stack_code_id, commit)
        code = await store.find_code(conn, id_=state.stack_code_id)
        if version is None or code is None:
            message = f"No commit {commit[:64]!r} is known at which the stack of {state.name} changed."
            raise NotNow("REF_NOT_FOUND", message, commit=commit[:64])
        blocking = [finding for finding in version.findings if finding.blocking]
        if blocking or version.config is None:
            raise config_invalid(blocking, commit)
        return blueprint_of(code, version, version.config, state)

    async def secret_variables(self, account_id: UUID, state: StackState) -> dict[str, str]:
        """The secret variables set by API, as JSON texts by name. Never call it inside a transaction."""
        if state.secret_variables is None:
            return {}
        opened = await self._keys.open(account_id, "secret", _place(state.id), bytes(state.secret_variables))
        return dict(json.loads(opened))

    async def applied(self, tx: Transaction, state_id: UUID, commit: str, run_id: UUID, destroyed: bool) -> None:  # noqa: FBT001
        """A run applied a commit, or destroyed everything."""
        if destroyed:
            await self._told(tx, "destroyed", await state_store.destroyed(tx.conn, state_id, run_id))
        else:
            await self._told(tx, "applied", await state_store.applied(tx.conn, state_id, commit, run_id), commit=commit)

    async def destroying(self, tx: Transaction, state_id: UUID) -> None:
        """A run that destroys everything was made."""
        state = await state_store.destroying(tx.conn, state_id)
        if state is None:
            raise NotNow("STACK_STATE_GONE", "The stack state is destroyed or deleted.")
        await self._told(tx, "destroying", state)

    async def suspend_engine(self, tx: Transaction, state_id: UUID, build: str) -> None:
        """An audit found a build of the engine unsound: it cuts the stack state no more."""
        await self._told(tx, "engine_suspended", await state_store.suspend(tx.conn, state_id, build), build=build)

    async def run_failed(self, tx: Transaction, state_id: UUID, destroy: bool) -> None:  # noqa: FBT001
        """A run failed. A destroy that failed, or is not to be, leaves the stack state as it was before."""
        await self._told(tx, "run_failed", await state_store.run_failed(tx.conn, state_id, destroy=destroy))

    # --- inside

    async def _told(self, tx: Transaction, event: str, state: StackState | None, **facts: str) -> None:
        if state is not None:
            account = tx.subject.account or (await store.account(tx.conn))[1]
            tx.tell(f"stack_state.{event}", self.resource_name(account, state.name), status=state.status, **facts)

    async def _code(self, conn: Connection, subject: Subject, name: str, *, lock: bool = False) -> StackCode:
        found = await store.find_code(conn, slug=own(subject, name, "stack code")[1], lock=lock)
        if found is None:
            raise NotFound("stack code", name)
        return found

    async def _update(
        self, subject: Subject, name: str, before: StackState, change: StackStateChange
    ) -> ShownState | None:
        """Writes a change over the version that was read; None when it is another by now."""
        after, secrets = await self._changed(subject.tenant, before, change)
        async with self._db.transaction(subject) as tx:
            state = await state_store.change(tx.conn, after)
            if state is None:
                await self._check_there(tx.conn, subject, name)
                return None
            tx.tell("stack_state.updated", name)
            shown = (await show(tx.conn, self._states, subject.account, [state]))[0]
            tx.result = replace(shown, secrets=secrets)
            return tx.result  # type: ignore[no-any-return]

    async def _check_there(self, conn: Connection, subject: Subject, name: str) -> None:
        """Refuses a change of a deleted stack state."""
        state = await self.state_by_name(conn, subject, name)
        if state.deleted_at is not None:
            raise NotNow("STACK_STATE_GONE", f"{name} is deleted.", status=state.status)

    async def _changed(
        self, account_id: UUID, before: StackState, change: StackStateChange
    ) -> tuple[StackState, tuple[str, ...]]:
        """The stack state with the change in it, and the names of its secret variables."""
        secret = await self.secret_variables(account_id, before)
        plain = dict(before.variables)
        if change.variables is not None:
            plain, secret = change.variables.onto(plain, secret)
        if len(plain) + len(secret) > VARIABLES_MAX:
            problem = FieldProblem("stack_state.variables", f"more than {VARIABLES_MAX} variables")
            raise Invalid("VALIDATION_FAILED", f"At most {VARIABLES_MAX} variables may be set.", fields=[problem])
        labels = before.labels if change.labels is None else change.labels
        if len(labels) > LABELS_MAX:
            problem = FieldProblem("stack_state.labels", f"more than {LABELS_MAX} labels")
            raise Invalid("VALIDATION_FAILED", f"At most {LABELS_MAX} labels may be set.", fields=[problem])
        auto = before.auto_deploy if change.auto_deploy is None else change.auto_deploy
        after = replace(
            before, labels=labels, variables=plain, auto_deploy=None if change.clear_auto_deploy else auto,
            secret_variables=await self._seal(account_id, before.id, secret),
            suspended_build=before.suspended_build if change.suspended is None else EVERY_BUILD if change.suspended else "",
        )  # fmt: skip
        return after, tuple(sorted(secret))

    async def _seal(self, account_id: UUID, id_: UUID, secret: Mapping[str, str]) -> bytes | None:
        if not secret:
            return None
        return await self._keys.seal(account_id, "secret", _place(id_), json.dumps(dict(secret)).encode())

    async def _with_secrets(self, account_id: UUID, shown: list[ShownState]) -> list[ShownState]:
        """With the names of secret variables, which are sealed beside the values."""
        return [
            replace(one, secrets=tuple(sorted(await self.secret_variables(account_id, one.state)))) for one in shown
        ]


def tf_state_key(id_: UUID) -> str:
    """Under which key the state gateway keeps it."""
    return f"stack-states/{id_}"


def _place(id_: UUID) -> str:
    return f"variables/{id_}"


def _mismatch(name: str, state: StackState) -> Conflict:
    return Conflict("ETAG_MISMATCH", f"{name} has changed: read it again.", etag=state.etag)
