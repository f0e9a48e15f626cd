"""The graph of a run on the terminal, for Graphviz, and through the SDK: what stands where, at any width and size."""

import asyncio
import datetime as dt
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fakes.sdk_clients import async_client, client
from fakes.stackly_world import FakeStackly
from stackly.v1 import runs_pb2
from stackly_sdk._gen.stackly.v1 import (
    ExecutionGraph,
    GraphActivity,
    GraphActivityStatus,
    GraphChain,
    GraphEdge,
    GraphGroup,
    PlanSummary,
    RunStatus,
    RunStep,
    RunStepStatus,
)
from stackly_sdk.cli.dot import dot
from stackly_sdk.cli.steps import tasks
from stackly_sdk.cli.waves import _wide, draw_graph

S = GraphActivityStatus
BEGAN = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
RAN: dict[str, Any] = {"started_at": BEGAN, "finished_at": BEGAN + dt.timedelta(seconds=1.2)}
SPECIAL: dict[int, dict[str, Any]] = {
    2: {"status": S.APPLIED, "reasons": ["code: modules/net/main.tf"], "changes": PlanSummary(add=2, change=1), **RAN},
    3: {"status": S.UNCHANGED, "reasons": ["variable: env"], "changes": PlanSummary(), **RAN},
    -1: {"status": S.FAILED, "reasons": ["input: module.m2.id"], "changes": PlanSummary(destroy=1), **RAN},
    -2: {"status": S.DEFERRED, "reasons": ["new", "deferred: module.m2.id is known after apply"]},
}
SKIPPED: dict[str, Any] = {"status": S.SKIPPED, "reasons": ["unchanged"], "plan_seconds": 0.03}


def activity(number: int, of: int) -> GraphActivity:
    """Each of the second half needs one of the first."""
    facts = SPECIAL.get(number) or SPECIAL.get(number - of) or SKIPPED
    second = number >= of // 2
    return GraphActivity(
        unit=f"module.m{number}",
        type="module",
        group=2 if second else 1,
        run=facts is not SKIPPED,
        reason=facts["reasons"][0],
        depends_on=[f"module.m{number - of // 2}"] if second else [],
        **facts,
    )


def graph(of: int) -> ExecutionGraph:
    units = [activity(number, of) for number in range(of)]
    groups = [GraphGroup(units=[one.unit for one in units if one.group == wave]) for wave in (1, 2)]
    edges = [GraphEdge(from_unit=one.depends_on[0], to_unit=one.unit) for one in units if one.depends_on]
    return ExecutionGraph(
        run="accounts/dev/stackStates/hello/runs/run-7", run_status=RunStatus.FAILED, commit="c0ffee" * 6,
        activities=units, groups=groups, edges=edges, chains=[GraphChain(units=["module.m0", "module.m4", "module.m5"])],
    )  # fmt: skip


def drawn(of: int, width: int, *, everything: bool = False) -> list[str]:
    return [line.text for line in draw_graph(graph(of), width, everything=everything)]


def test_each_unit_has_a_line_with_its_state_why_and_what_it_needs() -> None:
    assert drawn(8, 100) == [
        "hello/run-7: failed, commit c0ffeec0",
        "8 units in 2 waves: 1 failed, 1 applied, 1 deferred, 1 unchanged, 4 skipped",
        "  about 0.1s of planning saved",
        "",
        "wave 1  (4)",
        "  · module.m0  unchanged",
        "  · module.m1  unchanged",
        "  ✓ module.m2  +2 ~1  code: modules/net/main.tf  1.2s",
        "  = module.m3  no changes  variable: env  1.2s",
        "",
        "wave 2  (4)",
        "  · module.m4  unchanged  ← module.m0",
        "  · module.m5  unchanged  ← module.m1",
        "  ? module.m6  module.m2.id is known after apply  ← module.m2",
        "  x module.m7  -1  input: module.m2.id  1.2s  ← module.m3",
        "",
        "one after another: module.m0 → module.m4 → module.m5",
        "",
        "x failed   ✓ applied   ? deferred: planned after an apply   = planned, no changes   · skipped",
    ]


