"""A graph of units as a message."""

from stackly.v1 import runs_pb2
from stackly_server.runs.graphing import Activity
from stackly_server.runs.views import ShownGraph
from stackly_server.runs.wire import timestamp


def graph_to_proto(shown: ShownGraph) -> runs_pb2.ExecutionGraph:
    """The graph of the run's current plan."""
    graph, plan = shown.graph, shown.plan
    at = {unit: number for number, group in enumerate(graph.groups, start=1) for unit in group}
    alone = {group[0] for group in graph.groups if len(group) == 1}
    return runs_pb2.ExecutionGraph(
        name=f"{shown.name}/graph", run=shown.name, run_status=f"RUN_STATUS_{shown.run.status.value}",
        commit=plan.commit_hash, whole_reasons=plan.whole_reasons,
        activities=[
            _activity(one, at[one.unit], sorted(graph.needs[one.unit]), alone=one.unit in alone)
            for one in graph.activities
        ],
        edges=[runs_pb2.GraphEdge(from_unit=first, to_unit=unit) for first, unit in graph.edges],
        groups=[runs_pb2.GraphGroup(units=units) for units in graph.groups],
        chains=[runs_pb2.GraphChain(units=units) for units in graph.chains],
    )  # fmt: skip


def _activity(one: Activity, group: int, needs: list[str], *, alone: bool) -> runs_pb2.GraphActivity:
    return runs_pb2.GraphActivity(
        unit=one.unit, group=group, run=one.run, reason=next(iter(one.reasons), ""), reasons=one.reasons, type=one.type,
        depends_on=needs, inputs=one.inputs, outputs=one.outputs, execution_mode="sequential" if alone else "parallel",
        status=f"GRAPH_ACTIVITY_STATUS_{one.status}", batch=one.batch,
        changes=None if one.changes is None else runs_pb2.PlanSummary(**dict(one.changes)),
        started_at=timestamp(one.started_at), finished_at=timestamp(one.finished_at), plan_seconds=one.plan_seconds,
    )  # fmt: skip
