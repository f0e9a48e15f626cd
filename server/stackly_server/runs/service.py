"""What people do with runs: make, find, follow, approve, reject, cancel."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from stackly_server.access import Kind, Subject, own, require, system
from stackly_server.accounts.namespaces import namespace_in
from stackly_server.clock import uuid7
from stackly_server.database import Connection, Database, Transaction
from stackly_server.errors import Conflict, Denied, NotFound, NotNow, TooMuch
from stackly_server.hub import Hub
from stackly_server.limits import QUEUED_RUNS_MAX
from stackly_server.policies.model import Missing
from stackly_server.runs import audit_store, store
from stackly_server.runs.audit_model import Audit
from stackly_server.runs.batches import secrets_place
from stackly_server.runs.engines import wanted
from stackly_server.runs.glance_store import Glance, glance
from stackly_server.runs.model import (
    DONE,
    OF_WHAT_IS,
    TO_PLAN,
    Approval,
    NewRun,
    Plan,
    Run,
    RunType,
    Status,
    Trigger,
    counts,
)
from stackly_server.runs.ports import Keys
from stackly_server.runs.progress import Judged, Progress, run_name
from stackly_server.runs.store import Filter
from stackly_server.stacks.service import StackService, StackState
from stackly_server.states.model import StateHead
from stackly_server.states.service import StateService
from stackly_server.workers.service import WorkerService

_NUMBER = re.compile(r"run-([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class Shown:
    """A run as it is shown: with its plan, words, and what it waits for. `account` is the account's name."""

    run: Run
    account: str
    stack_state: str
    namespace: str
    plan: Plan | None
    approvals: tuple[tuple[Approval, bool], ...]
    missing: tuple[Missing, ...]
    head: StateHead | None
    missing_capabilities: tuple[str, ...]
    offered_engines: tuple[str, ...]
    worker: str
    can_approve: bool
    can_reject: bool
    can_cancel: bool

    @property
    def name(self) -> str:
        """Its resource name."""
        return run_name(self.account, self.stack_state, self.run.number)


