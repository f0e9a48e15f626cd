"""Random roots through random edits, held against Terraform: ORACLE_ROOTS of them, from the ORACLE_FIRST-th on.

They come in handfuls: each is one test with a seed of its own, the same each time. ORACLE_SHRINK makes a failing one smaller,
ORACLE_KEPT keeps it, ORACLE_MODES names the modes of the harness.
"""

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, assume, given, seed, settings

from oracle.cases import case
from oracle.conftest import Tell
from oracle.harness import hold
from oracle.histories import histories, plainest
from oracle.roots import Files

HANDFUL = 4
FIRST, ROOTS = int(os.environ.get("ORACLE_FIRST", "0")), int(os.environ.get("ORACLE_ROOTS", "12"))
PHASES = (Phase.generate, Phase.shrink) if os.environ.get("ORACLE_SHRINK") else (Phase.generate,)
MODES = os.environ.get("ORACLE_MODES", "apart,batches").split(",")
KEPT = os.environ.get("ORACLE_KEPT")  # a folder for the roots that failed


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # else of a large root nobody is told what differs
@pytest.mark.parametrize("handful", range(FIRST // HANDFUL, -(-(FIRST + ROOTS) // HANDFUL)))
def test_random_roots_come_out_as_with_terraform(
    handful: int, tmp_path_factory: pytest.TempPathFactory, tell: Tell
) -> None:
    @seed(handful)
    @settings(
        max_examples=HANDFUL, phases=PHASES, database=None, deadline=None, suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )  # fmt: skip
    @given(histories())
    def held(history: tuple[Files, ...]) -> None:
        assume(handful == 0 or history != plainest())
        report = hold(case(f"handful {handful}", "random", *history), tmp_path_factory.mktemp("root"), *MODES)
        tell(report)
        if report.differences and KEPT:
            (Path(KEPT) / f"{handful}.json").write_text(json.dumps([str(report), *history]))
        assert not report.differences, str(report)

    held()
