"""What the code of a run is beyond its commit: modules that were fetched, the lock file. Resolved once, used by all that the run does."""

import hashlib
from uuid import UUID

from stackly_server.access import Subject
from stackly_server.database import Connection, Database
from stackly_server.errors import Conflict, Invalid
from stackly_server.limits import ARTIFACT_BYTES
from stackly_server.runs.batches import BatchService
from stackly_server.runs.model import Phase
from stackly_server.runs.ports import Blobs, Keys
from stackly_server.runs.source_digest import artifact_of

_KIND = "plan"  # of keys: who may read plans may read the code that they are of


class ArtifactService:
    """For the runner that holds a batch of the run. Equal artifacts of an account are stored once."""

    def __init__(self, db: Database, keys: Keys, blobs: Blobs, batches: BatchService) -> None:
        self._db = db
        self._keys = keys
        self._blobs = blobs
        self._batches = batches

    async def read(self, subject: Subject) -> bytes:
        """The artifact of the run; empty when its code is that of its commit, or nobody has planned it yet."""
        async with self._db.read(subject.tenant) as conn:
            run, _, _ = await self._batches.held(conn, subject)
            sha256 = await artifact_of(conn, subject.tenant, run.id)
        if not sha256:
            return b""
        place = _place(subject.tenant, sha256)
        return await self._keys.open(subject.tenant, _KIND, place, await self._blobs.get(place))

    async def keep(self, subject: Subject, sha256: str, data: bytes) -> None:
        """Binds the run to it, for good. The same again changes nothing; another one is CONCURRENT_CHANGE."""
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Invalid("VALIDATION_FAILED", "The artifact does not have the SHA-256 of its header.")
        if len(data) > ARTIFACT_BYTES:
            raise Invalid("LIMIT_EXCEEDED", "An artifact is at most 100 MiB.", limit="ARTIFACT_BYTES")
        async with self._db.read(subject.tenant) as conn:
            await self._planning(conn, subject)
        place = _place(subject.tenant, sha256)
        await self._blobs.put_new(place, await self._keys.seal(subject.tenant, _KIND, place, data))
        async with self._db.transaction(subject) as tx:
            run_id = await self._planning(tx.conn, subject, lock=True)
            bound = await artifact_of(tx.conn, tx.account_id, run_id)
            if bound not in {"", sha256}:
                raise Conflict("CONCURRENT_CHANGE", "The code of this run was resolved before, to something else.")
            await tx.conn.execute(
                "UPDATE runs SET artifact_sha256 = %s WHERE account_id = %s AND id = %s AND artifact_sha256 = ''",
                (sha256, tx.account_id, run_id),
            )

    async def _planning(self, conn: Connection, subject: Subject, *, lock: bool = False) -> UUID:
        run, _, batch = await self._batches.held(conn, subject, lock=lock)
        if batch.phase is not Phase.PLAN:
            raise Invalid("VALIDATION_FAILED", "The code of a run is resolved while it is planned.")
        return run.id


def _place(account_id: UUID, sha256: str) -> str:
    return f"{account_id}/sources/{sha256}"
