"""What a runner fetches for its batch, and the log it appends to."""

from collections.abc import AsyncIterator

from stackly_server.access import Subject
from stackly_server.database import Database
from stackly_server.errors import NotFound
from stackly_server.logs.service import LogService
from stackly_server.runs import store, unit_store
from stackly_server.runs.batches import BatchService
from stackly_server.runs.engines import requirement
from stackly_server.runs.model import Phase
from stackly_server.runs.ports import Blobs, Keys, SourceEntry, Sources, Spec
from stackly_server.runs.progress import run_name
from stackly_server.runs.source_digest import artifact_of
from stackly_server.stacks.service import StackService
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
        secrets = await self._batches.secret_variables(subject.tenant, run, state)
        timeout = blueprint.plan_timeout_seconds if batch.phase is Phase.PLAN else blueprint.apply_timeout_seconds
        return Spec(
            run_name=run_name(subject.account, state.name, run.number), run_type=run.type.value, commit=run.to_commit,
            root_path=blueprint.repo_path,
            engine=requirement(blueprint, plan if batch.phase is Phase.APPLY else None),
            variables={**blueprint.variables, **run.variables, **secrets}, sensitive_variables=tuple(sorted(secrets)),
            hash_key=await self._states.hash_key(subject.tenant, head), timeout_seconds=timeout,
            state_serial=head.serial, state_lineage=head.lineage,
            plan_sha256=plan.plan_sha256 if plan and batch.phase is Phase.APPLY else "", step=batch.step,
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

    async def state(self, subject: Subject) -> bytes:
        """The state document that the batch begins with; empty when there is none."""
        async with self._db.read(subject.tenant) as conn:
            _, state, _ = await self._batches.held(conn, subject)
            head = await self._states.head(conn, subject.tenant, state.id)
        if head.serial == 0:
            return b""
        version = await self._states.version(subject.tenant, state.id, head.serial)
        return await self._states.document(subject.tenant, version)

    async def plan(self, subject: Subject) -> bytes:
        """The plan bundle that this batch applies."""
        async with self._db.read(subject.tenant) as conn:
            run, _, batch = await self._batches.held(conn, subject)
            plan = await store.plan(conn, subject.tenant, run.id, batch.plan_number)
        if plan is None or batch.phase is not Phase.APPLY:
            raise NotFound("plan", str(run.id))
        sealed = await self._blobs.get(plan.plan_blob)
        return await self._keys.open(subject.tenant, "plan", plan.plan_blob, sealed)

    async def append_log(self, subject: Subject, offset: int, data: bytes) -> int:
        """Appends to the run's log and gives its new end."""
        mine = await self._batches.still_held(subject)
        return await self._logs.append(subject, mine.run_id, offset, data, mine.step)
