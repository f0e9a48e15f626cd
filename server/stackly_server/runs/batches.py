"""What agents and runners may do with batches: claim, plan, apply, report. Every call is checked in SQL against worker, batch and epoch."""

import asyncio
import base64
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from stackly_engine import exact, plans
from stackly_engine.deltas import Delta
from stackly_engine.projected_chain import ProjectedChain
from stackly_server.access import Batch, Kind, Subject
from stackly_server.accounts.namespaces import account_name
from stackly_server.crash import crash_point
from stackly_server.database import Connection, Database, Transaction
from stackly_server.errors import Conflict, Denied, Invalid, NotFound, NotNow, Unauthenticated
from stackly_server.hub import Hub
from stackly_server.limits import PLAN_BYTES
from stackly_server.runs import audit_store, batch_store, changes, store
from stackly_server.runs.auditing import AuditService
from stackly_server.runs.glance_store import wishes_of
from stackly_server.runs.model import (
    BATCH,
    DONE,
    TO_PLAN,
    BatchRow,
    BatchStatus,
    Left,
    Outcome,
    Phase,
    Run,
    RunType,
    Status,
)
from stackly_server.runs.ports import Blobs, Keys, Lease
from stackly_server.runs.progress import Progress
from stackly_server.runs.rounds import check_end
from stackly_server.runs.source_digest import artifact_of
from stackly_server.runs.submitted import SubmittedPlan, projection_of
from stackly_server.stacks.service import StackService, StackState
from stackly_server.states.model import BatchFence, NewState, Refusal
from stackly_server.states.records import RecordService
from stackly_server.states.service import StateService
from stackly_server.workers.service import WorkerService

_TOKEN = "stkr_"  # noqa: S105
SUSPENDED = "unsound: an audit found the engine unsound here, or a person suspended it"
_REMEMBERED = 10_000  # run tokens


