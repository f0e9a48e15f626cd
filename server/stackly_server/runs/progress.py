"""How runs go on: each step one guarded UPDATE with its event, audit entry and outbox line, in the caller's transaction."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from stackly_server.accounts.namespaces import namespace_in
from stackly_server.database import Connection, Transaction
from stackly_server.limits import APPROVAL_SECONDS_DEFAULT
from stackly_server.policies.model import Facts, Verdict, evaluate
from stackly_server.policies.service import PolicyService
from stackly_server.runs import batch_store, engines, store
from stackly_server.runs.model import (
    BATCH,
    READ_ONLY,
    SUPERSEDABLE,
    TO_PLAN,
    WHOLE,
    BatchRow,
    BatchStatus,
    Left,
    Outcome,
    Phase,
    Plan,
    Run,
    RunType,
    Status,
    Trigger,
)
from stackly_server.runs.rounds import failure, kept, too_stale
from stackly_server.runs.verdict import after_apply, after_plan, votes
from stackly_server.stacks.service import StackService, StackState
from stackly_server.states.model import StateHead
from stackly_server.states.records import RecordService
from stackly_server.states.service import StateService
from stackly_server.workers.service import WorkerService

_WORKFLOW_ID = re.compile(
    r"run/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/(plan|apply)/([1-9][0-9]{0,8})(?:/h[1-9][0-9]{0,8})?"
)


@dataclass(frozen=True, slots=True)
class Judged:
    """What the policies in force say of a run's current plan; `policies` are those that apply, as `name@revision`."""

    verdict: Verdict
    policies: tuple[str, ...]


