"""Batches whose task did not end well, runs whose time is over: what keeps every run moving."""

import secrets
from datetime import UTC, datetime
from uuid import UUID

from stackly_server.access import system
from stackly_server.accounts.namespaces import account_name, namespace_in
from stackly_server.database import Database, Transaction
from stackly_server.errors import NotFound
from stackly_server.runs import batch_store, store
from stackly_server.runs.activities import BatchInput, Settled
from stackly_server.runs.batches import BatchService
from stackly_server.runs.model import BATCH, BatchRow, BatchStatus, Outcome, Phase, Run, RunType, Status
from stackly_server.runs.progress import Progress, run_name
from stackly_server.runs.verdict import settle, silent_since
from stackly_server.stacks.service import StackService, StackState
from stackly_server.workers.service import WorkerService

SERVE = "stackly-serve"
"""What the API calls itself at Postgres: only while it is up does silence mean anything."""


class SettleService:
    """For the workflows and the sweeps of the orchestrator."""

    def __init__(
        self, db: Database, stacks: StackService, workers: WorkerService, progress: Progress,
        batches: BatchService,
    ) -> None:  # fmt: skip
        self._db = db
        self._stacks = stacks
        self._workers = workers
        self._progress = progress
        self._batches = batches

    async def input(
        self, account_id: UUID, run_id: UUID, number: int, phase: Phase, name: str = BATCH
    ) -> tuple[BatchInput, str] | None:
        """What a workflow begins with, and its Temporal namespace; None when the batch has ended."""
        async with self._db.read(account_id) as conn:
            run = await store.get(conn, account_id, run_id)
            batch = await batch_store.find(conn, account_id, run_id, number, phase, name)
            if run is None or batch is None or batch.finished_at is not None:
                return None
            state = await self._stacks.state_by_id(conn, account_id, run.stack_state_id)
            blueprint = await self._stacks.blueprint(conn, state, run.to_commit)
            namespace = await namespace_in(conn, state.namespace_id)
            account = await account_name(conn)
        timeout = blueprint.plan_timeout_seconds if phase is Phase.PLAN else blueprint.apply_timeout_seconds
        run_called = run_name(account, state.name, run.number)
        nonce = (
            batch.nonce if batch.status is BatchStatus.QUEUED else ""
        )  # somebody has it: looked at before handed out
        wanted = BatchInput(
            str(account_id), str(run_id), run_called, number, batch.batch, phase.value, batch.task_queue, nonce, timeout
        )
        return wanted, namespace.temporal_namespace

    async def settle(self, wanted: BatchInput) -> Settled:
        """What to do with a batch whose task failed; a batch that is lost is ended here."""
        account_id, run_id = UUID(wanted.account_id), UUID(wanted.run_id)
        subject = system(account_id, wanted.run_name.split("/")[1], "runs.settle")
        async with self._db.transaction(subject) as tx:
            run = await store.get(tx.conn, account_id, run_id, lock=True)
            batch = await batch_store.find(
                tx.conn, account_id, run_id, wanted.plan_number, Phase(wanted.phase), wanted.batch, lock=True
            )
            if run is None or batch is None:
                raise NotFound("batch", wanted.run_name)
            if run.done and batch.apply_started_at is None:
                return Settled("done")
            state = await self._stacks.state_by_id(tx.conn, account_id, run.stack_state_id)
            alive, heard = await self._workers.alive(tx.conn, batch.worker_id)
            serving = await batch_store.serving_since(tx.conn, SERVE)
            word = settle(batch, alive, silent_since(heard, serving), datetime.now(UTC))
            if word == "again":
                return await self._again(subject.tenant, tx, run, state, batch)
            if word == "lost":
                await self._lost(tx, run, state, batch)
                return Settled("done")
            return Settled(word, attach_queue=await self._attach_queue(tx, state, batch) if word == "attach" else "")

    async def expire(self, account_id: UUID) -> None:
        """Ends the runs of an account that nobody approved in time."""
        async with self._db.read(account_id) as conn:
            account = await account_name(conn)
            due = await store.due(conn, account_id)
        for run_id in due:
            async with self._db.transaction(system(account_id, account, "runs.expire")) as tx:
                run = await store.get(tx.conn, account_id, run_id, lock=True)
                if run is None or run.status is not Status.AWAITING_APPROVAL:
                    continue
                state = await self._stacks.state_by_id(tx.conn, account_id, run.stack_state_id)
                await self._progress.step(tx, run, state, Status.EXPIRED)
                if run.type is RunType.DESTROY:
                    await self._stacks.run_failed(tx, state.id, True)

    async def rejudge(self, account_id: UUID) -> None:
        """Lets runs go on that wait for people of whom no policy asks any more."""
        async with self._db.read(account_id) as conn:
            account = await account_name(conn)
            asking = await store.asking(conn, account_id)
        for run_id in asking:
            async with self._db.transaction(system(account_id, account, "runs.rejudge")) as tx:
                run = await store.get(tx.conn, account_id, run_id, lock=True)
                if run is not None and run.status is Status.AWAITING_APPROVAL:
                    state = await self._stacks.state_by_id(tx.conn, account_id, run.stack_state_id)
                    await self._progress.voted(tx, run, state)

    async def advance(self, account_id: UUID) -> None:
        """Lets waiting runs go on whose turn has come unnoticed, such as by the end of a lock's time."""
        async with self._db.read(account_id) as conn:
            account = await account_name(conn)
            waiting = await store.waiting_states(conn, account_id)
        for state_id in waiting:
            async with self._db.transaction(system(account_id, account, "runs.advance")) as tx:
                await self._progress.advance(tx, await self._stacks.state_by_id(tx.conn, account_id, state_id))

    async def _again(self, account_id: UUID, tx: Transaction, run: Run, state: StackState, batch: BatchRow) -> Settled:
        if run.status is Status.CANCELING:
            await batch_store.finish(tx.conn, account_id, batch, Outcome.GONE, -1)
            await self._batches.ended(tx, run, state, batch, Outcome.GONE, None, [])
            return Settled("done")
        if batch.status is BatchStatus.QUEUED:
            return Settled("again", nonce=batch.nonce)  # nobody took it: its nonce is unspent
        nonce = secrets.token_urlsafe(24)
        if not await batch_store.requeue(tx.conn, account_id, batch, nonce):
            return Settled("wait")
        self._progress.wake(tx, run.id)
        return Settled("again", nonce=nonce)

    async def _lost(self, tx: Transaction, run: Run, state: StackState, batch: BatchRow) -> None:
        await batch_store.finish(tx.conn, tx.account_id, batch, Outcome.LOST, -1)
        await self._batches.ended(tx, run, state, batch, Outcome.LOST, None, [])

    async def _attach_queue(self, tx: Transaction, state: StackState, batch: BatchRow) -> str:
        namespace = await namespace_in(tx.conn, state.namespace_id)
        return f"{namespace.temporal_namespace}.w.{batch.worker_id}"
