"""What must not be: open batches without a workflow, open batches and locks of runs that have ended. Each sweep is for one account."""

import logging
from uuid import UUID

from stackly_server import outbox
from stackly_server.access import system
from stackly_server.accounts.namespaces import account_name
from stackly_server.database import Database
from stackly_server.runs import batch_store, store
from stackly_server.runs.model import BatchRow, Outcome
from stackly_server.runs.progress import Progress, parse_workflow_id, workflow_id
from stackly_server.runs.watch import LATE_SECONDS, Engine, Watch
from stackly_server.stacks.service import StackService
from stackly_server.states.service import StateService

_log = logging.getLogger(__name__)


class RunReconciler:
    """Puts it right, and says in the log how often: never, when all is well. Safe to repeat, and to run beside itself."""

    def __init__(
        self, db: Database, engine: Engine, stacks: StackService, states: StateService, progress: Progress
    ) -> None:
        self._db = db
        self._engine = engine
        self._stacks = stacks
        self._states = states
        self._progress = progress

    async def hand_out(self, account_id: UUID) -> None:
        """Has a workflow started for each open batch that has none: it was lost, or belongs to a build that is gone."""
        async with self._db.read(account_id) as conn:
            account = await account_name(conn)
            late = await batch_store.late(conn, account_id, LATE_SECONDS)
        watch, again = Watch(self._engine, account_id), 0
        for batch in late:
            namespace = batch.task_queue.rpartition(".")[0]
            if await watch.abandoned(namespace, workflow_id(batch.run_id, batch.phase, batch.plan_number, batch.batch)):
                again += await self._hand_out(account_id, account, batch)
        if again:
            _log.error("%d open batches had no workflow; they are handed out again.", again)

    async def close(self, account_id: UUID) -> None:
        """Ends open batches of runs that have ended, once nobody holds them, and takes back the locks of such runs."""
        async with self._db.read(account_id) as conn:
            account = await account_name(conn)
            left = await batch_store.left_open(conn, account_id, LATE_SECONDS)
            held = await self._states.run_locks(conn, account_id)
            done = await store.done_before(conn, account_id, [run_id for _, run_id in held], LATE_SECONDS)
        batches = [await self._close(account_id, account, batch) for batch in left]
        locks = [await self._unlock(account_id, account, *lock) for lock in held if lock[1] in done]
        if any((*batches, *locks)):
            _log.error("%d open batches and %d locks of ended runs were taken back.", sum(batches), sum(locks))

    async def stop(self, account_id: UUID, namespace: str) -> None:
        """Ends workflows of a Temporal namespace whose batch has ended, or was never there: they wait for nothing."""
        open_ = await self._engine.open_workflows(account_id, namespace, "run/", LATE_SECONDS)
        wanted = {each: parse_workflow_id(each) for each in open_}
        async with self._db.read(account_id) as conn:
            run_ids = [place[0] for place in wanted.values() if place]
            alive = await batch_store.lately_open(conn, account_id, run_ids, LATE_SECONDS)
        strays = [each for each, place in wanted.items() if place not in alive]
        for each in strays:
            await self._engine.end(account_id, namespace, each, "its batch has ended")
        if strays:
            _log.error("%d workflows had no open batch; they are ended.", len(strays))

    async def _hand_out(self, account_id: UUID, account: str, batch: BatchRow) -> bool:
        async with self._db.transaction(system(account_id, account, "runs.hand_out")) as tx:
            run = await store.get(tx.conn, account_id, batch.run_id, lock=True)
            now = await batch_store.find(
                tx.conn, account_id, batch.run_id, batch.plan_number, batch.phase, batch.batch, lock=True
            )
            if run is None or run.done or now is None or now.finished_at is not None:
                return False
            if await outbox.waits(tx.conn, batch.phase.value.lower(), str(batch.run_id)):
                return False
            self._progress.hand_out(tx, now, anew=True)
        return True

    async def _close(self, account_id: UUID, account: str, batch: BatchRow) -> bool:
        async with self._db.transaction(system(account_id, account, "runs.close")) as tx:
            return await batch_store.finish(tx.conn, account_id, batch, Outcome.GONE, -1)

    async def _unlock(self, account_id: UUID, account: str, stack_state_id: UUID, run_id: UUID) -> bool:
        async with self._db.transaction(system(account_id, account, "runs.close")) as tx:
            await self._states.release(tx, stack_state_id, run_id)
            await self._progress.advance(tx, await self._stacks.state_by_id(tx.conn, account_id, stack_state_id))
        return True
