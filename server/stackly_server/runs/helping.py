"""Several workers on one apply: batches that the runner of the first one offers, and what comes back of them."""

import asyncio
import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from stackly_server.access import Subject
from stackly_server.accounts.namespaces import namespace_in
from stackly_server.database import Connection, Database
from stackly_server.errors import Denied, Invalid, NotFound
from stackly_server.hub import Hub
from stackly_server.runs import batch_store
from stackly_server.runs.batches import BatchService
from stackly_server.runs.model import BatchRow, BatchStatus, Outcome, Phase, Run, Status
from stackly_server.runs.ports import Blobs, Keys
from stackly_server.runs.progress import Progress
from stackly_server.stacks.service import StackState
from stackly_server.workers.service import WorkerService

_NAME = re.compile(r"h[1-9][0-9]{0,8}")
_OF_A_MODULE = re.compile(r"module\.[^.\[]+")


@dataclass(frozen=True, slots=True)
class Offered:
    """How an offered batch stands."""

    batch: str
    claimed: bool
    outcome: Outcome | None


class HelpService:
    """Each offered batch is a row of its own, with its own epoch and lease, claimed on the queue of one worker."""

    def __init__(
        self, db: Database, hub: Hub, keys: Keys, blobs: Blobs, workers: WorkerService, progress: Progress,
        batches: BatchService,
    ) -> None:  # fmt: skip
        self._db = db
        self._hub = hub
        self._keys = keys
        self._blobs = blobs
        self._workers = workers
        self._progress = progress
        self._batches = batches

    async def helpers(self, subject: Subject) -> int:
        """How many other workers fit and have nothing to do for this run."""
        async with self._db.read(subject.tenant) as conn:
            run, state, batch = await self._batches.held(conn, subject)
            return len(await self._free(conn, subject, run, state, batch))

    async def offer(self, subject: Subject, name: str, slices: Sequence[str], sha256: str, order: bytes) -> bool:
        """Asks one worker to carry out an order. False: there is none; then nothing is kept but the order."""
        if not _NAME.fullmatch(name) or not slices or not all(map(_OF_A_MODULE.fullmatch, slices)):
            raise Invalid(
                "VALIDATION_FAILED", "An offered batch is named h1, h2, … and writes slices of module blocks."
            )
        if hashlib.sha256(order).hexdigest() != sha256:
            raise Invalid("VALIDATION_FAILED", "The order does not have the SHA-256 of its header.")
        async with self._db.read(subject.tenant) as conn:
            run, state, lead = await self._leading(conn, subject)
            known = await batch_store.find(conn, subject.tenant, run.id, lead.plan_number, Phase.APPLY, name)
            if known is None and not await self._free(conn, subject, run, state, lead):
                return False
        place = order_place(subject.tenant, run.id, lead.plan_number, name)
        await self._blobs.put_new(place, await self._keys.seal(subject.tenant, "plan", place, order))
        async with self._db.transaction(subject) as tx:
            run, state, lead = await self._leading(tx.conn, subject, lock=True)
            known = await batch_store.find(tx.conn, tx.account_id, run.id, lead.plan_number, Phase.APPLY, name)
            if known is not None:
                return known.status is not BatchStatus.CANCELED
            await self._require_apart(tx.conn, subject, run, lead, slices)
            free = await self._free(tx.conn, subject, run, state, lead)
            if not free or run.status is not Status.APPLYING:
                return False
            namespace = await namespace_in(tx.conn, state.namespace_id)
            batch = BatchRow(
                run_id=run.id, plan_number=lead.plan_number, phase=Phase.APPLY, batch=name, slices=tuple(slices),
                status=BatchStatus.QUEUED, task_queue=f"{namespace.temporal_namespace}.w.{free[0]}",
                nonce=secrets.token_urlsafe(24), worker_id=None, epoch=0, lease_live=False, start_token=None,
                apply_started_at=None, outcome=None, started_at=None, finished_at=None,
            )  # fmt: skip
            await batch_store.insert(tx.conn, tx.account_id, batch)
            tx.tell("run.batch_offered", self._progress.name(tx, state, run), step=batch.step)
            self._progress.hand_out(tx, batch)
            self._progress.wake(tx, run.id)
        return True

    async def watch(self, subject: Subject, wait_seconds: int, known: Mapping[str, Offered]) -> list[Offered]:
        """How the offered batches stand, as soon as one stands otherwise than is known, or after a while."""
        loop = asyncio.get_running_loop()
        end = loop.time() + wait_seconds
        with self._hub.waiter(f"run/{_run_id(subject)}") as waiter:
            while True:
                async with self._db.read(subject.tenant) as conn:
                    run, _, lead = await self._leading(conn, subject)
                    found = [_offered(one) for one in await self._beside(conn, subject, run, lead)]
                if any(known.get(one.batch) != one for one in found):
                    return found
                if not await waiter.wait(max(0.0, end - loop.time())):
                    return found

    async def withdraw(self, subject: Subject, name: str) -> bool:
        """Takes a batch back that nobody has claimed."""
        async with self._db.transaction(subject) as tx:
            run, state, lead = await self._leading(tx.conn, subject, lock=True)
            batch = await batch_store.find(
                tx.conn, tx.account_id, run.id, lead.plan_number, Phase.APPLY, name, lock=True
            )
            if batch is None or (batch.status is BatchStatus.CANCELED and batch.worker_id is None):
                return True
            if not batch.helps or batch.status is not BatchStatus.QUEUED:
                return False
            await self._progress.drop(tx, state, batch)
            tx.tell("run.batch_withdrawn", self._progress.name(tx, state, run), step=batch.step)
        return True

    async def submit(self, subject: Subject, sha256: str, result: bytes) -> None:
        """Keeps what the caller's batch came to."""
        if hashlib.sha256(result).hexdigest() != sha256:
            raise Invalid("VALIDATION_FAILED", "The result does not have the SHA-256 of its header.")
        mine = await self._batches.still_held(subject)
        if mine.phase != Phase.APPLY:
            raise Denied("PERMISSION_DENIED", "Only an apply has a result.")
        place = _result_place(subject.tenant, mine.run_id, mine.plan_number, mine.batch, mine.epoch)
        await self._blobs.put_new(place, await self._keys.seal(subject.tenant, "plan", place, result))

    async def result(self, subject: Subject, name: str) -> bytes:
        """What an offered batch came to; empty when nothing was handed in by the one that has it, or had it last."""
        async with self._db.read(subject.tenant) as conn:
            run, _, lead = await self._leading(conn, subject)
            batch = await batch_store.find(conn, subject.tenant, run.id, lead.plan_number, Phase.APPLY, name)
        if batch is None or not batch.helps:
            return b""
        place = _result_place(subject.tenant, run.id, batch.plan_number, name, batch.epoch)
        try:
            sealed = await self._blobs.get(place)
        except KeyError:
            return b""
        return await self._keys.open(subject.tenant, "plan", place, sealed)

    async def _leading(
        self, conn: Connection, subject: Subject, *, lock: bool = False
    ) -> tuple[Run, StackState, BatchRow]:
        run, state, batch = await self._batches.held(conn, subject, lock=lock)
        if batch.helps or batch.apply_started_at is None:
            raise Denied("PERMISSION_DENIED", "Only the first batch of a run whose apply began has others.")
        return run, state, batch

    async def _free(
        self, conn: Connection, subject: Subject, run: Run, state: StackState, lead: BatchRow
    ) -> list[UUID]:
        """Workers that fit, live, have a processor left, and are not at work for this run."""
        beside = await self._beside(conn, subject, run, lead)
        busy = {one.task_queue.rpartition(".w.")[2] for one in beside if one.finished_at is None}
        found = await self._workers.fitting(conn, subject.tenant, state.namespace_id, run.selector_hash)
        load = await batch_store.load(conn, subject.tenant)
        free = [
            (load.get(one, 0), one) for one, cpus in found
            if one != lead.worker_id and str(one) not in busy and load.get(one, 0) < max(1, cpus)
        ]  # fmt: skip
        return [one for _, one in sorted(free)]

    async def _beside(self, conn: Connection, subject: Subject, run: Run, lead: BatchRow) -> list[BatchRow]:
        found = await batch_store.of_run(conn, subject.tenant, run.id)
        return [one for one in found if one.helps and one.plan_number == lead.plan_number]

    async def _require_apart(
        self, conn: Connection, subject: Subject, run: Run, lead: BatchRow, slices: Sequence[str]
    ) -> None:
        for other in await self._beside(conn, subject, run, lead):
            if other.finished_at is None and set(other.slices) & set(slices):
                raise Invalid("VALIDATION_FAILED", "Another batch that was offered writes one of these slices.")


def order_place(account_id: UUID, run_id: UUID, number: int, batch: str) -> str:
    """Where the order of an offered batch lies, sealed for that place."""
    return f"{account_id}/orders/{run_id}/{number}-{batch}"


def _result_place(account_id: UUID, run_id: UUID, number: int, batch: str, epoch: int) -> str:
    return f"{account_id}/results/{run_id}/{number}-{batch}-{epoch}"


def _offered(batch: BatchRow) -> Offered:
    outcome = Outcome(batch.outcome) if batch.outcome else None
    if batch.finished_at is not None and outcome is None:
        outcome = Outcome.GONE
    return Offered(batch.batch, batch.worker_id is not None, outcome)


def _run_id(subject: Subject) -> UUID:
    if subject.batch is None:
        raise NotFound("batch", subject.actor)
    return subject.batch.run_id
