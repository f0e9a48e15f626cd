"""Real providers: the same actions, dependencies and shape of the state as with plain Terraform, and then no changes.

ORACLE_MIRROR names a filesystem mirror that has them (`terraform providers mirror` makes one); what it lacks is not run.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oracle import comparing
from oracle.cases import Step
from oracle.conftest import Tell
from oracle.harness import MODES, Report
from oracle.real_providers import ROOTS
from oracle.worlds import TOOL, Ran, World, run_units, run_whole, world
from stackly_engine.source import Product

pytestmark = pytest.mark.oracle
MIRROR = Path(os.environ.get("ORACLE_MIRROR", ""))
HOST = "registry.opentofu.org" if TOOL.product is Product.TOFU else "registry.terraform.io"


@pytest.mark.parametrize("mode", ["apart", "batches"])
@pytest.mark.parametrize("name", ROOTS)
def test_real_providers_come_out_as_with_terraform(name: str, mode: str, tmp_path: Path, tell: Tell) -> None:
    if not os.environ.get("ORACLE_MIRROR") or not (MIRROR / HOST / "hashicorp" / name).is_dir():
        pytest.skip(f"NOT RUN: ORACLE_MIRROR names no filesystem mirror with {HOST}/hashicorp/{name}")
    config = tmp_path / "terraform.rc"
    config.write_text(f'provider_installation {{\n  filesystem_mirror {{ path = "{MIRROR.resolve()}" }}\n}}\n')
    report = Report(f"{name}, {mode}")
    with world(tmp_path / "whole", cloud=False) as whole, world(tmp_path / "units", cloud=False) as units:
        first, second = [
            replace(one, environment={**one.environment, "TF_CLI_CONFIG_FILE": str(config)}) for one in (whole, units)
        ]
        for number, step in enumerate(ROOTS[name]):
            report.differences += [f"step {number}: {line}" for line in _held(step, mode, first, second, report)]
    tell(report)
    assert report.good, str(report)


def _held(step: Step, mode: str, whole: World, units: World, report: Report) -> Iterator[str]:
    for one in (whole, units):
        one.put(step.files)
    theirs, ours = run_whole(whole, (), (), ()), run_units(units, TOOL, (), MODES[mode])
    report.runs.append(ours)
    if not theirs.good or not ours.good or ours.whole:
        yield f"end: whole {theirs.good}, units {ours.good}, {ours.whole}\n{theirs.output[-1000:]}\n{ours.output[-1500:]}"
        return
    yield from ours.altered
    yield from comparing.differences("actions", _actions(theirs), _actions(ours))
    yield from comparing.differences("state", _shape(whole), _shape(units))
    yield from comparing.differences("files", _files(whole), _files(units))
    yield from (f"left over: {name}" for name in units.stray())
    done = units.planned("-detailed-exitcode")
    if done.code:
        yield f"plan afterwards: {done.code}\n{done.output[-1500:]}"
    again = run_units(units, TOOL, (), MODES[mode])
    if bool(again.processes) != step.restless:
        yield f"second run: {again.processes} processes, {dict(again.reasons)}"


def _actions(ran: Ran) -> dict[str, Any]:
    return {
        change["address"]: change["change"]["actions"]
        for plan in ran.plans
        for change in plan.get("resource_changes") or []
        if change["change"]["actions"] != ["no-op"] and not (ran.prefix and change["name"].startswith(ran.prefix))
    }


def _shape(one: World) -> dict[str, Any]:
    """What of a state is not of chance."""
    kept = ("dependencies", "create_before_destroy", "sensitive_attributes", "status", "mode", "provider", "type")
    return {
        key: {name: value[name] for name in kept if name in value}
        for key, value in comparing.state(one.state()).items()
        if isinstance(value, Mapping)
    }


def _files(one: World) -> dict[str, str]:
    """What lies in the root that Terraform does not keep there for itself; the text of what may differ is not compared."""
    own = (".terraform", ".stackly", "terraform.tfstate", "plan.bin")
    return {
        str(path.relative_to(one.folder)): path.read_text(errors="replace")
        for path in sorted(one.folder.rglob("*"))
        if path.is_file() and not path.relative_to(one.folder).parts[0].startswith(own)
    }
