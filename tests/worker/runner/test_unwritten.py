"""What Terraform said to be done, against each state that a kill may leave: documents and events of real applies."""

import itertools
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fakes.control_plane import MemoryPlane
from stackly_worker.runner import events, recovery
from stackly_worker.runner.batch import Batch
from stackly_worker.runner.batch_spec import PLAN
from stackly_worker.runner.ports import PlanBundle
from stackly_worker.runner.terraform import Engine
from stackly_worker.runner.unwritten import prior_state, unwritten

Make = Callable[..., Batch]
CODE = """
resource "terraform_data" "kept" {
  input = "kept"
}
resource "terraform_data" "changed" {
  input = "%(word)s"
}
resource "terraform_data" "replaced" {
  for_each         = toset(["a$${\\"b", "c"])
  triggers_replace = "%(word)s"
}
module "inner" {
  source = "./inner"
  word   = "%(word)s"
}
"""
INNER = """
variable "word" {}
resource "terraform_data" "before" {
  count            = 1
  triggers_replace = var.word
  lifecycle {
    create_before_destroy = true
  }
}
"""
GONE = 'resource "terraform_data" "gone" {}\n'
NEW = 'resource "terraform_data" "new" {}\n'


@dataclass(frozen=True)
class Applied:
    """An apply that ended well: the states before and after, the plan it applied, what it printed."""

    before: dict[str, Any]
    after: dict[str, Any]
    prior: bytes
    bundle: bytes
    folder: Path
    batch: Batch

    @property
    def said(self) -> events.Events:
        with (self.folder / "apply" / "out").open("rb") as lines:
            return events.read(lines)


async def applied(make: Make) -> Applied:
    """One of each operation, over a state that a first apply made."""
    plane = MemoryPlane({"main.tf": CODE % {"word": "v"} + GONE, "inner/main.tf": INNER})
    await make(plane).plan()
    assert (await make(plane).apply()).status == "applied", plane.text
    before = json.loads(plane.state or b"")
    plane.files = {**plane.files, "main.tf": CODE % {"word": "w"} + NEW}
    plane.nonces.clear()
    await make(plane, plan_key="run-2/1/b1").plan()
    batch = make(plane, plan_key="run-2/1/b1")
    assert (await batch.apply()).status == "applied", plane.text
    assert plane.plan is not None
    bundle = PlanBundle.unpack(plane.plan.bundle)
    (batch.folder / PLAN).write_bytes(bundle.plan)
    prior = prior_state(batch.folder / PLAN)
    assert prior is not None
    return Applied(before, json.loads(plane.state or b""), prior, plane.plan.bundle, batch.folder, batch)


