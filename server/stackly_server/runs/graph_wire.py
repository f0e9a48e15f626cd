"""A graph of units as a message."""

from stackly.v1 import runs_pb2
from stackly_server.runs.graphing import Graph


def graph_to_proto(name: str, graph: Graph) -> runs_pb2.ExecutionGraph:
    """The graph of the run's current plan."""
    at = {unit: number for number, group in enumerate(graph.groups, start=1) for unit in group}
    return runs_pb2.ExecutionGraph(
        name=name,
        activities=[
            runs_pb2.GraphActivity(
                unit=unit["unit"], group=at[unit["unit"]], run=unit["run"], reason=next(iter(unit["reasons"]), "")
            )
            for unit in graph.units
        ],
        edges=[runs_pb2.GraphEdge(from_unit=first, to_unit=unit) for first, unit in graph.edges],
        groups=[runs_pb2.GraphGroup(units=units) for units in graph.groups],
        chains=[runs_pb2.GraphChain(units=units) for units in graph.chains],
    )