def test_many_units_are_packed_but_those_that_something_happens_to() -> None:
    lines = drawn(500, 80)
    assert len(lines) < 30
    assert "  · 248 skipped (unchanged):" in lines
    assert "  x module.m499  -1  input: module.m2.id  1.2s  ← module.m249" in lines
    assert any(line.endswith("and 234 more") for line in lines)
    assert lines[-1] == "Each unit in a line of its own: --all"
    whole = drawn(500, 80, everything=True)
    assert sum("  ← module.m" in line for line in whole) == 250
    assert [line.split()[1] for line in whole[5:8]] == ["module.m0", "module.m1", "module.m2"]
    assert "module.m10 " in whole[15]  # 2 comes before 10


@pytest.mark.parametrize("width", [40, 57, 80, 200])
@pytest.mark.parametrize("of", [8, 12, 500])
def test_no_line_is_wider_than_the_terminal(of: int, width: int) -> None:
    assert max(_wide(line) for line in drawn(of, width)) <= width


def test_a_whole_root_is_one_activity() -> None:
    only = GraphActivity(unit="*", type="root", status=S.CHANGED, run=True, reason="whole", changes=PlanSummary(add=3))
    found = ExecutionGraph(
        run="accounts/dev/stackStates/hello/runs/run-1", run_status=RunStatus.AWAITING_APPROVAL, commit="c0ffee" * 6,
        activities=[only], groups=[GraphGroup(units=["*"])], whole_reasons=["override-files: main_override.tf"],
    )  # fmt: skip
    assert [line.text for line in draw_graph(found, 80)] == [
        "hello/run-1: awaiting approval, commit c0ffeec0",
        "The root was planned whole: override-files: main_override.tf",
        "",
        "wave 1  (1)",
        "  ~ the whole root  +3",
        "",
        "~ would change",
    ]


_DOT_ID = r'"(?:[^"\\\n]|\\[\\"n])*"'
_DOT_LINES = tuple(
    re.compile(form)
    for form in (
        rf"digraph {_DOT_ID} \{{", r"\}", r"  rankdir=LR;", rf"  node \[shape=box, style={_DOT_ID}, fontname={_DOT_ID}\];",
        rf"  {_DOT_ID} \[fillcolor={_DOT_ID}, tooltip={_DOT_ID}\];", rf"  {_DOT_ID} -> {_DOT_ID};",
        rf"  \{{ rank=same;(?: {_DOT_ID};)+ \}}",
    )
)  # fmt: skip


def test_dot_is_well_formed_whatever_names_and_reasons_hold() -> None:
    found = graph(8)
    found.activities[0].reasons = ['a "quoted" \\ reason\nof two lines\x1b[2J']
    text = dot(found)
    assert all(any(form.fullmatch(line) for form in _DOT_LINES) for line in text.splitlines()), text
    assert text.count(" -> ") == len(found.edges)
    assert text.count("fillcolor") == len(found.activities)
    assert '"module.m0" -> "module.m4";' in text
    assert "\x1b" not in text


def test_the_steps_of_a_run_in_a_few_lines() -> None:
    def step(name: str, status: RunStepStatus, unit: str = "") -> RunStep:
        return RunStep(name=f"x/steps/{name}", status=status, unit=unit, **RAN)

    done, failed = RunStepStatus.SUCCEEDED, RunStepStatus.FAILED
    assert list(tasks([
        step("plan-1-b1", done), step("apply-1-b1", failed), step("apply-1-module.a", done, "module.a"),
        step("apply-1-module.b", failed, "module.b"),
    ])) == [
        "  plan-1-b1   succeeded 1.2s",
        "  apply-1-b1  failed 1.2s; units: 1 failed, 1 succeeded",
        "    failed: module.b 1.2s",
    ]  # fmt: skip
    many = [step(f"apply-1-module.m{at}", failed, f"module.m{at}") for at in range(14)]
    assert list(tasks([step("apply-1-b1", failed), *many]))[-1] == "    and 4 more"


