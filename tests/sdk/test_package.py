"""The package as a user gets it: typed, quick to import, without Google's protobuf."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = Path(__file__).with_name("typed_sample.py")
SECONDS = 0.25

WHOLE = """
import importlib, pkgutil, stackly_sdk
for module in pkgutil.walk_packages(stackly_sdk.__path__, "stackly_sdk."):
    if not module.name.startswith("stackly_sdk.cli"):
        importlib.import_module(module.name)
import sys
import tomllib
print(sorted(name for name in sys.modules if name.partition(".")[0] in
    ("google", "stackly", "temporalio", "psycopg", "click", "rich", "stackly_server", "stackly_worker")))
"""


def python(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env={"PATH": os.defpath, **environment},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_whole_package_needs_nothing_of_google_nor_of_ours() -> None:
    assert python("-c", WHOLE).strip() == "[]"


def quickest(code: str) -> float:
    """Seconds of processor of the best of five fresh processes: other work on the machine counts little."""
    timed = f"import time; began = time.process_time()\n{code}\nprint(time.process_time() - began)"
    return min(float(python("-c", timed)) for _ in range(5))


def test_importing_is_quick() -> None:
    assert quickest("import stackly_sdk") < SECONDS
    assert quickest("from stackly_sdk import Stackly") < SECONDS


def test_help_of_the_command_line_is_quick_and_loads_no_client() -> None:
    code = """
import sys; sys.argv = ["stackly", "--help"]; sys.stdout = open("/dev/null", "w")
from stackly_sdk.cli.program import run
run(); sys.stdout = sys.__stdout__
assert not {"grpc", "betterproto2", "rich"} & set(sys.modules)
"""
    assert quickest(code) < SECONDS


def test_the_version_is_that_of_the_distribution() -> None:
    from stackly_sdk.version import VERSION

    assert tomllib.loads((ROOT / "sdk/pyproject.toml").read_text())["project"]["version"] == VERSION


def test_every_public_name_is_there() -> None:
    import stackly_sdk
    from stackly_sdk import errors

    assert all(getattr(stackly_sdk, name) is not None for name in stackly_sdk.__all__)
    assert all(getattr(errors, name) is not None for name in errors.__all__)
    with pytest.raises(AttributeError):
        _ = stackly_sdk.nothing


def test_the_sample_passes_mypy_strict() -> None:
    python(
        "-m",
        "mypy",
        "--strict",
        "--cache-dir",
        os.devnull,
        "--config-file",
        "",
        str(SAMPLE),
        MYPYPATH=str(ROOT / "sdk"),
    )


def test_the_sample_passes_basedpyright_strict(tmp_path: Path) -> None:
    settings = {
        "include": [str(SAMPLE)],
        "extraPaths": [str(ROOT / "sdk")],
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
    }
    project = tmp_path / "pyrightconfig.json"
    project.write_text(json.dumps(settings))
    python("-m", "basedpyright", "-p", str(project), "--pythonpath", sys.executable, HOME=str(tmp_path))
