"""Version constraints: laws that hold for all, and Terraform's own verdict on many."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackly_server.workers.versions import BadVersionError, Constraint, Version

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


@pytest.mark.parametrize(
    "text", ["~~> 1", "1.x", ">= ", "=> 1", "1,", "1;2", "latest", "1.2.3.4.", "-1", "1" * 300, "٣"]
)
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


OPERATORS = ["", "=", "!=", ">", ">=", "<", "<=", "~>"]
OPERANDS = ["1", "1.11", "1.11.3", "1.11.4", "1.11.5", "1.12", "2", "0.12", "1.11.4.0", "1.10.9"]


def test_terraform_says_the_same(tmp_path: Path) -> None:
    """One module for each constraint; Terraform names those that its own version does not satisfy."""
    constraints = [f"{operator} {operand}".strip() for operator in OPERATORS for operand in OPERANDS]
    constraints += [">= 1.5, < 2", "~> 1.11, != 1.11.4", "> 1.2.3, <= 1.11.4"]
    for number, constraint in enumerate(constraints):
        module = tmp_path / f"m{number}"
        module.mkdir()
        (module / "main.tf").write_text(f'terraform {{\n  required_version = "{constraint}"\n}}\n')
    (tmp_path / "main.tf").write_text(
        "".join(f'module "m{number}" {{\n  source = "./m{number}"\n}}\n' for number in range(len(constraints)))
    )
    asked = subprocess.run(  # it fails, as modules refuse it, and says which
        ["terraform", "init", "-backend=false", "-json"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CHECKPOINT_DISABLE": "1"},
        capture_output=True,
        check=False,
    )
    lines = [json.loads(line) for line in asked.stdout.splitlines()]
    version = next(line["terraform"] for line in lines if "terraform" in line)
    verdicts = [line["diagnostic"] for line in lines if line["type"] == "diagnostic"]
    assert {verdict["summary"] for verdict in verdicts} == {"Unsupported Terraform Core version"}
    refused = {Path(verdict["range"]["filename"]).parent.name for verdict in verdicts}
    assert refused
    ours = {f"m{number}" for number, constraint in enumerate(constraints) if not admits(constraint, version)}
    assert ours == refused