class BatchService:
    """Batches, for those who work on them."""

    def __init__(
        self, db: Database, hub: Hub, keys: Keys, blobs: Blobs, stacks: StackService, states: StateService,
        records: RecordService, workers: WorkerService, progress: Progress, lease_seconds: int,
    ) -> None:  # fmt: skip
        self._db = db
        self._hub = hub
        self._keys = keys
        self._blobs = blobs
        self._stacks = stacks
        self._states = states
        self._records = records
        self._workers = workers
        self._progress = progress
        self._auditing = AuditService(stacks, states, records)
        self._lease_seconds = lease_seconds
        self._known: OrderedDict[bytes, tuple[Batch, UUID, str]] = OrderedDict()

    async def identify(self, token: str) -> Subject:
        """The runner behind a run token. One of an earlier epoch still says who calls; what it may do is asked by `held`."""
        account_id, hashed = _account_of(token), _hash(token)
        if (known := self._known.get(hashed)) is None:  # what a token stands for never changes
            async with self._db.read(account_id) as conn:
                found = await batch_store.by_token(conn, account_id, hashed)
                if found is None:
                    raise Unauthenticated("TOKEN_INVALID", "This is no run token of ours.")
                known = (*found, await account_name(conn))
            self._remember(hashed, known)
        batch, worker_id, account = known
        actor = f"runs/{batch.run_id}/{batch.phase.lower()}-{batch.plan_number}-{batch.batch}"
        return Subject(Kind.RUN, account_id, account, actor, worker_id=worker_id, batch=batch)

    def _remember(self, hashed: bytes, known: tuple[Batch, UUID, str]) -> None:
        self._known[hashed] = known
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    async def claim(self, subject: Subject, ref: Batch, nonce: str) -> Lease:
        """Gives a batch to a worker whose proved capabilities fit, for a task that it got."""
        if subject.worker_id is None:
            raise Denied("PERMISSION_DENIED", "Only a worker may claim a batch.")
        token = _new_token(subject.tenant)
        async with self._db.transaction(subject) as tx:
            run, state, batch = await self._load(tx.conn, subject.tenant, ref, lock=True)
            if not secrets.compare_digest(batch.nonce, nonce):
                raise Conflict("LEASE_LOST", "This task was handed out anew: its nonce is no longer good.")
            self._claimable(run, batch, subject.worker_id)
            if batch.helps and not batch.task_queue.endswith(f".w.{subject.worker_id}"):
                raise Conflict("LEASE_LOST", "This batch was offered to another worker.")
            await self._workers.require_fit(tx.conn, subject, state.namespace_id, run.selector_hash)
            epoch = await self._next_epoch(tx, run, state, batch)
            claimed = await self._claim(tx, batch, subject.worker_id, epoch, token)
            tx.tell("run.claimed", self._progress.name(tx, state, run), step=batch.step, epoch=str(epoch))
            await self._begun(tx, run, state, claimed, subject.worker_id)
        crash_point("api.claim.after_commit")
        self._remember(_hash(token), (replace(ref, epoch=epoch), subject.worker_id, subject.account))
        return Lease(token, epoch, self._lease_seconds, str(state.id))

    async def reclaim(self, subject: Subject, ref: Batch) -> Lease:
        """Gives a batch back to the worker that held it, for a runner that hands in what a dead one left."""
        token = _new_token(subject.tenant)
        async with self._db.transaction(subject) as tx:
            run, state, batch = await self._load(tx.conn, subject.tenant, ref, lock=True)
            if batch.worker_id is None or batch.worker_id != subject.worker_id or batch.finished_at is not None:
                raise Conflict("LEASE_LOST", "This batch is no longer this worker's.")
            epoch = await self._next_epoch(tx, run, state, batch)
            await self._claim(tx, batch, batch.worker_id, epoch, token)
            tx.tell("run.reclaimed", self._progress.name(tx, state, run), step=batch.step, epoch=str(epoch))
        return Lease(token, epoch, self._lease_seconds, str(state.id))

    async def status(self, subject: Subject, ref: Batch) -> BatchRow:
        """What is known of a batch that the worker holds or held."""
        async with self._db.read(subject.tenant) as conn:
            _, _, batch = await self._load(conn, subject.tenant, ref)
        if batch.worker_id != subject.worker_id:
            raise NotFound("batch", str(ref.run_id))
        return batch

    async def submit_plan(self, subject: Subject, plan: SubmittedPlan) -> str:
        """Records a plan under a digest computed here, and gives the digest. The same plan again is answered again."""
        if len(plan.bundle) + len(plan.projected) > PLAN_BYTES:
            raise Invalid("LIMIT_EXCEEDED", "A plan is at most 256 MiB.", limit="PLAN_BYTES")
        plan.check()
        projected = await asyncio.to_thread(plan.read)
        async with self._db.read(subject.tenant) as conn:
            run, state, batch = await self.held(conn, subject)
            variables = await self._stacks.blueprint(conn, state, run.to_commit)
            head = await self._states.head(conn, subject.tenant, state.id)
            if (plan.audit is not None) != (run.type is RunType.AUDIT):
                raise Invalid("VALIDATION_FAILED", "An audit says what it found, and nobody else does.")
            plan.check_artifact(await artifact_of(conn, subject.tenant, run.id))
        values = {**variables.variables, **run.variables, **await self.secret_variables(subject.tenant, run, state)}
        key = await self._states.hash_key(subject.tenant, head)
        hashed = plans.variables_hash({name: exact.loads(text.encode()) for name, text in values.items()}, key)
        digest = await asyncio.to_thread(plan.digest, projected, hashed)
        blob = f"{subject.tenant}/plans/{run.id}/{batch.plan_number}-{batch.epoch}"
        await self._put(subject.tenant, blob, plan.bundle)
        if isinstance(projected, ProjectedChain):  # what is planned again at the apply is held to it
            await self._put(subject.tenant, projection_of(blob), plan.projected)
        row = plan.row(run, batch.plan_number, digest, blob, projected)
        if variables.engine_suspended:
            row = replace(row, whole_reasons=(*row.whole_reasons, SUSPENDED))
        async with self._db.transaction(subject) as tx:
            await self.held(tx.conn, subject, lock=True)
            if plan.audit is not None:
                await audit_store.insert(tx.conn, tx.account_id, state.id, (run.id, batch.plan_number), plan.audit)
            if await store.insert_plan(tx.conn, tx.account_id, row):
                shown = changes.resource_changes(projected)
                await store.insert_changes(tx.conn, tx.account_id, run.id, batch.plan_number, shown)
        return digest

    async def start_apply(self, subject: Subject, start_token: UUID, units: Collection[str] = ()) -> None:
        """Commits that the apply begins: once for a plan, whoever asks. The records of its units (none: all) are cleared."""
        async with self._db.transaction(subject) as tx:
            run, state, batch = await self.held(tx.conn, subject, lock=True)
            if run.status not in {Status.APPLY_QUEUED, Status.APPLYING}:
                raise Conflict("LEASE_LOST", "The run is not to be applied any more.", status=run.status.value)
            if not await batch_store.start(tx.conn, tx.account_id, batch, start_token):
                raise NotNow("ALREADY_STARTED", "This plan is being applied, or was.")
            if batch.helps:
                return  # its run has begun, and the first batch has cleared all records of the plan
            if batch.apply_started_at is None:  # a repeated call finds records of its own
                planned = await store.planned_units(tx.conn, tx.account_id, run.id, batch.plan_number)
                await self._records.clear(tx, state.id, {*units, *planned} if units else ())
            if run.status is Status.APPLY_QUEUED:
                await self._progress.step(tx, run, state, Status.APPLYING)
        crash_point("api.start_apply.after_commit")

    async def write_state(
        self, subject: Subject, serial: int, lineage: str, sha256: str, data: bytes
    ) -> Refusal | None:
        """A new whole state document. None: taken. Else it is kept aside, also when the lease was lost meanwhile."""
        if _batch(subject).batch != BATCH:
            raise Denied("PERMISSION_DENIED", "An offered batch writes its slices of the state, and no document.")
        return await self._states.write(subject, await self._new_state(subject, serial, lineage, sha256), data)

    async def write_slices(self, subject: Subject, sha256: str, delta: Delta) -> tuple[Refusal | None, int]:
        """Slices of the state that moved. None with their serial: taken. Else they are kept aside, as a document is."""
        new = await self._new_state(subject, delta.base, delta.lineage, sha256)
        mine = _batch(subject)
        if mine.batch == BATCH:
            return await self._states.write_slices(subject, new, delta)
        async with self._db.read(subject.tenant) as conn:
            _, _, batch = await self._of(conn, subject)
        if delta.head is not None or not set(delta.slices) <= set(batch.slices):
            raise Denied(
                "PERMISSION_DENIED", "An offered batch writes the slices that it was offered, and nothing else."
            )
        fence = BatchFence(mine.plan_number, mine.phase, mine.batch, mine.epoch)
        return await self._states.write_slices(subject, replace(new, fence=fence), delta)

    async def _new_state(self, subject: Subject, serial: int, lineage: str, sha256: str) -> NewState:
        mine = _batch(subject)
        if mine.phase != Phase.APPLY:
            raise Denied("PERMISSION_DENIED", "Only an apply writes state.")
        state_id = await batch_store.stack_state_of(self._db, subject.tenant, mine.run_id)
        if state_id is None:
            raise NotFound("batch", str(mine.run_id))
        return NewState(state_id, mine.run_id, mine.epoch, serial, lineage, sha256)

    async def renew(self, subject: Subject, wait_seconds: int) -> tuple[Any, bool, bool]:
        """Renews the lease; waits for a wish to stop. Gives the lease's end, and whether to stop or to kill."""
        mine = _batch(subject)
        loop = asyncio.get_running_loop()
        end = loop.time() + min(wait_seconds, self._lease_seconds / 2)  # before it has to be renewed again
        with self._hub.waiter(f"run/{mine.run_id}") as waiter:
            async with self._db.transaction(subject) as tx:
                run, _, batch = await self.held(tx.conn, subject)
                lease_end = await batch_store.renew(tx.conn, tx.account_id, batch, self._lease_seconds)
            if lease_end is None:
                raise Conflict("LEASE_LOST", "This batch belongs to another runner now.")
            status, force = run.status, run.cancel_force
            while not (stop := _unwanted(status)) and await waiter.wait(max(0.0, end - loop.time())):
                wishes = await wishes_of(self._db, subject.tenant, mine)
                if wishes is None:
                    raise _lease_lost()
                status, force = wishes
        return lease_end, stop, force

    async def finish(
        self, subject: Subject, outcome: Outcome, error: Any, suspects: list[str], exit_code: int, left: Sequence[Left] = (),
    ) -> None:  # fmt: skip
        """The end of a batch, and what follows from it; `left` of a partial apply. The same report again changes nothing."""
        async with self._db.transaction(subject) as tx:
            run, state, batch = await self._of(tx.conn, subject, lock=True)
            mine = batch.epoch == _batch(subject).epoch
            if mine and batch.finished_at is not None and batch.outcome == outcome.value:
                return
            if not mine or not await batch_store.finish(tx.conn, tx.account_id, batch, outcome, exit_code):
                raise Conflict("LEASE_LOST", "This batch belongs to another runner now.")
            await self.ended(tx, run, state, batch, outcome, error, suspects, left)
        crash_point("api.finish.after_commit")

    async def told(self, subject: Subject, outcome: Outcome) -> bool:
        """Whether the caller told this end of its batch before, and the answer was lost."""
        async with self._db.read(subject.tenant) as conn:
            _, _, batch = await self._of(conn, subject)
        mine = batch.epoch == _batch(subject).epoch
        return mine and batch.finished_at is not None and batch.outcome == outcome.value

    async def ended(
        self, tx: Transaction, run: Run, state: StackState, batch: BatchRow, outcome: Outcome, error: Any, suspects: list[str],
        left: Sequence[Left] = (),
    ) -> None:  # fmt: skip
        """What follows from the end of a batch."""
        if batch.phase is Phase.PLAN and outcome in {Outcome.PARTIAL, Outcome.STALE}:
            raise Invalid("VALIDATION_FAILED", "Only an apply can be partial or stale.")
        if run.done:
            return  # superseded meanwhile
        if batch.phase is Phase.APPLY:
            if suspects:
                await store.add_suspects(tx.conn, tx.account_id, run.id, suspects)
            plan = await store.plan(tx.conn, tx.account_id, run.id, batch.plan_number)
            check_end(batch, plan, outcome, left)
            if outcome is Outcome.STALE and not batch.helps:
                await self._progress.stale(tx, run, state, error)
                return
            await self._apply_ended(tx, run, state, batch, outcome, error or _lost("applying"), left)
            return
        plan = await store.plan(tx.conn, tx.account_id, run.id, batch.plan_number)
        if run.status is Status.CANCELING or outcome is Outcome.GONE:
            await self._progress.step(tx, run, state, Status.CANCELED)
        elif outcome is Outcome.SUCCEEDED and plan is not None:
            await self._progress.planned(tx, run, state, plan)
            if run.type is RunType.AUDIT:
                await self._auditing.settle(tx, run, state, plan)
        else:
            await self._progress.step(tx, run, state, Status.FAILED, error=error or _lost("planning"))
            if not run.partly_applied and run.type is not RunType.AUDIT:  # else that was said by the step
                await self._stacks.run_failed(tx, state.id, run.type is RunType.DESTROY)

    async def _put(self, account_id: UUID, place: str, data: bytes) -> None:
        await self._blobs.put_new(place, await self._keys.seal(account_id, "plan", place, data))

    async def secret_variables(self, account_id: UUID, run: Run, state: StackState) -> dict[str, str]:
        """Secret variables by name: those of the stack state, with those of the run on top."""
        values = await self._stacks.secret_variables(account_id, state)
        if run.secret_variables is not None:
            opened = await self._keys.open(account_id, "secret", secrets_place(run.id), run.secret_variables)
            values = {**values, **exact.loads(opened)}
        return values

    async def held(self, conn: Connection, subject: Subject, *, lock: bool = False) -> tuple[Run, StackState, BatchRow]:
        """The caller's batch with its run and stack state, while the caller holds it."""
        run, state, batch = await self._of(conn, subject, lock=lock)
        if batch.finished_at is not None or batch.epoch != _batch(subject).epoch:
            raise _lease_lost()
        return run, state, batch

    async def still_held(self, subject: Subject) -> Batch:
        """The caller's batch, while the caller holds it: asked in one trip, for what needs nothing else of it."""
        mine = _batch(subject)
        if await wishes_of(self._db, subject.tenant, mine) is None:
            raise _lease_lost()
        return mine

    async def _of(self, conn: Connection, subject: Subject, *, lock: bool = False) -> tuple[Run, StackState, BatchRow]:
        return await self._load(conn, subject.tenant, _batch(subject), lock=lock)

    async def _load(
        self, conn: Connection, account_id: UUID, ref: Batch, *, lock: bool = False
    ) -> tuple[Run, StackState, BatchRow]:
        run = await store.get(conn, account_id, ref.run_id, lock=lock)
        batch = await batch_store.find(
            conn, account_id, ref.run_id, ref.plan_number, Phase(ref.phase), ref.batch, lock=lock
        )
        if run is None or batch is None:
            raise NotFound("batch", str(ref.run_id))
        return run, await self._stacks.state_by_id(conn, account_id, run.stack_state_id), batch

    @staticmethod
    def _claimable(run: Run, batch: BatchRow, worker_id: UUID) -> None:
        if batch.apply_started_at is not None:
            raise NotNow("ALREADY_STARTED", "This plan is being applied, or was.")
        if run.done or run.status is Status.CANCELING or batch.finished_at is not None:
            raise Conflict("LEASE_LOST", "This batch is not wanted any more.", status=run.status.value)
        if batch.worker_id not in {None, worker_id} and batch.lease_live:
            raise Conflict("LEASE_LOST", "Another worker has this batch.")

    async def _next_epoch(self, tx: Transaction, run: Run, state: StackState, batch: BatchRow) -> int:
        """For an apply the lock's epoch, so that one number fences both the batch and the state."""
        if batch.phase is Phase.APPLY and not batch.helps:
            return await self._states.fence(tx, state.id, run.id)
        return batch.epoch + 1  # of an offered batch too: its writes are fenced by its row, under the lock of the run

    async def _claim(self, tx: Transaction, batch: BatchRow, worker_id: UUID, epoch: int, token: str) -> BatchRow:
        claimed = await batch_store.claim(
            tx.conn, tx.account_id, batch, worker_id=worker_id, epoch=epoch, lease=self._lease_seconds
        )  # fmt: skip
        if claimed is None:
            raise Conflict("LEASE_LOST", "Another was faster.")
        await batch_store.insert_token(tx.conn, tx.account_id, claimed, _hash(token))
        return claimed

    async def _begun(self, tx: Transaction, run: Run, state: StackState, batch: BatchRow, worker_id: UUID) -> None:
        if batch.phase is Phase.PLAN and run.status in TO_PLAN:
            await self._progress.step(tx, run, state, Status.PLANNING, worker_id=worker_id)
        elif batch.helps:
            self._progress.wake(tx, run.id)
        else:
            await store.set_worker(tx.conn, tx.account_id, run.id, worker_id)
            self._progress.wake(tx, run.id)

    async def _apply_ended(
        self, tx: Transaction, run: Run, state: StackState, batch: BatchRow, outcome: Outcome, error: Any, left: Sequence[Left],
    ) -> None:  # fmt: skip
        """An apply ends with the last of its batches, as its first one ended."""
        beside = await batch_store.of_run(tx.conn, tx.account_id, run.id)
        beside = [one for one in beside if one.phase is Phase.APPLY and one.plan_number == batch.plan_number]
        self._progress.wake(tx, run.id)
        if batch.helps:
            lead = next(one for one in beside if not one.helps)
            if lead.finished_at is None:
                return  # its runner goes on
            outcome, error = Outcome(lead.outcome or Outcome.GONE), run.error or error
        for one in beside:
            if one.helps and one.status is BatchStatus.QUEUED and one.batch != batch.batch:
                await self._progress.drop(tx, state, one)
        if any(one.helps and one.status is BatchStatus.RUNNING and one.batch != batch.batch for one in beside):
            if outcome in {Outcome.SUCCEEDED, Outcome.PARTIAL}:
                raise Invalid("VALIDATION_FAILED", "An apply comes to its end after all batches that it offered.")
            await store.set_error(tx.conn, tx.account_id, run.id, error)
            return
        await self._progress.applied(tx, run, state, outcome, error, left)


def secrets_place(run_id: UUID) -> str:
    """Where the secret variables of a run belong."""
    return f"run-variables/{run_id}"


def _lost(doing: str) -> dict[str, Any]:
    return {"reason": "WORKER_LOST", "message": f"The worker was lost while it was {doing}."}


def _lease_lost() -> Conflict:
    return Conflict("LEASE_LOST", "This batch has ended, or belongs to another runner now.")


def _unwanted(status: Status) -> bool:
    return status is Status.CANCELING or status in DONE


def _batch(subject: Subject) -> Batch:
    if subject.batch is None:
        raise Denied("PERMISSION_DENIED", "Only a runner may call this.")
    return subject.batch


def _new_token(account_id: UUID) -> str:
    raw = account_id.bytes + secrets.token_bytes(32)
    return _TOKEN + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _account_of(token: str) -> UUID:
    body = token.removeprefix(_TOKEN)
    try:
        raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        return UUID(bytes=raw[:16])
    except ValueError:
        raise Unauthenticated("TOKEN_INVALID", "This is no run token.") from None


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
