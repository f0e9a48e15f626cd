"""House rules: generated code is fresh, rooms import as drawn."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from generator.__main__ import differences

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


def test_a_changed_missing_or_foreign_file_is_found(tmp_path: Path) -> None:
    fresh, kept = tmp_path / "fresh", tmp_path / "kept"
    for folder in (fresh, kept):
        (folder / "v1").mkdir(parents=True)
        (folder / "v1/same.py").write_text("a")
        (folder / "v1/changed.py").write_text(folder.name)
    (fresh / "v1/missing.py").touch()
    (kept / "v1/foreign.py").touch()
    found = differences(fresh, kept, Path("gen"))
    assert {path.name for path in found} == {"changed.py", "missing.py", "foreign.py"}


def test_a_forbidden_import_is_found(tmp_path: Path) -> None:
    rules = (ROOT / "pyproject.toml").read_text().partition("[tool.importlinter]")
    (tmp_path / "pyproject.toml").write_text("".join(rules[1:]))
    for name in ("stackly", "stackly_engine", "stackly_sdk", "stackly_server", "stackly_worker"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "stackly_worker/__init__.py").write_text("import stackly_server\n")
    done = subprocess.run(
        [
            str(Path(sysconfig.get_path("scripts")) / "lint-imports"),
            "--no-logo",
            "--no-cache",
            "--contract",
            "programs",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "stackly_worker is not allowed to import stackly_server" in done.stdout, done.stdout + done.stderr