class RunService:
    """Runs, for people, pushes and programs."""

    def __init__(
        self, db: Database, hub: Hub, keys: Keys, stacks: StackService, states: StateService, workers: WorkerService,
        progress: Progress,
    ) -> None:  # fmt: skip
        self._db = db
        self._hub = hub
        self._keys = keys
        self._stacks = stacks
        self._states = states
        self._workers = workers
        self._progress = progress

    async def create(self, subject: Subject, parent: str, new: NewRun) -> Shown:
        """Makes a run and puts it in the queue."""
        require(subject, "runs.create", parent)
        if new.type is RunType.DESTROY:
            require(subject, "stacks.destroy", parent)
        async with self._db.read(subject.tenant) as conn:
            state = await self._stacks.state_by_name(conn, subject, parent)
        return await self._create(subject, state, new)

    async def destroy(self, subject: Subject, parent: str, etag: str, new: NewRun) -> Shown:
        """Makes a run that destroys everything."""
        if etag:
            async with self._db.read(subject.tenant) as conn:
                state = await self._stacks.state_by_name(conn, subject, parent)
            if etag != f'"{state.version}"':
                raise Conflict("ETAG_MISMATCH", f"{parent} has changed: read it again.", etag=f'"{state.version}"')
        return await self.create(subject, parent, new)

    async def create_for_push(
        self, account_id: UUID, account: str, stack_state_id: UUID, commit: str, delivery_id: str, *, auto_apply: bool
    ) -> str:
        """Makes the run that a push asks for, in place of older pushes' runs; the same delivery makes one run."""
        subject = system(account_id, account, "push")
        async with self._db.read(account_id) as conn:
            state = await self._stacks.state_by_id(conn, account_id, stack_state_id)
            wanted = Filter(stack_state_id=state.id, delivery_id=delivery_id, to_commit=commit)
            if found := await store.page(conn, account_id, wanted, 1):
                return run_name(account, state.name, found[0].number)
        new = NewRun(RunType.APPLY, Trigger.PUSH, commit, "", auto_apply, delivery_id=delivery_id)
        return (await self._create(subject, state, new)).name

    async def create_audit(self, account_id: UUID, account: str, stack_state_id: UUID, message: str) -> str:
        """Makes a run that audits the engine, because it is due."""
        subject = system(account_id, account, "audit")
        async with self._db.read(account_id) as conn:
            state = await self._stacks.state_by_id(conn, account_id, stack_state_id)
        return (await self._create(subject, state, NewRun(RunType.AUDIT, Trigger.SCHEDULE, message=message))).name

    async def get(self, subject: Subject, name: str) -> Shown:
        """One run."""
        require(subject, "runs.read", name)
        return await self._of_glance(subject, name, await self._glance(subject, name))

    async def page(self, subject: Subject, parent: str, wanted: Filter, limit: int) -> list[Shown]:
        """Runs of a stack state, or of all for `…/-`, newest first."""
        require(subject, "runs.read", parent)
        async with self._db.read(subject.tenant) as conn:
            runs = await store.page(conn, subject.tenant, await self._of(conn, subject, parent, wanted), limit)
            return await self._show_all(conn, subject, runs)

    async def changed_since(self, subject: Subject, parent: str, since: datetime, limit: int) -> list[Shown]:
        """Runs that changed after a moment, oldest change first."""
        require(subject, "runs.read", parent)
        async with self._db.read(subject.tenant) as conn:
            wanted = await self._of(conn, subject, parent, Filter())
            return await self._show_all(
                conn, subject, await store.changed_since(conn, subject.tenant, wanted, since, limit)
            )

    async def wait(
        self, subject: Subject, name: str, reached: Callable[[Shown], bool], etag: str, seconds: float
    ) -> tuple[Shown, bool]:
        """The run once it is where it is waited for, or its etag is another, or the time is over."""
        require(subject, "runs.read", name)
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        seen = await self._glance(subject, name)
        with self._hub.waiter(f"run/{seen.run.id}") as waiter:
            shown = await self.get(subject, name)
            while not reached(shown):
                changed = bool(etag) and etag != f'"{shown.run.version}"'
                if changed or not await waiter.wait(max(0.0, end - loop.time())):
                    return shown, False
                seen = await self._glance(subject, name)
                if seen.run.version != shown.run.version:  # else only its log has grown
                    shown = await self._of_glance(subject, name, seen)
            return shown, True

    async def approve(self, subject: Subject, name: str, digest: str, comment: str) -> Shown:
        """A member's yes to one plan, by its digest."""
        require(subject, "runs.approve", name)
        async with self._db.transaction(subject) as tx:
            run, state = await self.load(tx.conn, subject, name, lock=True)
            judged = await self._waiting(tx, run, state)
            if digest != run.plan_digest:
                raise NotNow("PLAN_CHANGED", "The run has another plan now: read it again.", current=run.plan_digest)
            self._may_vote(subject, run, judged)
            if await self._word(tx, run, judged, comment, approved=True):
                tx.tell("run.approved", name, digest=digest, comment=comment)
                run = await self._progress.voted(tx, run, state)
                self._progress.wake(tx, run.id)
            return (await self._show(tx.conn, subject, [(run, state)]))[0]

    async def reject(self, subject: Subject, name: str, comment: str) -> Shown:
        """A member's no to the current plan; it ends the run."""
        require(subject, "runs.approve", name)
        async with self._db.transaction(subject) as tx:
            run, state = await self.load(tx.conn, subject, name, lock=True)
            judged = await self._waiting(tx, run, state)
            await self._word(tx, run, judged, comment, approved=False)
            moved = await self._progress.step(tx, run, state, Status.REJECTED, by=subject.actor)
            await self._give_up(tx, run, state)
            return (await self._show(tx.conn, subject, [(moved or run, state)]))[0]

    async def cancel(self, subject: Subject, name: str, reason: str, *, force: bool) -> Shown:
        """Stops a run where it is: at once when no worker has it, else by its worker."""
        require(subject, "runs.cancel", name)
        async with self._db.transaction(subject) as tx:
            run, state = await self.load(tx.conn, subject, name, lock=True)
            if run.status is Status.CANCELED:
                return (await self._show(tx.conn, subject, [(run, state)]))[0]
            if run.done:
                raise NotNow("RUN_DONE", f"The run has ended: {run.status.value}.", status=run.status.value)
            moved = await self._cancel(tx, run, state, reason, force)
            return (await self._show(tx.conn, subject, [(moved or run, state)]))[0]

    async def plan(self, subject: Subject, name: str) -> Plan:
        """The current plan."""
        require(subject, "runs.read", name)
        async with self._db.read(subject.tenant) as conn:
            run, _ = await self.load(conn, subject, name)
            plan = await store.plan(conn, subject.tenant, run.id, run.plan_number)
        if plan is None:
            raise NotNow("PLAN_NOT_READY", "There is no plan yet.", status=run.status.value)
        return plan

    async def audit(self, subject: Subject, plan: Plan) -> Audit | None:
        """What an audit found whose plan this is; None of any other plan."""
        async with self._db.read(subject.tenant) as conn:
            return await audit_store.get(conn, subject.tenant, plan.run_id, plan.number)

    async def changes(
        self, subject: Subject, name: str, action: str, after: int, limit: int
    ) -> tuple[Plan, list[tuple[int, Mapping[str, Any]]]]:
        """What the current plan would change, from position `after` on."""
        plan = await self.plan(subject, name)
        async with self._db.read(subject.tenant) as conn:
            found = await store.changes(conn, subject.tenant, plan.run_id, plan.number, action, after, limit)
        return plan, found

    async def load(
        self, conn: Connection, subject: Subject, name: str, *, lock: bool = False
    ) -> tuple[Run, StackState]:
        """A run of the caller's account by its resource name."""
        ids = own(subject, name, "run")
        state = await self._stacks.state_by_name(conn, subject, "/".join(name.split("/")[:4]))
        number = _NUMBER.fullmatch(ids[2])
        run = await store.find(conn, subject.tenant, state.id, int(number[1])) if number else None
        if run is not None and lock:
            run = await store.get(conn, subject.tenant, run.id, lock=True)
        if run is None:
            raise NotFound("run", name)
        return run, state

    async def _glance(self, subject: Subject, name: str) -> Glance:
        """A run by its name, in one trip."""
        ids = own(subject, name, "run")
        number = _NUMBER.fullmatch(ids[2])
        seen = await glance(self._db, subject.tenant, ids[1], int(number[1])) if number else None
        if seen is None:
            raise NotFound("run", name)
        return seen

    async def _of_glance(self, subject: Subject, name: str, seen: Glance) -> Shown:
        """A run that goes on, with what it waits for; of one that has ended all is seen already."""
        if seen.run.done:
            return self._ended(subject, name, seen)
        async with self._db.read(subject.tenant) as conn:
            run, state = await self.load(conn, subject, name)
            return (await self._show(conn, subject, [(run, state)]))[0]

    @staticmethod
    def _ended(subject: Subject, name: str, seen: Glance) -> Shown:
        """A run that has ended waits for nothing, and nobody can do anything with it."""
        run, plan = seen.run, seen.plan
        return Shown(
            run=run, account=subject.account, stack_state=name.split("/")[3], namespace=seen.namespace,
            plan=plan if plan and plan.number == run.plan_number else None,
            approvals=tuple((word, True) for word in seen.approvals), missing=(), head=None, missing_capabilities=(),
            offered_engines=(),
            worker=seen.worker, can_approve=False, can_reject=False, can_cancel=False,
        )  # fmt: skip

    async def _create(self, subject: Subject, state: StackState, new: NewRun) -> Shown:
        async with self._db.read(subject.tenant) as conn:
            commit = new.commit or (new.type in OF_WHAT_IS and state.commit_hash) or state.desired_commit
            blueprint = await self._stacks.blueprint(conn, state, commit)
        run_id = uuid7()
        sealed = None
        if new.secret_variables:
            place = secrets_place(run_id)
            sealed = await self._keys.seal(
                subject.tenant, "secret", place, json.dumps(dict(new.secret_variables)).encode()
            )
        async with self._db.transaction(subject) as tx:
            state = await self._stacks.state_by_id(tx.conn, tx.account_id, state.id)
            await self._room_for(tx, state, new)
            selector = await self._workers.ensure_selector(tx, state.namespace_id, wanted(blueprint))
            row = store.Insert(
                run_id,
                state.id,
                state.commit_hash,
                commit,
                new.message or blueprint.message,
                subject.actor,
                selector,
                sealed,
            )
            run = await store.insert(tx.conn, tx.account_id, new, row)
            tx.tell("run.created", self._progress.name(tx, state, run), type=run.type.value, commit=commit)
            if new.trigger is Trigger.PUSH:
                await self._progress.supersede(tx, state, run)
            if new.type is RunType.DESTROY:
                await self._stacks.destroying(tx, state.id)
            await self._progress.queue_plan(tx, run, state)
            self._progress.wake(tx, run.id)
            tx.result = (await self._show(tx.conn, subject, [(run, state)]))[0]
            return tx.result  # type: ignore[no-any-return]

    async def _room_for(self, tx: Transaction, state: StackState, new: NewRun) -> None:
        if (state.status in {"DELETED", "DESTROYED"} and new.type is RunType.DESTROY) or state.status == "DELETED":
            raise NotNow("STACK_STATE_GONE", f"{state.name} is {state.status.lower()}.", status=state.status)
        if state.status == "LOOSE" and new.type is RunType.APPLY:
            raise NotNow("STACK_CODE_NOT_REGISTERED", f"The code of {state.name} is gone: it can only be destroyed.")
        if await store.queued_count(tx.conn, tx.account_id, state.id) >= QUEUED_RUNS_MAX:
            raise TooMuch("QUOTA_EXCEEDED", f"{state.name} has {QUEUED_RUNS_MAX} open runs.", limit="QUEUED_RUNS_MAX")

    async def _waiting(self, tx: Transaction, run: Run, state: StackState) -> Judged:
        if run.status is not Status.AWAITING_APPROVAL:
            raise NotNow(
                "NOT_WAITING", f"The run does not wait for people: {run.status.value}.", status=run.status.value
            )
        return await self._progress.judge(tx.conn, tx.account_id, run, state)

    @staticmethod
    def _may_vote(subject: Subject, run: Run, judged: Judged) -> None:
        """Refuses a yes that would count for none of the rules that are not met yet."""
        missing = judged.verdict.required
        grouped = [one for one in missing if not one.groups or set(one.groups) & set(subject.groups)]
        if missing and not grouped:
            groups = sorted({group for one in missing for group in one.groups})
            raise Denied(
                "APPROVER_GROUP", f"Only members of {', '.join(groups)} may approve this.", groups=",".join(groups)
            )
        author = subject.actor == run.creator
        if grouped and author and not any(one.self_allowed for one in grouped):
            raise NotNow(
                "SELF_APPROVAL", "The policy forbids that the run's author approves it.", policy=grouped[0].policy
            )

    async def _word(self, tx: Transaction, run: Run, judged: Judged, comment: str, *, approved: bool) -> bool:
        plan = await store.plan(tx.conn, tx.account_id, run.id, run.plan_number)
        approval = Approval(
            member=tx.subject.actor, groups=tx.subject.groups, approved=approved, plan_digest=run.plan_digest,
            commit_hash=run.to_commit, serial=plan.state_serial if plan else 0, policies=judged.policies,
            comment=comment, given_at=datetime.now(UTC),
        )  # fmt: skip
        return await store.insert_approval(tx.conn, tx.account_id, run.id, approval)

    async def _cancel(self, tx: Transaction, run: Run, state: StackState, reason: str, force: bool) -> Run | None:  # noqa: FBT001
        if run.status is Status.CANCELING:
            return await store.force(tx.conn, tx.account_id, run.id) if force else run
        held = run.status in {Status.PLANNING, Status.APPLYING}
        if run.status is Status.APPLY_QUEUED:
            await self._states.release(tx, state.id, run.id)
        target = Status.CANCELING if held else Status.CANCELED
        moved = await self._progress.step(
            tx, run, state, target, by=tx.subject.actor, cancel_reason=reason, cancel_force=force or None
        )
        if not held:
            await self._give_up(tx, run, state)
            await self._progress.advance(tx, state)
        return moved

    async def _give_up(self, tx: Transaction, run: Run, state: StackState) -> None:
        """A destroy that is not to be leaves the stack state as it was."""
        if run.type is RunType.DESTROY:
            await self._stacks.run_failed(tx, state.id, True)

    async def _of(self, conn: Connection, subject: Subject, parent: str, wanted: Filter) -> Filter:
        if parent.endswith("/-"):
            own(subject, parent, "stack state")
            return wanted
        return replace(wanted, stack_state_id=(await self._stacks.state_by_name(conn, subject, parent)).id)

    async def _show_all(self, conn: Connection, subject: Subject, runs: list[Run]) -> list[Shown]:
        states = {
            state_id: await self._stacks.state_by_id(conn, subject.tenant, state_id)
            for state_id in {run.stack_state_id for run in runs}
        }
        return await self._show(conn, subject, [(run, states[run.stack_state_id]) for run in runs])

    async def _show(self, conn: Connection, subject: Subject, runs: list[tuple[Run, StackState]]) -> list[Shown]:
        ids = [run.id for run, _ in runs]
        plans = await store.plans(conn, subject.tenant, ids)
        words = await store.approvals(conn, subject.tenant, ids)
        return [await self._shown(conn, subject, run, state, plans.get(run.id), words[run.id]) for run, state in runs]

    async def _shown(
        self, conn: Connection, subject: Subject, run: Run, state: StackState, plan: Plan | None, words: list[Approval]
    ) -> Shown:
        account_id = subject.tenant
        namespace = await namespace_in(conn, state.namespace_id)
        judged = await self._progress.judge(conn, account_id, run, state) if plan and not run.done else None
        waits = run.status is Status.AWAITING_APPROVAL
        head = await self._states.head(conn, account_id, state.id) if run.status is Status.APPLY_QUEUED else None
        lacking: tuple[str, ...] = ()
        if run.status in {*TO_PLAN, Status.APPLY_QUEUED}:
            lacking = await self._workers.missing_for(conn, account_id, state.namespace_id, run.selector_hash)
        engines = await self._workers.offered(conn, state.namespace_id, lacking)
        worker = await self._workers.slug(conn, account_id, run.worker_id) if run.worker_id else ""
        policies = judged.policies if judged else ()
        votes = subject.kind is Kind.USER and waits and subject.may("runs.approve")
        return Shown(
            run=run, account=subject.account, stack_state=state.name, namespace=namespace.name,
            plan=plan if plan and plan.number == run.plan_number else None,
            approvals=tuple((word, run.done or counts(word, run, policies)) for word in words),
            missing=judged.verdict.required if judged and waits else (), head=head,
            missing_capabilities=tuple(lacking), offered_engines=engines,
            worker=worker, can_approve=votes and _votable(subject, run, judged), can_reject=votes,
            can_cancel=subject.may("runs.cancel") and run.status not in DONE,
        )  # fmt: skip


def _votable(subject: Subject, run: Run, judged: Judged | None) -> bool:
    try:
        RunService._may_vote(subject, run, judged) if judged else None  # noqa: SLF001
    except (Denied, NotNow):
        return False
    return judged is not None