def objects(state: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The instances by an address of our own."""
    found: dict[str, list[dict[str, Any]]] = {}
    for resource in state["resources"]:
        for instance in resource["instances"]:
            head = json.dumps({key: value for key, value in resource.items() if key != "instances"})
            found.setdefault(json.dumps([head, instance.get("index_key")]), []).append(instance)
    return found


def document(state: dict[str, Any], parts: dict[str, list[dict[str, Any]]]) -> bytes:
    resources = [json.loads(json.loads(key)[0]) | {"instances": list(each)} for key, each in parts.items() if each]
    return json.dumps(state | {"resources": resources}).encode()


def plain(key: str) -> str:
    head, index = json.loads(key)
    resource = json.loads(head)
    return f"{resource['name']}[{index}]"


EXPECTED = {
    "changed[None]": {"terraform_data.changed": "update"},
    'replaced[a${"b]': {'terraform_data.replaced["a$${\\"b"]': "create"},
    "replaced[c]": {'terraform_data.replaced["c"]': "create"},
    "before[0]": {"module.inner.terraform_data.before[0]": "delete"},
    "gone[None]": {"terraform_data.gone": "delete"},
    "new[None]": {"terraform_data.new": "create"},
}


async def test_exactly_what_the_state_does_not_show_is_named(make_batch: Make) -> None:
    run = await applied(make_batch)
    old, new, said = objects(run.before), objects(run.after), run.said.done
    keys = {plain(key): key for key in (*old, *new) if plain(key) != "kept[None]"}
    assert keys.keys() == EXPECTED.keys()
    for late in itertools.chain.from_iterable(itertools.combinations(keys, size) for size in range(len(keys) + 1)):
        parts = new | {keys[name]: old.get(keys[name], []) for name in late}
        expected = {address: action for name in late for address, action in EXPECTED[name].items()}
        assert unwritten(said, document(run.after, parts), run.prior) == expected
    deposed = [{**instance, "deposed": "00000001"} for instance in old[keys["before[0]"]]]
    half = new | {keys["before[0]"]: [*new[keys["before[0]"]], *deposed]}
    assert unwritten(said, document(run.after, half), run.prior) == EXPECTED["before[0]"]


async def test_without_the_plan_or_a_readable_state_more_is_named_not_less(make_batch: Make) -> None:
    run = await applied(make_batch)
    said, after = run.said.done, json.dumps(run.after).encode()
    everything = {address for each in EXPECTED.values() for address in each}
    assert unwritten(said, after, None).keys() == everything - {"terraform_data.new"}
    assert unwritten(said, b'{"encrypted_data": "x"}', run.prior).keys() == everything
    assert unwritten(said, None, run.prior).keys() == everything


async def test_whoever_comes_back_names_what_was_done_and_not_written(make_batch: Make) -> None:
    """Terraform was killed between its last word and the write of the state."""
    run = await applied(make_batch)
    (run.folder / "apply" / "rc").write_text("137\n")
    run.batch.place.state.write_text(json.dumps(run.before))
    everything = {address: action for each in EXPECTED.values() for address, action in each.items()}
    assert recovery.read(run.folder, run.batch.place).suspects.keys() == everything.keys()
    (run.folder / PLAN).unlink()
    assert recovery.read(run.folder, run.batch.place).suspects.keys() == everything.keys()
    run.batch.place.state.write_text(json.dumps(run.after))
    assert recovery.read(run.folder, run.batch.place).suspects.keys() == everything.keys() - {"terraform_data.new"}
    (run.folder / "apply" / "rc").write_text("0\n")
    assert recovery.read(run.folder, run.batch.place).suspects == {}


KILLED = """#!/bin/sh
# A Terraform that is killed after its last word and before it writes its state.
if [ "$1" != apply ]; then exec {terraform} "$@"; fi
cat {words}
kill -9 $$
"""


async def test_a_living_runner_names_them_too(make_batch: Make, tmp_path: Path, engine: Engine) -> None:
    run = await applied(make_batch)
    plane = MemoryPlane({"main.tf": NEW})
    await make_batch(plane, "other").plan()
    program, words = tmp_path / "killed-terraform", run.folder / "apply" / "out"
    program.write_text(KILLED.format(terraform=shutil.which("terraform"), words=words))
    program.chmod(0o700)
    killed = Engine((str(program),), engine.product, engine.version)
    outcome = await replace(make_batch(plane, "other"), engine=killed).apply()
    assert (outcome.status, outcome.rc) == ("failed", 137)
    assert outcome.suspects["terraform_data.new"] == "create"
    assert "terraform_data.new (create)" in plane.text


@pytest.mark.parametrize("hook", [
    {}, {"action": "create"}, {"action": "create", "resource": {}}, {"action": "delete", "resource": {"addr": "a.b"}},
    {"action": "read", "resource": {"resource": "data.a.b"}}, {"action": "create", "resource": {"resource": "data.a.b"}},
])  # fmt: skip
def test_foreign_events_never_break_the_reader(hook: dict[str, Any]) -> None:
    line = json.dumps({"@message": "", "type": "apply_complete", "hook": hook}).encode()
    assert events.read([line]).finished == 1
