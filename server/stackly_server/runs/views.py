"""What is shown of a run beside the run itself: its steps, its plan with what that saved, its graph."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from stackly_engine import drawing
from stackly_server.access import Subject, require
from stackly_server.accounts.namespaces import namespace_in
from stackly_server.database import Connection, Database
from stackly_server.errors import Invalid, NotNow, TooMuch
from stackly_server.limits import GRAPH_SVG_BYTES
from stackly_server.runs import batch_store, store, unit_store
from stackly_server.runs.graphing import Activity, Graph, graph_of
from stackly_server.runs.model import Plan, Run
from stackly_server.runs.progress import run_name
from stackly_server.runs.service import RunService
from stackly_server.runs.steps import Step, Units, steps_of
from stackly_server.runs.unit_states import Seen
from stackly_server.stacks.service import StackService, StackState
from stackly_server.workers.service import WorkerService

LATEST = "latest"


@dataclass(frozen=True, slots=True)
class ShownGraph:
    """The graph of the current plan of `run`, whose resource name is `name`."""

    name: str
    run: Run
    plan: Plan
    graph: Graph


@dataclass(frozen=True, slots=True)
class ShownSteps:
    """Steps in order; `workers` has the resource names of workers by id."""

    steps: tuple[Step, ...]
    workers: Mapping[UUID, str]


class RunViews:
    """Reads only; who may see a run may see all of this."""

    def __init__(self, db: Database, runs: RunService, stacks: StackService, workers: WorkerService) -> None:
        self._db = db
        self._runs = runs
        self._stacks = stacks
        self._workers = workers

    async def steps(self, subject: Subject, name: str) -> ShownSteps:
        """The steps of a run, while it goes on too."""
        require(subject, "runs.read", name)
        async with self._db.read(subject.tenant) as conn:
            run, state = await self._runs.load(conn, subject, name)
            tasks = await batch_store.of_run(conn, subject.tenant, run.id)
            batches = await unit_store.of_run(conn, subject.tenant, run.id)
            units = await self._units(conn, subject, run, {one.plan_number for one in batches})
            steps = tuple(steps_of(tasks, batches, units))
            workers = await self._names(conn, subject, state, {one.worker_id for one in steps if one.worker_id})
        return ShownSteps(steps, workers)

    async def plan(self, subject: Subject, name: str) -> tuple[Plan, Mapping[str, float]]:
        """The current plan, and what the last plans of the units took that it skips, in seconds."""
        plan = await self._runs.plan(subject, name)
        async with self._db.read(subject.tenant) as conn:
            _, state = await self._runs.load(conn, subject, name)
            return plan, await self._saved(conn, subject, state, plan)

    async def graph(self, subject: Subject, name: str, commit: str) -> ShownGraph:
        """The graph of a run's current plan; of the run `latest` that of the newest plan, of a commit if one is given."""
        require(subject, "runs.read", name)
        stack, _, run_id = name.partition("/runs/")
        if commit and run_id != LATEST:
            raise Invalid("VALIDATION_FAILED", "commit goes with the run `latest`.")
        if run_id == LATEST:
            name = await self._newest(subject, stack, commit)
        plan = await self._runs.plan(subject, name)
        async with self._db.read(subject.tenant) as conn:
            run, state = await self._runs.load(conn, subject, name)
            seen = Seen(
                plan, await batch_store.of_run(conn, subject.tenant, run.id),
                await unit_store.of_run(conn, subject.tenant, run.id),
                await unit_store.changes(conn, subject.tenant, run.id, plan.number),
                await self._saved(conn, subject, state, plan),
            )  # fmt: skip
        return ShownGraph(name, run, plan, graph_of(seen.activities(), seen.needs))

    async def _newest(self, subject: Subject, stack: str, commit: str) -> str:
        async with self._db.read(subject.tenant) as conn:
            state = await self._stacks.state_by_name(conn, subject, stack)
            number = await unit_store.newest_planned(conn, subject.tenant, state.id, commit)
        if number is None:
            of = f" of commit {commit}" if commit else ""
            raise NotNow("PLAN_NOT_READY", f"No run{of} of {state.name} has a plan yet.")
        return run_name(subject.account, state.name, number)

    async def _saved(self, conn: Connection, subject: Subject, state: StackState, plan: Plan) -> Mapping[str, float]:
        skipped = [unit["unit"] for unit in plan.units if not unit["run"]]
        if not skipped:
            return {}
        return await unit_store.plan_seconds(conn, subject.tenant, state.id, skipped, plan.created_at)

    async def _units(self, conn: Connection, subject: Subject, run: Run, numbers: Iterable[int]) -> Units:
        plans = [await store.plan(conn, subject.tenant, run.id, number) for number in sorted(numbers)]
        return {plan.number: {unit["unit"]: unit for unit in plan.units} for plan in plans if plan is not None}

    async def _names(
        self, conn: Connection, subject: Subject, state: StackState, ids: Iterable[UUID]
    ) -> dict[UUID, str]:
        namespace = await namespace_in(conn, state.namespace_id)
        front = f"accounts/{subject.account}/namespaces/{namespace.name}/workers"
        return {one: f"{front}/{await self._workers.slug(conn, subject.tenant, one)}" for one in sorted(ids)}


def drawn(graph: Graph) -> str:
    """The graph as a whole SVG document; TooMuch when it does not fit into an answer."""
    svg = drawing.svg(
        {unit: tuple(needed) for unit, needed in graph.needs.items()},
        about={one.unit: _about(one) for one in graph.activities},
        looks={one.unit: one.status.lower() for one in graph.activities},
    )
    if len(svg.encode()) > GRAPH_SVG_BYTES:
        raise TooMuch(
            "LIMIT_EXCEEDED", "The picture of this graph is too large for an answer.", limit="GRAPH_SVG_BYTES"
        )
    return svg


def _about(one: Activity) -> list[str]:
    return [one.status.lower(), *one.reasons]
