"""What a runner fetches for its batch, and the log it appends to."""

import hashlib
from collections.abc import AsyncIterator, Sequence

from stackly_server.access import Subject
from stackly_server.database import Connection, Database
from stackly_server.errors import NotFound
from stackly_server.limits import STATE_OUTLINE_BYTES
from stackly_server.logs.service import LogService
from stackly_server.runs import store, unit_store
from stackly_server.runs.batches import BatchService
from stackly_server.runs.engines import requirement
from stackly_server.runs.helping import order_place
from stackly_server.runs.model import BatchRow, Phase, Run, RunType
from stackly_server.runs.ports import Blobs, Keys, SourceEntry, Sources, Spec
from stackly_server.runs.progress import run_name
from stackly_server.runs.source_digest import artifact_of
from stackly_server.stacks.service import StackService, StackState
from stackly_server.states.service import StateService


class FetchService:
    """Reads for the holder of a batch; each call checks that it still is."""

    def __init__(
        self, db: Database, keys: Keys, blobs: Blobs, sources: Sources, stacks: StackService, states: StateService,
        logs: LogService, batches: BatchService,
    ) -> None:  # fmt: skip
        self._db = db
        self._keys = keys
        self._blobs = blobs
        self._sources = sources
        self._stacks = stacks
        self._states = states
        self._logs = logs
        self._batches = batches

    async def spec(self, subject: Subject) -> Spec:
        """All that the runner needs to know, secrets included."""
        async with self._db.read(subject.tenant) as conn:
            run, state, batch = await self._batches.held(conn, subject)
            blueprint = await self._stacks.blueprint(conn, state, run.to_commit)
            head = await self._states.head(conn, subject.tenant, state.id)
            plan = await store.plan(conn, subject.tenant, run.id, batch.plan_number)
            artifact = await artifact_of(conn, subject.tenant, run.id)
            cut = blueprint.units and batch.phase is Phase.PLAN
            costs = await unit_store.costs(conn, subject.tenant, state.id) if cut else []
        order = await self._order(subject, run, batch) if batch.helps else b""
        secrets = await self._batches.secret_variables(subject.tenant, run, state)
        timeout = blueprint.plan_timeout_seconds if batch.phase is Phase.PLAN else blueprint.apply_timeout_seconds
        return Spec(
            run_name=run_name(subject.account, state.name, run.number), run_type=run.type.value, commit=run.to_commit,
            root_path=blueprint.repo_path,
            engine=requirement(blueprint, plan if batch.phase is Phase.APPLY else None),
            variables={**blueprint.variables, **run.variables, **secrets}, sensitive_variables=tuple(sorted(secrets)),
            hash_key=await self._states.hash_key(subject.tenant, head), timeout_seconds=timeout,
            state_serial=head.serial, state_lineage=head.lineage,
            plan_sha256=hashlib.sha256(order).hexdigest() if batch.helps
            else plan.plan_sha256 if plan and batch.phase is Phase.APPLY else "", step=batch.step,
            log_offset=run.log_size, slices=batch.slices, work_key=str(state.id),
            units=blueprint.units, options=blueprint.options, artifact_sha256=artifact, costs=tuple(costs),
        )  # fmt: skip

    async def source(self, subject: Subject) -> AsyncIterator[tuple[SourceEntry, bytes]]:
        """The files of the tree with their bytes, in order of path."""
        async with self._db.read(subject.tenant) as conn:
            run, state, _ = await self._batches.held(conn, subject)
            repository_id = (await self._stacks.blueprint(conn, state, run.to_commit)).repository_id
        tree = await self._sources.tree(subject.tenant, repository_id, run.to_commit)
        async for entry, content in self._sources.contents(subject.tenant, repository_id, tree):
            yield entry, content

    async def state(
        self, subject: Subject, *, outline: bool = False, units: Sequence[str] = (), serial: int = 0
    ) -> tuple[bytes, bool]:
        """The state that the batch begins with; empty when there is none. True with it when it is an outline.

        `outline`: one will do. `units`: only these slices. `serial`: that of the state meant, 0 for the newest.
        """
        async with self._db.read(subject.tenant) as conn:
            run, state, batch = await self._batches.held(conn, subject)
            head = await self._states.head(conn, subject.tenant, state.id)
            if batch.helps:
                return b"", False  # its order has what it needs
            by_units = outline and await self._by_units(conn, subject, run, state, batch)
        if head.serial == 0:
            return b"", False
        version = await self._states.version(subject.tenant, state.id, serial or head.serial)
        if units:
            return await self._states.slices(subject.tenant, version, units), False
        if by_units and version.size_bytes >= STATE_OUTLINE_BYTES:
            return await self._states.outline(subject.tenant, version), True
        return await self._states.document(subject.tenant, version), False

    async def _by_units(
        self, conn: Connection, subject: Subject, run: Run, state: StackState, batch: BatchRow
    ) -> bool:  # fmt: skip
        if run.type is RunType.DESTROY:
            return False
        if batch.phase is Phase.PLAN:
            return (await self._stacks.blueprint(conn, state, run.to_commit)).units
        plan = await store.plan(conn, subject.tenant, run.id, batch.plan_number)
        return plan is not None and bool(plan.units)

    async def plan(self, subject: Subject) -> bytes:
        """The plan bundle that this batch applies; of an offered batch its order."""
        async with self._db.read(subject.tenant) as conn:
            run, _, batch = await self._batches.held(conn, subject)
            plan = await store.plan(conn, subject.tenant, run.id, batch.plan_number)
        if batch.helps:
            return await self._order(subject, run, batch)
        if plan is None or batch.phase is not Phase.APPLY:
            raise NotFound("plan", str(run.id))
        sealed = await self._blobs.get(plan.plan_blob)
        return await self._keys.open(subject.tenant, "plan", plan.plan_blob, sealed)

    async def _order(self, subject: Subject, run: Run, batch: BatchRow) -> bytes:
        place = order_place(subject.tenant, run.id, batch.plan_number, batch.batch)
        return await self._keys.open(subject.tenant, "plan", place, await self._blobs.get(place))

    async def append_log(self, subject: Subject, offset: int, data: bytes) -> int:
        """Appends to the run's log and gives its new end."""
        mine = await self._batches.still_held(subject)
        return await self._logs.append(subject, mine.run_id, offset, data, mine.step)