class Progress:
    """Moves runs. Nothing here opens a transaction or calls outside of the database."""

    def __init__(
        self, stacks: StackService, states: StateService, records: RecordService, policies: PolicyService,
        workers: WorkerService,
    ) -> None:  # fmt: skip
        self._stacks = stacks
        self._states = states
        self._records = records
        self._policies = policies
        self._workers = workers

    async def judge(self, conn: Connection, account_id: UUID, run: Run, state: StackState) -> Judged:
        """Judges the current plan by the policies in force now and the words given on it."""
        facts = await self._facts(conn, account_id, run, state)
        policies, applying = await self._policies.in_force(conn, account_id, facts)
        given = (await store.approvals(conn, account_id, [run.id]))[run.id]
        return Judged(evaluate(policies, facts, votes(given, run, applying)), applying)

    async def queue_plan(self, tx: Transaction, run: Run, state: StackState) -> None:
        """Hands the wanted plan of a queued run to the workers."""
        await self._queue(tx, run, state, Phase.PLAN)

    async def planned(self, tx: Transaction, run: Run, state: StackState, plan: Plan) -> None:
        """A plan is there: ends the run, asks people, or puts it in line to apply."""
        judged = await self.judge(tx.conn, tx.account_id, _with_plan(run, plan), state)
        others = run.partly_applied and await batch_store.others_began(tx.conn, tx.account_id, run)
        target = after_plan(run, plan.has_changes, judged.verdict, plan.deferred, others=others)
        columns: dict[str, Any] = {"plan_digest": plan.digest}
        if target is Status.AWAITING_APPROVAL:
            columns["expires_at"] = judged.verdict.expires_seconds or APPROVAL_SECONDS_DEFAULT
        if target is Status.FAILED:
            columns["error"] = failure(run, judged.verdict.deny, plan.units)
        moved = await self.step(tx, run, state, target, **columns)
        if moved is None:
            return
        if target in {Status.PLANNED_AND_FINISHED, Status.APPLIED} and run.type not in READ_ONLY:
            destroyed = run.type is RunType.DESTROY
            await self._stacks.applied(tx, state.id, run.to_commit, run.id, destroyed)
        if target is Status.APPLY_QUEUED:
            await self.advance(tx, state)

    async def voted(self, tx: Transaction, run: Run, state: StackState) -> Run:
        """Somebody gave a word on the current plan: goes on when that was the last one missing."""
        judged = await self.judge(tx.conn, tx.account_id, run, state)
        if not judged.verdict.satisfied:
            return run
        moved = await self.step(tx, run, state, Status.APPLY_QUEUED)
        if moved is None:
            return run
        await self.advance(tx, state)
        return await self._again(tx, moved)

    async def advance(self, tx: Transaction, state: StackState) -> None:
        """Lets the oldest waiting run of a stack state apply, when the lock is free and its plan still fits.

        Called whenever a run comes to wait, and whenever the lock is given back. The head's row lock puts callers in
        line. A state that moved since the plan, or records of units that did, send the run back to plan again, and so
        does an engine that no worker has any more while they have another that suits; an equal digest keeps its approvals.
        """
        head = await self._states.head(tx.conn, tx.account_id, state.id, lock=True)
        if head.lock_run_id is not None and not await self._let_go(tx, state, head.lock_run_id):
            return  # the state moves until that run has ended
        for run in await store.open_runs(tx.conn, tx.account_id, state.id, [Status.APPLY_QUEUED]):
            plan = await store.plan(tx.conn, tx.account_id, run.id, run.plan_number)
            if plan is None or not await self._as_planned(tx, plan, head) or await self._outlived(tx, run, state, plan):
                await self._plan_again(tx, run, state)
            elif not (await self.judge(tx.conn, tx.account_id, run, state)).verdict.satisfied:
                await self.step(tx, run, state, Status.AWAITING_APPROVAL, expires_at=APPROVAL_SECONDS_DEFAULT)
            elif await self._states.acquire(tx, state.id, run.id, self.name(tx, state, run)):
                await self._queue(tx, run, state, Phase.APPLY, plan)
                return

    async def _outlived(self, tx: Transaction, run: Run, state: StackState, plan: Plan) -> bool:
        """Whether workers have engines for the stack, but the one that made the plan is with none of them."""
        blueprint = await self._stacks.blueprint(tx.conn, state, run.to_commit)
        if not await self._workers.missing(tx.conn, state.namespace_id, engines.pinned(blueprint, plan)):
            return False
        return not await self._workers.missing(tx.conn, state.namespace_id, engines.wanted(blueprint))

    async def _let_go(self, tx: Transaction, state: StackState, run_id: UUID) -> bool:
        """Takes the lock back from a run whose apply nobody has begun, and nobody can: its engine is gone."""
        run = await store.get(tx.conn, tx.account_id, run_id)
        if run is None or run.status is not Status.APPLY_QUEUED:
            return False
        plan = await store.plan(tx.conn, tx.account_id, run.id, run.plan_number)
        if plan is None or not await self._outlived(tx, run, state, plan):
            return False
        stop = {
            "workflow_id": workflow_id(run.id, Phase.APPLY, run.plan_number), "namespace_id": str(state.namespace_id)
        }  # fmt: skip
        await batch_store.drop_open(tx.conn, tx.account_id, run.id)
        if await self._plan_again(tx, run, state) is None:
            return False
        tx.send("stop_workflow", str(run.id), stop)
        await self._states.release(tx, state.id, run.id)
        return True

    async def _as_planned(self, tx: Transaction, plan: Plan, head: StateHead) -> bool:
        """Whether state and records are those that a plan was made from. A plan of the whole root needs no records."""
        if (plan.state_serial, plan.state_lineage) != (head.serial, head.lineage):
            return False
        if not plan.units:
            return True
        return await self._records.generations(tx, head.stack_state_id) == plan.record_generations

    async def supersede(self, tx: Transaction, state: StackState, newer: Run) -> None:
        """Ends the runs of older pushes that have not come to apply."""
        for run in await store.open_runs(tx.conn, tx.account_id, state.id, SUPERSEDABLE):
            if run.trigger is Trigger.PUSH and run.number < newer.number:
                await self.step(tx, run, state, Status.SUPERSEDED, by=f"run-{newer.number}")

    async def applied(
        self, tx: Transaction, run: Run, state: StackState, outcome: Outcome, error: Any, left: Sequence[Left] = ()
    ) -> None:
        """An apply ended: records what became of the stack state, gives the lock back, lets the next one go on.

        One that left units has them planned again at once, on the state as it is now, and holds no lock until that is approved.
        """
        others = run.partly_applied and await batch_store.others_began(tx.conn, tx.account_id, run)
        target = after_apply(run, outcome, len(left), others=others)
        columns = kept(left) if outcome is Outcome.PARTIAL else {}
        if target is Status.FAILED:
            columns["error"] = failure(run, (), left=left) if outcome is Outcome.PARTIAL else error
        if target is Status.PARTIALLY_APPLIED:
            columns["plan_number"] = run.plan_number + 1
        moved = await self.step(tx, run, state, target, **columns)
        if moved is None:
            return
        if target is Status.APPLIED:
            await self._stacks.applied(tx, state.id, run.to_commit, run.id, run.type is RunType.DESTROY)
        elif target is Status.PARTIALLY_APPLIED:
            await self._queue(tx, moved, state, Phase.PLAN)
        elif not moved.partly_applied:
            await self._stacks.run_failed(tx, state.id, run.type is RunType.DESTROY)
        await self._states.release(tx, state.id, run.id)
        await self.advance(tx, state)

    async def stale(self, tx: Transaction, run: Run, state: StackState, error: Any) -> None:
        """An apply found, before it began, that what was planned on is not what is there: has the run planned again.

        As for a state that moved, an equal digest keeps its approvals. Too many in a row end the run.
        """
        times = await batch_store.stale_in_a_row(tx.conn, tx.account_id, run.id)
        if (reason := too_stale(times, error)) is not None:
            await self.applied(tx, run, state, Outcome.FAILED, reason)
        elif await self._plan_again(tx, run, state) is not None:
            await self._states.release(tx, state.id, run.id)
            await self.advance(tx, state)

    async def step(
        self, tx: Transaction, run: Run, state: StackState, target: Status, by: str = "", **columns: Any
    ) -> Run | None:
        """One step of a run's life, told to all. None: the run is no longer where it could take it."""
        if target is Status.APPLIED:
            columns |= kept(())
        moved = await store.step(tx.conn, tx.account_id, run.id, target, **columns)
        if moved is None:
            return None
        facts = {"status": target.value, **({"by": by} if by else {})}
        if moved.error is not None:
            facts["reason"] = str(moved.error["reason"])
        if target is Status.PARTIALLY_APPLIED:
            facts["left"] = str(moved.left_count)
        tx.tell(f"run.{_EVENTS[target]}", self.name(tx, state, run), **facts)
        self.wake(tx, run.id)
        if moved.done:
            if moved.partly_applied:  # it goes no further: the stack state is between two commits
                await self._stacks.run_failed(tx, state.id, run.type is RunType.DESTROY)
            await batch_store.drop_open(tx.conn, tx.account_id, run.id)
            if run.status in {*TO_PLAN, Status.APPLY_QUEUED}:
                phase = Phase.APPLY if run.status is Status.APPLY_QUEUED else Phase.PLAN
                tx.send("stop_workflow", str(run.id), {"workflow_id": workflow_id(run.id, phase, run.plan_number),
                                                       "namespace_id": str(state.namespace_id)})  # fmt: skip
        return moved

    def hand_out(self, tx: Transaction, batch: BatchRow, *, anew: bool = False) -> None:
        """Has a workflow started that hands a batch to a worker; `anew`, if the one it had left it undone."""
        payload = {"run_id": str(batch.run_id), "number": batch.plan_number, "batch": batch.batch}
        tx.send(batch.phase.value.lower(), str(batch.run_id), {**payload, **({"anew": True} if anew else {})})

    async def drop(self, tx: Transaction, state: StackState, batch: BatchRow) -> None:
        """Ends a batch that no worker has taken, and the workflow that hands it out."""
        await batch_store.finish(tx.conn, tx.account_id, batch, Outcome.GONE, -1)
        tx.send("stop_workflow", str(batch.run_id), {
            "workflow_id": workflow_id(batch.run_id, batch.phase, batch.plan_number, batch.batch),
            "namespace_id": str(state.namespace_id),
        })  # fmt: skip

    def wake(self, tx: Transaction, run_id: UUID) -> None:
        """Wakes whoever waits for the run, or for any run of the account."""
        tx.wake(f"run/{run_id}")
        tx.wake(f"runs/{tx.account_id}")

    def name(self, tx: Transaction, state: StackState, run: Run) -> str:
        """The run's resource name."""
        return run_name(tx.subject.account, state.name, run.number)

    async def _plan_again(self, tx: Transaction, run: Run, state: StackState) -> Run | None:
        moved = await self.step(tx, run, state, Status.QUEUED, plan_number=run.plan_number + 1)
        if moved is not None:
            await self._queue(tx, moved, state, Phase.PLAN)
        return moved

    async def _queue(
        self, tx: Transaction, run: Run, state: StackState, phase: Phase, plan: Plan | None = None
    ) -> None:  # fmt: skip
        """Hands a phase to the workers that fit: an apply only to those that have the engine of its `plan`."""
        namespace = await namespace_in(tx.conn, state.namespace_id)
        blueprint = await self._stacks.blueprint(tx.conn, state, run.to_commit)
        selector = engines.wanted(blueprint) if plan is None else engines.pinned(blueprint, plan)
        hash_ = await self._workers.ensure_selector(tx, state.namespace_id, selector)
        if hash_ != run.selector_hash:
            await store.set_selector(tx.conn, tx.account_id, run.id, hash_)
        batch = BatchRow(
            run_id=run.id, plan_number=run.plan_number, phase=phase, batch=BATCH, slices=WHOLE,
            status=BatchStatus.QUEUED, task_queue=f"{namespace.temporal_namespace}.{hash_}",
            nonce=secrets.token_urlsafe(24), worker_id=None, epoch=0, lease_live=False, start_token=None,
            apply_started_at=None, outcome=None, started_at=None, finished_at=None,
        )  # fmt: skip
        await batch_store.insert(tx.conn, tx.account_id, batch)
        self.hand_out(tx, batch)

    async def _facts(self, conn: Connection, account_id: UUID, run: Run, state: StackState) -> Facts:
        blueprint = await self._stacks.blueprint(conn, state, run.to_commit)
        return Facts(
            stack=state.name,
            environment=blueprint.environment or None,
            labels=blueprint.labels,
            policies=tuple(blueprint.policies),
            groups=await self._policies.groups(conn, account_id),
            auto_apply=run.auto_apply,
        )

    async def _again(self, tx: Transaction, run: Run) -> Run:
        return await store.get(tx.conn, tx.account_id, run.id) or run


