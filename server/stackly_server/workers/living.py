"""What a worker says of itself while it lives: what it proves, that it is there, that it leaves."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from stackly_server import limits
from stackly_server.access import Subject
from stackly_server.database import Connection, Database, Transaction
from stackly_server.errors import NotNow, Unauthenticated
from stackly_server.hub import Hub
from stackly_server.workers import store
from stackly_server.workers.credentials import colon_serial
from stackly_server.workers.joining import new_challenge
from stackly_server.workers.model import (
    Capabilities,
    Challenge,
    Worker,
    WorkerStatus,
    claim_problems,
    due_again,
    proved,
)  # fmt: skip
from stackly_server.workers.ports import Issuer, Plant
from stackly_server.workers.service import field_problems

_CHANCE = random.SystemRandom().random
_ROTATE_PART = 1 / 3  # of a certificate's life: the worker renews at half of it, and is told when it did not


@dataclass(frozen=True, slots=True)
class Directives:
    """What a worker should do from now on. `sequence` rises with each change."""

    worker: Worker
    sequence: int
    task_queues: tuple[str, ...]
    drain: bool
    reverify: Challenge | None
    rotate: bool


class LivingService:
    """Calls of workers, each for itself."""

    def __init__(
        self, database: Database, hub: Hub, issuer: Issuer, plant: Plant, chance: Callable[[], float] = _CHANCE
    ) -> None:
        self._chance = chance
        self._db = database
        self._hub = hub
        self._issuer = issuer
        self._plant = plant

    @property
    def plant(self) -> Plant:
        """Where things are."""
        return self._plant

    async def verify(
        self, subject: Subject, challenge_id: str, answers: Mapping[str, str], claimed: Capabilities
    ) -> tuple[Worker, tuple[str, ...]]:
        """Takes the answers and gives the worker with its task queues. NotNow CAPABILITY_MISMATCH, when one is wrong."""
        problems = claim_problems(claimed)
        if problems:
            raise field_problems(problems)
        async with self._db.transaction(subject) as tx:
            worker = _known(await store.find(tx.conn, _id(subject)))
            challenge = worker.challenge
            if challenge is None or str(challenge.id) != challenge_id:
                raise NotNow("CAPABILITY_MISMATCH", "This is not the worker's challenge; the next heartbeat gives it.")
            engines = tuple(engine for engine in challenge.engines if engine in claimed.engines)
            wrong = Challenge(challenge.id, challenge.nonce, engines).wrong(answers)
            proof = proved(claimed, engines, worker.allowed_features, worker.token_labels)
            refused = bool(wrong) or not proof.engines
            tx.wake(f"worker/{worker.id}")
            if not refused:
                worker = _known(await store.verified(tx.conn, worker, claimed, proof))
                tx.tell("worker.verified", worker.name, engines=", ".join(proof.engines))
                return worker, worker.queues(await store.selectors(tx.conn, worker.namespace_id))
            serials = await self._refute(tx, worker, wrong)
        for serial in serials:
            await self._issuer.revoke(colon_serial(serial))
        raise _mismatch(wrong)  # after the commit: the failure counts

    async def heartbeat(
        self, subject: Subject, running: Sequence[str], acknowledged: int, wait_seconds: float, *, first: bool,
        engines: Sequence[str] = (),
    ) -> Directives:  # fmt: skip
        """Renews the lease, and waits for directives that are newer than those acknowledged.

        `engines` are those that are there now (none: as before): changed ones have to be proved anew.
        """
        if problems := claim_problems(Capabilities(engines=tuple(engines))):
            raise field_problems(problems)
        topics = (f"worker/{_id(subject)}", f"workers/{subject.namespace_id}")
        wait = min(wait_seconds, self._plant.lease_seconds / 2)
        with self._hub.waiter(*topics) as waiter:
            directives = await self._beat(subject, running, engines)
            if wait > 0 and not first and directives.sequence == acknowledged:
                await waiter.wait(wait)
                directives = await self._beat(subject, running, engines)
        return directives

    async def leave(self, subject: Subject, reason: str) -> None:
        """Takes a worker at its word that it goes. Repeated, it changes nothing."""
        async with self._db.transaction(subject) as tx:
            worker = _known(await store.find(tx.conn, _id(subject)))
            if worker.status is WorkerStatus.OFFLINE:
                return
            _known(await store.set_status(tx.conn, worker, WorkerStatus.OFFLINE))
            tx.tell("worker.deregistered", worker.name, reason=reason)

    async def _refute(self, tx: Transaction, worker: Worker, wrong: Sequence[str]) -> list[str]:
        """Counts a failure; gives the certificates to revoke, if it was one too many."""
        failed = await store.failed_challenge(tx.conn, worker.id, limits.CHALLENGE_FAILURES_MAX)
        if failed is None:
            return []
        evicted = failed.status is WorkerStatus.EVICTED
        tx.tell("worker.evicted" if evicted else "worker.refuted", failed.name, wrong=", ".join(wrong))
        return await store.revoke_certificates(tx.conn, failed.id) if evicted else []

    async def _beat(self, subject: Subject, running: Sequence[str], engines: Sequence[str]) -> Directives:
        async with self._db.transaction(subject) as tx:
            before = _known(await store.find(tx.conn, _id(subject)))
            worker = _known(await store.beat(tx.conn, before.id, running, self._plant.lease_seconds))
            if worker.status is not before.status:
                tx.tell("worker.returned", worker.name, status=worker.status.value)
            worker = await self._engines_now(tx, worker, engines) or await self._recheck(tx, before, worker)
            return await self._directives(tx.conn, worker, pending=subject.pending)

    async def _engines_now(self, tx: Transaction, worker: Worker, engines: Sequence[str]) -> Worker | None:
        """A new challenge when there are others than were asked for last; what is gone counts no more. None: all as before."""
        asked = worker.challenge.engines if worker.challenge else ()
        if not engines or set(engines) == set(asked) or not worker.proved:
            return None
        left = [engine for engine in worker.verified.engines if engine in engines]
        claimed = replace(worker.capabilities, engines=tuple(engines))
        proof = proved(worker.capabilities, left, worker.allowed_features, worker.token_labels)
        challenge, seconds = new_challenge(claimed), limits.CHALLENGE_AGAIN_ANSWER_SECONDS
        changed = await store.changed_engines(tx.conn, worker, challenge, proof if left else Capabilities(), seconds)
        if changed is not None:
            tx.tell("worker.engines_changed", changed.name, engines=", ".join(engines))
            tx.wake(f"workers/{worker.namespace_id}")
        return changed

    async def _recheck(self, tx: Transaction, before: Worker, worker: Worker) -> Worker:
        """Asks now and then for a new proof, at a time that nobody can tell; one that does not come takes the old one away."""
        late = await store.unanswered(tx.conn, worker.id) if worker.recheck_until else None
        if late is not None:
            tx.tell("worker.refuted", late.name, wrong="no answer")
            return late
        silent = (worker.lease_expires_at - before.lease_expires_at).total_seconds()
        if not due_again(silent, limits.CHALLENGE_AGAIN_SECONDS, self._chance()):
            return worker
        challenge = new_challenge(worker.capabilities)
        asked = await store.ask_again(tx.conn, worker, challenge, limits.CHALLENGE_AGAIN_ANSWER_SECONDS)
        return asked or worker

    async def _directives(self, conn: Connection, worker: Worker, *, pending: bool) -> Directives:
        selectors = await store.selectors(conn, worker.namespace_id)
        left = worker.certificate_expires_at - datetime.now(UTC)
        return Directives(
            worker=worker,
            sequence=worker.directive_sequence + len(selectors),  # selectors are never taken away, so it only rises
            task_queues=worker.queues(selectors),
            drain=worker.status is WorkerStatus.DRAINING,
            reverify=worker.asked,
            rotate=left < timedelta(seconds=self._plant.certificate_seconds * _ROTATE_PART)
            or (pending and worker.proved),  # its certificate does not open Temporal yet
        )


def _id(subject: Subject) -> UUID:
    if subject.worker_id is None:
        raise Unauthenticated("CERTIFICATE_INVALID", "Only a worker may call this.")
    return subject.worker_id


def _known(worker: Worker | None) -> Worker:
    if worker is None or not worker.known:
        raise Unauthenticated("WORKER_UNKNOWN", "This worker is not known: register again.")
    return worker


def _mismatch(wrong: Sequence[str]) -> NotNow:
    what = f"wrong answer of {', '.join(wrong)}" if wrong else "no engine that this worker may use"
    return NotNow("CAPABILITY_MISMATCH", f"The capabilities are not proved: {what}.")
