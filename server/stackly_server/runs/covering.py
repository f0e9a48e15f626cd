"""A batch of units that is planned again while its run is applied: held here to what was approved, before it may go on."""

import asyncio
import hashlib
from dataclasses import dataclass

from stackly_engine import exact
from stackly_engine.coverage import Finding
from stackly_engine.plans import ProjectedPlan
from stackly_engine.projected_chain import ProjectedChain
from stackly_engine.projected_coverage import uncovered_in_chain
from stackly_server.access import Subject
from stackly_server.database import Database
from stackly_server.errors import Invalid, NotNow
from stackly_server.runs import batch_store, store
from stackly_server.runs.batches import BatchService
from stackly_server.runs.model import Phase, Plan
from stackly_server.runs.ports import Blobs, Keys
from stackly_server.runs.progress import Progress
from stackly_server.runs.submitted import projection_of

_SHOWN = 5  # findings
_SHOWN_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class Replanned:
    """The projected document (masked) of one batch that was planned again, and the units of the batch."""

    units: tuple[str, ...]
    projected_sha256: str
    projected: bytes

    def read(self) -> ProjectedPlan:
        """The plan; Invalid for bytes that are not what the header says, or no plan of one batch."""
        if hashlib.sha256(self.projected).hexdigest() != self.projected_sha256:
            raise Invalid("VALIDATION_FAILED", "The plan does not have the SHA-256 of its header.")
        try:
            return ProjectedPlan.from_bytes(self.projected)
        except exact.FormatError as error:
            raise Invalid("VALIDATION_FAILED", f"The projected document cannot be read: {error}") from None


class CoverService:
    """What the worker finds covered is found so here too, from keyed hashes: the server never sees a secret of it."""

    def __init__(self, db: Database, keys: Keys, blobs: Blobs, batches: BatchService, progress: Progress) -> None:
        self._db = db
        self._keys = keys
        self._blobs = blobs
        self._batches = batches
        self._progress = progress

    async def verify(self, subject: Subject, again: Replanned) -> None:
        """Returns when the approved plan covers it. NotNow PLAN_NOT_COVERED else: its units are barred in this apply."""
        new = await asyncio.to_thread(again.read)
        async with self._db.read(subject.tenant) as conn:
            run, _, batch = await self._batches.held(conn, subject)
            plan = await store.plan(conn, subject.tenant, run.id, batch.plan_number)
        if batch.phase is not Phase.APPLY or batch.apply_started_at is None:
            raise Invalid("VALIDATION_FAILED", "Only an apply that has begun plans again.")
        if plan is None or not plan.units:
            raise Invalid("VALIDATION_FAILED", "The approved plan is not one by units.")
        if not {unit["unit"] for unit in plan.units}.issuperset(again.units):
            raise Invalid("VALIDATION_FAILED", "The approved plan does not know these units.")
        findings = await asyncio.to_thread(_findings, await self._approved(subject, plan), again.units, new)
        if findings:
            await self._bar(subject, again, findings)
            words = (
                f"{', '.join(again.units)[:_SHOWN_CHARACTERS]} would do more than what was approved: {_said(findings)}"
            )
            raise NotNow("PLAN_NOT_COVERED", words, units=",".join(again.units)[:_SHOWN_CHARACTERS])

    async def _approved(self, subject: Subject, plan: Plan) -> bytes:
        place = projection_of(plan.plan_blob)
        return await self._keys.open(subject.tenant, "plan", place, await self._blobs.get(place))

    async def _bar(self, subject: Subject, again: Replanned, findings: tuple[Finding, ...]) -> None:
        async with self._db.transaction(subject) as tx:
            run, state, batch = await self._batches.held(tx.conn, subject, lock=True)
            if await batch_store.bar(tx.conn, tx.account_id, batch, again.units):
                facts = {"units": ",".join(again.units)[:_SHOWN_CHARACTERS], "findings": _said(findings)}
                tx.tell("run.not_covered", self._progress.name(tx, state, run), step=batch.step, **facts)


def _findings(approved: bytes, units: tuple[str, ...], new: ProjectedPlan) -> tuple[Finding, ...]:
    try:
        return uncovered_in_chain(ProjectedChain.from_bytes(approved), units, new)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # of the runner's document: ours was read before
        raise Invalid("VALIDATION_FAILED", f"The projected document does not fit together: {error!r}") from None


def _said(findings: tuple[Finding, ...]) -> str:
    """Addresses and reasons, never values."""
    shown = "; ".join(f"{one.address}: {one.reason}" if one.address else one.reason for one in findings[:_SHOWN])
    more = f"; and {len(findings) - _SHOWN} more" if len(findings) > _SHOWN else ""
    return shown[:_SHOWN_CHARACTERS] + more