def run_name(account: str, stack_state: str, number: int) -> str:
    """The resource name of a run."""
    return f"accounts/{account}/stackStates/{stack_state}/runs/run-{number}"


def workflow_id(run_id: UUID, phase: Phase, number: int, batch: str = BATCH) -> str:
    """The natural id of the workflow that hands out a phase of a run, or a batch that was offered in it."""
    return f"run/{run_id}/{phase.value.lower()}/{number}" + ("" if batch == BATCH else f"/{batch}")


def parse_workflow_id(text: str) -> tuple[UUID, Phase, int] | None:
    """Run, phase and plan number of a workflow's id; None for what is none of ours."""
    match = _WORKFLOW_ID.fullmatch(text)
    return (UUID(match[1]), Phase(match[2].upper()), int(match[3])) if match else None


def _with_plan(run: Run, plan: Plan) -> Run:
    return replace(run, plan_digest=plan.digest)


_EVENTS = {
    Status.QUEUED: "queued",
    Status.PLANNING: "planning",
    Status.AWAITING_APPROVAL: "approval_requested",
    Status.APPLY_QUEUED: "apply_queued",
    Status.APPLYING: "applying",
    Status.PARTIALLY_APPLIED: "partially_applied",
    Status.CANCELING: "canceling",
    Status.PLANNED_AND_FINISHED: "planned",
    Status.APPLIED: "applied",
    Status.FAILED: "failed",
    Status.REJECTED: "rejected",
    Status.EXPIRED: "expired",
    Status.SUPERSEDED: "superseded",
    Status.CANCELED: "canceled",
}
