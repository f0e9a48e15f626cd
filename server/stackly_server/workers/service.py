"""Workers as people and other rooms see them: who they are, what they proved, and putting them out."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from stackly_engine.constraints import BadVersionError, Constraint
from stackly_server.access import Kind, Subject, own, require
from stackly_server.database import Connection, Database, Transaction
from stackly_server.errors import Conflict, FieldProblem, Invalid, NotFound, NotNow, Unauthenticated
from stackly_server.sealing import DataKey
from stackly_server.workers import store, token_store
from stackly_server.workers.credentials import WorkerId, colon_serial, plain_serial
from stackly_server.workers.model import (
    DEFAULT_SELECTOR,
    ENGINES,
    Selector,
    Worker,
    WorkerStatus,
    lacking,
    offered,
    task_queue,
)
from stackly_server.workers.ports import Issuer, Keys

_AT_REST = {WorkerStatus.OFFLINE, WorkerStatus.EVICTED, WorkerStatus.BANNED}


class WorkerService:
    """The registry, for people (by name) and for the rooms above (by id)."""

    def __init__(self, database: Database, issuer: Issuer, keys: Keys, trust_domain: str) -> None:
        self._db = database
        self._issuer = issuer
        self._keys = keys
        self._trust_domain = trust_domain

    # --- who calls

    async def identify_worker(self, spiffe_id: str, certificate_serial: str) -> Subject:
        """The caller behind a client certificate. Unauthenticated, when it is not (or no longer) one of ours."""
        claimed = WorkerId.parse(spiffe_id, self._trust_domain)
        if claimed is None:
            raise Unauthenticated("CERTIFICATE_INVALID", "The certificate is not that of a worker.")
        async with self._db.read(claimed.account_id) as conn:
            worker = await store.find(conn, claimed.worker_id)
            serial = plain_serial(certificate_serial)
            good = worker is not None and await store.certificate_known(conn, claimed.worker_id, serial)
        if worker is None:
            raise Unauthenticated("WORKER_UNKNOWN", "This worker is not known: register again.")
        if not good or not worker.known or claimed.temporal_namespace not in {None, worker.temporal_namespace}:
            raise Unauthenticated("CERTIFICATE_INVALID", "The certificate is revoked.")
        return Subject(
            Kind.WORKER,
            worker.account_id,
            worker.account,
            worker.name,
            worker_id=worker.id,
            namespace_id=worker.namespace_id,
            pending=claimed.temporal_namespace is None,
        )

    async def payload_keys(self, subject: Subject) -> list[DataKey]:
        """The keys of Temporal payloads, newest first, for a worker that proved what it can do."""
        keys = await self._keys.all(subject.tenant, "payload")
        async with self._db.transaction(subject) as tx:
            worker = await store.find(tx.conn, subject.worker_id) if subject.worker_id else None
            if worker is None or not worker.verified.engines or not worker.known:
                raise NotNow("CAPABILITY_MISMATCH", "Answer the challenge first.")
            tx.tell("worker.keys_read", worker.name, version=str(keys[0].version))
        return keys

    # --- selectors, for the rooms above

    async def ensure_selector(self, tx: Transaction, namespace_id: UUID, selector: Selector) -> str:
        """Makes a selector known, so that workers serve its queue, and gives its hash."""
        try:
            Constraint.parse(selector.constraint)
        except BadVersionError as error:
            raise Invalid("CONFIG_INVALID", str(error)) from error
        if await store.add_selector(tx.conn, tx.account_id, namespace_id, selector):
            tx.wake(f"workers/{namespace_id}")
        return selector.hash

    def task_queue(self, temporal_namespace: str, selector_hash: str) -> str:
        """The queue of a selector."""
        return task_queue(temporal_namespace, selector_hash)

    async def missing(self, conn: Connection, namespace_id: UUID, selector: Selector) -> tuple[str, ...]:
        """What no worker has that takes work; nothing, when one of them fits."""
        return lacking(selector, await store.proved(conn, namespace_id))

    async def missing_for(
        self, conn: Connection, account_id: UUID, namespace_id: UUID, selector_hash: str
    ) -> tuple[str, ...]:
        """The same, by the hash of a selector that is known."""
        return await self.missing(
            conn, namespace_id, await self._selector(conn, account_id, namespace_id, selector_hash)
        )

    async def offered(self, conn: Connection, namespace_id: UUID, missing: Sequence[str]) -> tuple[str, ...]:
        """The engines of the workers that take work, by product and version; none when no engine is missing."""
        if not any(part.split(" ", 1)[0] in ENGINES for part in missing):
            return ()
        return offered(await store.proved(conn, namespace_id))

    async def require_fit(self, conn: Connection, subject: Subject, namespace_id: UUID, selector_hash: str) -> None:
        """Refuses a worker of another namespace, one that takes no work, and one that did not prove what is needed."""
        worker = await store.find(conn, subject.worker_id) if subject.worker_id else None
        if worker is None or worker.namespace_id != namespace_id:
            raise NotFound("worker", subject.actor)
        selector = await self._selector(conn, subject.tenant, namespace_id, selector_hash)
        missing = selector.missing(worker.verified)
        if missing or worker.status not in {WorkerStatus.ACTIVE, WorkerStatus.UNREACHABLE}:
            message = f"This worker may not take that work; not proved: {', '.join(missing) or 'that it is ready'}."
            raise NotNow("CAPABILITY_MISMATCH", message)

    async def fitting(
        self, conn: Connection, account_id: UUID, namespace_id: UUID, selector_hash: str
    ) -> list[tuple[UUID, int]]:
        """Workers that may take the work of a selector now, with the processors that they proved."""
        selector = await self._selector(conn, account_id, namespace_id, selector_hash)
        found = await store.fitting(conn, namespace_id)
        return [(id_, verified.cpus) for id_, verified in found if not selector.missing(verified)]

    async def slug(self, conn: Connection, account_id: UUID, worker_id: UUID) -> str:
        """The last part of a worker's name; empty for one that is forgotten."""
        return await store.slug(conn, account_id, worker_id)

    async def alive(self, conn: Connection, worker_id: UUID | None) -> tuple[bool, datetime | None]:
        """Whether a worker has been heard from within its lease, and until when it counted as alive."""
        worker = await store.find(conn, worker_id) if worker_id else None
        if worker is None:
            return False, None
        gone = worker.status in {WorkerStatus.EVICTED, WorkerStatus.BANNED, WorkerStatus.OFFLINE}
        return not gone and worker.lease_expires_at > datetime.now(UTC), worker.lease_expires_at

    # --- people

    async def page(self, subject: Subject, parent: str, before: UUID | None, limit: int) -> list[Worker]:
        """Workers of a namespace, newest first, after the worker `before`."""
        require(subject, "workers.read", parent)
        _, namespace = own(subject, parent, "namespace")
        async with self._db.read(subject.tenant) as conn:
            namespace_id = await token_store.namespace_id(conn, namespace)
            if namespace_id is None:
                raise NotFound("namespace", parent)
            return await store.page(conn, namespace_id, before, limit)

    async def get(self, subject: Subject, name: str) -> Worker:
        """One worker."""
        require(subject, "workers.read", name)
        async with self._db.read(subject.tenant) as conn:
            return await self._find(conn, subject, name)

    async def queues(self, subject: Subject, workers: Sequence[Worker]) -> dict[UUID, tuple[str, ...]]:
        """The task queues that workers of one namespace serve, by id."""
        if not workers:
            return {}
        async with self._db.read(subject.tenant) as conn:
            selectors = await store.selectors(conn, workers[0].namespace_id)
        return {worker.id: worker.queues(selectors) for worker in workers}

    async def set_schedulable(self, subject: Subject, name: str, etag: str, *, schedulable: bool) -> Worker:
        """Switches new work on or off."""
        require(subject, "workers.write", name)
        async with self._db.transaction(subject) as tx:
            worker = await self._find(tx.conn, subject, name)
            if etag and etag != etag_of(worker):
                raise Conflict("ETAG_MISMATCH", "Somebody changed this worker: read it again.", resource=name)
            if worker.schedulable is schedulable:
                return worker
            changed = _fresh(await store.set_schedulable(tx.conn, worker, schedulable=schedulable))
            tx.tell("worker.updated", changed.name, schedulable=str(schedulable).lower())
            tx.wake(f"worker/{worker.id}")
        return changed

    async def drain(self, subject: Subject, name: str) -> Worker:
        """Lets a worker finish what it has. One that takes no work anyway stays as it is."""
        require(subject, "workers.write", name)
        async with self._db.transaction(subject) as tx:
            worker = await self._find(tx.conn, subject, name)
            if worker.status in {*_AT_REST, WorkerStatus.DRAINING}:
                return worker
            return await self._become(tx, worker, WorkerStatus.DRAINING, "worker.drained")

    async def evict(self, subject: Subject, name: str, reason: str) -> Worker:
        """Revokes a worker's certificates. It may join again with a new token."""
        return await self._put_out(subject, name, WorkerStatus.EVICTED, "worker.evicted", reason)

    async def ban(self, subject: Subject, name: str, reason: str) -> Worker:
        """Revokes a worker's certificates and blocks its key, until the worker is deleted."""
        return await self._put_out(subject, name, WorkerStatus.BANNED, "worker.banned", reason)

    async def delete(self, subject: Subject, name: str) -> None:
        """Forgets a worker that takes no work; lifts a ban."""
        require(subject, "workers.write", name)
        async with self._db.transaction(subject) as tx:
            worker = await self._find(tx.conn, subject, name)
            if worker.status not in _AT_REST:
                raise NotNow("WORKER_ACTIVE", "Drain, evict or ban this worker first.", resource=name)
            if not await store.delete(tx.conn, worker):
                raise _changed()
            tx.tell("worker.deleted", worker.name)

    async def _put_out(self, subject: Subject, name: str, status: WorkerStatus, event: str, reason: str) -> Worker:
        """Registry and task calls refuse the worker from the commit on; the list of revoked certificates follows."""
        require(subject, "workers.write", name)
        async with self._db.transaction(subject) as tx:
            worker = await self._find(tx.conn, subject, name)
            if worker.status not in {status, WorkerStatus.BANNED}:
                worker = await self._become(tx, worker, status, event, reason)
            serials = await store.revoke_certificates(tx.conn, worker.id)
        for serial in serials:  # a repeated call does what this one leaves
            await self._issuer.revoke(colon_serial(serial))
        return worker

    async def _become(
        self, tx: Transaction, worker: Worker, status: WorkerStatus, event: str, reason: str = ""
    ) -> Worker:
        changed = _fresh(await store.set_status(tx.conn, worker, status))
        facts = {"reason": reason} if reason else {}
        tx.tell(event, changed.name, **facts)
        tx.wake(f"worker/{worker.id}")
        return changed

    async def _find(self, conn: Connection, subject: Subject, name: str) -> Worker:
        _, namespace, slug = own(subject, name, "worker")
        worker = await store.find_by_name(conn, namespace, slug)
        if worker is None:
            raise NotFound("worker", name)
        return worker

    async def _selector(self, conn: Connection, account_id: UUID, namespace_id: UUID, hash_: str) -> Selector:
        if hash_ == DEFAULT_SELECTOR.hash:
            return DEFAULT_SELECTOR
        found = await store.selector(conn, account_id, namespace_id, hash_)
        if found is None:
            raise NotFound("selector", hash_)
        return found


def etag_of(worker: Worker) -> str:
    """The version of a worker, as the wire has it."""
    return f'"{worker.version}"'


def field_problems(problems: dict[str, str]) -> Invalid:
    """An error that names each field."""
    fields = [FieldProblem(name, problem) for name, problem in problems.items()]
    return Invalid("VALIDATION_FAILED", "Some fields break their bounds.", fields=fields)


def _fresh(worker: Worker | None) -> Worker:
    if worker is None:
        raise _changed()
    return worker


def _changed() -> Conflict:
    return Conflict("CONCURRENT_CHANGE", "Somebody else changed this worker meanwhile: read it again.")
