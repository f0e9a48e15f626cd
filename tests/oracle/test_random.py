"""Random roots through random edits, held against Terraform: as many as ORACLE_ROOTS says, from ORACLE_FIRST on."""

import os
from pathlib import Path

import pytest

from oracle.cases import case
from oracle.conftest import Tell
from oracle.edits import edits
from oracle.harness import hold
from oracle.roots import Sizes, root

FIRST, ROOTS = int(os.environ.get("ORACLE_FIRST", "0")), int(os.environ.get("ORACLE_ROOTS", "12"))
STEPS = 3
SMALL = Sizes(modules=3, items=6, inner=2, depth=2)


@pytest.mark.oracle
@pytest.mark.parametrize("seed", range(FIRST, FIRST + ROOTS))
def test_a_random_root_comes_out_as_with_terraform(seed: int, tmp_path: Path, tell: Tell) -> None:
    files = root(seed, SMALL)
    report = hold(case(f"seed {seed}", "random", files, *edits(seed, files, STEPS)), tmp_path, "apart", "batches")
    tell(report)
    assert not report.differences, str(report)
    if not report.runs:
        pytest.skip(f"plain Terraform refuses this root: {report.wrong[-300:]}")
