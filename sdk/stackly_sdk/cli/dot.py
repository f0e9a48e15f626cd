"""A graph of units for Graphviz. Pure."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stackly_sdk.cli.session import clean
from stackly_sdk.cli.waves import state

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import ExecutionGraph

_FILLS = {
    "failed": "#ffe0de", "canceled": "#ffe0de", "running": "#dcebff", "applied": "#d9f2e0", "changed": "#dcebff",
    "deferred": "#fff1d1", "unchanged": "#ffffff", "skipped": "#f4f6f9",
}  # fmt: skip


def dot(graph: "ExecutionGraph") -> str:
    """A digraph: edges lead from what comes first to what needs it; units of a wave have one rank."""
    return "\n".join(_lines(graph)) + "\n"


def _lines(graph: "ExecutionGraph") -> Iterator[str]:
    yield f"digraph {_quoted(graph.run)} {{"
    yield "  rankdir=LR;"
    yield '  node [shape=box, style="rounded,filled", fontname="monospace"];'
    for one in graph.activities:
        fill, tip = _FILLS.get(state(one), "#ffffff"), "\n".join([state(one), *one.reasons])
        yield f"  {_quoted(one.unit)} [fillcolor={_quoted(fill)}, tooltip={_quoted(tip)}];"
    for group in graph.groups:
        yield f"  {{ rank=same; {' '.join(f'{_quoted(unit)};' for unit in group.units)} }}"
    for edge in graph.edges:
        yield f"  {_quoted(edge.from_unit)} -> {_quoted(edge.to_unit)};"
    yield "}"


def _quoted(text: str) -> str:
    escaped = clean(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