# The commands


@pytest.fixture
def shown(api: FakeStackly) -> FakeStackly:
    """A run of `pure` with a plan by units."""
    with client(api) as stackly:
        stackly.stacks.get("pure").deploy().wait("done")
    api.graph.activities.add(
        unit="module.a", type="module", group=1, status=runs_pb2.GRAPH_ACTIVITY_STATUS_SKIPPED, reason="unchanged"
    )
    api.graph.groups.add(units=["module.a"])
    return api


def run(api: FakeStackly, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": "/nowhere", "HOME": "/nowhere", "LANG": "C.UTF-8", "STACKLY_ENDPOINT": api.url}
    given = {"STACKLY_API_KEY": api_key(), **more}
    return subprocess.run(
        [sys.executable, "-m", "stackly_sdk.cli", *arguments], env={**environment, **given}, capture_output=True,
        text=True, check=False, timeout=60,
    )  # fmt: skip


def api_key() -> str:
    from fakes.stackly_api import API_KEY

    return API_KEY


def test_the_command_draws_writes_files_and_speaks_json(shown: FakeStackly, tmp_path: Path) -> None:
    done = run(shown, "graph", "pure", COLUMNS="60")
    assert done.stdout.splitlines() == [
        "pure/run-1: planned and finished, commit c0ffeec0",
        "1 unit in 1 wave: 1 skipped",
        "",
        "wave 1  (1)",
        "  · module.a  unchanged",
        "",
        "· skipped",
    ]
    picture, graphviz = tmp_path / "g.svg", tmp_path / "g.dot"
    done = run(shown, "runs", "graph", "pure/1", "--svg", str(picture), "--dot", str(graphviz))
    assert (done.stdout, done.stderr) == ("", f"Wrote {picture}.\nWrote {graphviz}.\n")
    assert picture.read_text().startswith("<svg")
    assert graphviz.read_text().startswith("digraph")
    assert run(shown, "graph", "pure/1", "--svg", "-").stdout.startswith("<svg")
    assert json.loads(run(shown, "graph", "pure", "--json").stdout)["activities"][0]["unit"] == "module.a"


def test_what_cannot_be_drawn_is_told(shown: FakeStackly, tmp_path: Path) -> None:
    for arguments, words in (
        (("graph", "hello"), "No run has a plan yet."),
        (("graph", "pure/9"), "NOT_FOUND"),
        (("graph", "pure/1", "--commit", "c0ffee"), "leave --commit out"),
        (("graph", "pure", "--svg", str(tmp_path / "no" / "g.svg")), "No such file or directory"),
    ):
        done = run(shown, *arguments)
        assert done.returncode
        assert words in done.stderr, arguments
        assert "Traceback" not in done.stderr


def test_both_clients_give_the_graph_of_a_run_and_of_a_stack(shown: FakeStackly) -> None:
    with client(shown) as stackly:
        found = stackly.runs.get("pure/1")
        assert found.graph().run == found.name
        assert stackly.stacks.get("pure").graph("c0ffee").groups[0].units == ["module.a"]
        assert found.execution_graph(draw=True).svg.startswith("<svg")
        assert [one.name for one in found.steps()] == ["plan-1-b1"]
    requests = [request for name, request, _ in shown.calls if name == "GetExecutionGraph"]
    assert [(one.name.rpartition("/runs/")[2], one.commit, one.draw) for one in requests] == [
        ("run-1/graph", "", False), ("latest/graph", "c0ffee", False), ("run-1/graph", "", True),
    ]  # fmt: skip

    async def again() -> tuple[str, int]:
        async with async_client(shown) as stackly:
            one = await (await stackly.runs.get("pure/1")).graph()
            return one.run, len((await (await stackly.stacks.get("pure")).graph()).activities)

    assert asyncio.run(again()) == (f"{'accounts/dev/stackStates/pure'}/runs/run-1", 1)
