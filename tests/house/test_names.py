"""House rule: a module is named by its subject."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VAGUE = ("utils", "util", "helpers", "helper", "common", "base", "manager", "misc")


@pytest.mark.parametrize("folder", ["gen/generator", "sdk", "engine", "server", "worker"])
def test_no_module_has_a_vague_name(folder: str) -> None:
    vague = [str(path) for name in VAGUE for path in (ROOT / folder).rglob(f"{name}*") if path.stem == name]
    assert not vague


def test_no_task_is_left_in_the_code() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "X" + "XX")
    folders = [ROOT / name for name in ("proto", "sdk", "engine", "server", "worker", "gen/generator")]
    files = [path for folder in folders for kind in ("*.py", "*.proto", "*.sql") for path in folder.rglob(kind)]
    files = [path for path in files if "_gen" not in path.parts]
    assert files
    left = [f"{path.relative_to(ROOT)}: {mark}" for path in files for mark in marks if mark in path.read_text()]
    assert not left
