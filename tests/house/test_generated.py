"""House rules: generated code is fresh, rooms import as drawn."""

import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str) -> str:
    """Gives what the command said, and fails with it when the command fails."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def test_generated_code_is_fresh() -> None:
    run(sys.executable, "-m", "generator", "check")


def test_import_contracts_are_kept() -> None:
    said = run(str(Path(sysconfig.get_path("scripts")) / "lint-imports"), "--no-logo", "--no-cache")
    assert " 0 broken" in said
