"""Whole batches with the real Terraform: what is planned, applied, kept, said and never done twice."""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.control_plane import MemoryPlane
from stackly_engine import exact, plans
from stackly_engine.plans import ProjectedPlan
from stackly_worker.runner import limits, recovery
from stackly_worker.runner.batch import Batch
from stackly_worker.runner.clock import SystemClock
from stackly_worker.runner.ports import Grant, PlanBundle, Renewal
from stackly_worker.runner.shelf import Shelf
from waiting import until

Make = Callable[..., Batch]
SECRET = "canary-secret-of-a-variable"
HELLO = """
terraform {
  backend "s3" { bucket = "never" }
}
variable "token" {
  type      = string
  sensitive = true
}
resource "terraform_data" "one" {
  input = var.token
}
resource "terraform_data" "two" {
  input = "hello"
  provisioner "local-exec" {
    command = "echo token: $TOKEN"
    environment = { TOKEN = nonsensitive(var.token) }
  }
}
output "token" {
  value     = var.token
  sensitive = true
}
output "number" {
  value = 1.5
}
"""


MODULES = """
module "inner" {
  source = "./inner"
}
resource "terraform_data" "one" {
  input = module.inner.word
}
"""


class QuickClock(SystemClock):
    """Back-off without its length."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.01))


def ledger(path: Path, fail: str = "", wait: float = 0) -> str:
    """Six resources; each writes begin and end into a file outside Terraform."""
    command = f"echo begin ${{each.key}} >> {path}; sleep {wait}; test ${{each.key}} != '{fail}' && echo end ${{each.key}} >> {path}"
    return f"""
resource "terraform_data" "r" {{
  for_each = toset([for n in range(6) : tostring(n)])
  provisioner "local-exec" {{
    command = "{command}"
  }}
}}
"""


def entries(path: Path, what: str) -> list[str]:
    lines = path.read_text().split("\n") if path.exists() else []
    return sorted(line.split()[1] for line in lines if line.startswith(what))


def in_state(document: bytes | None) -> list[str]:
    state = json.loads(document or b"{}")
    return sorted(
        instance.get("index_key", "")
        for resource in state.get("resources") or []
        for instance in resource["instances"]
        if instance.get("status") != "tainted"
    )


def started(folder: Path) -> set[str]:
    """The addresses that Terraform said it began with."""
    lines = (folder / "apply" / "out").read_bytes().split(b"\n")
    found = [json.loads(line) for line in lines if b'"apply_start"' in line and line.endswith(b"}")]
    return {event["hook"]["resource"]["addr"] for event in found}


async def test_plan_apply_and_nothing_left_to_do(make_batch: Make) -> None:
    plane = MemoryPlane({"main.tf": HELLO})
    spec = {"variables": {"token": SECRET}, "secrets": (SECRET,)}
    planned = await make_batch(plane, **spec).plan()
    assert (planned.status, planned.counts["add"]) == ("planned", 2)
    assert plane.plan is not None
    projected = ProjectedPlan.from_bytes(plane.plan.projected)
    assert projected.summary == plans.PlanSummary(add=2)
    assert (plane.state, plane.versions) == (None, [])
    batch = make_batch(plane, **spec)
    applied = await batch.apply()
    assert applied.status == "applied", plane.text
    assert plane.state is not None
    assert SECRET.encode() in plane.state
    assert exact.loads(applied.outputs or b"")["number"]["value"] == exact.loads(b"1.5")
    assert applied.state_serial == plane.versions[-1].serial
    assert [outcome.status for outcome in plane.outcomes] == ["planned", "applied"]
    assert plane.sources == 1  # the apply found the place as its own plan had left it
    assert not (batch.folder / "plan.bin").exists()
    assert [path.name for path in batch.place.state.parent.iterdir()] == ["accepted"]
    text = plane.text
    again = await make_batch(plane, **spec, plan_key="run-2/1/b1").plan()
    assert again.status == "planned"
    assert plane.plan is not None
    assert ProjectedPlan.from_bytes(plane.plan.projected).empty
    for seen in (text, plane.text, plane.plan.projected.decode(), repr([o.errors for o in plane.outcomes])):
        assert SECRET not in seen
        assert base64.b64encode(SECRET.encode()).decode().rstrip("=")[:-1] not in seen
    assert "token: (sensitive)" in text
    assert text.count("Terraform 1.") == 1
    assert "Sandbox: plain" in text


async def test_the_plan_is_applied_elsewhere_from_its_bundle(make_batch: Make, tmp_path: Path) -> None:
    plane = MemoryPlane({"infra/main.tf": HELLO, "infra/.terraform.lock.hcl": "# none\n", "README.md": "x"})
    spec = {"variables": {"token": SECRET}, "root": "infra"}
    assert (await make_batch(plane, **spec).plan()).status == "planned"
    (tmp_path / "stack").rename(tmp_path / "gone")  # another machine has the same path and nothing in it
    applied = await make_batch(plane, root="infra").apply()
    assert (applied.status, plane.sources) == ("applied", 2)
    assert SECRET not in plane.text  # the bundle brought what the plan knew to be sensitive


async def test_an_apply_is_begun_once(make_batch: Make) -> None:
    plane = MemoryPlane({"main.tf": HELLO})
    await make_batch(plane, variables={"token": SECRET}).plan()
    batch = make_batch(plane)
    assert (await batch.apply()).status == "applied"
    serial = plane.versions[-1].serial
    assert (await batch.apply()).status == "lost"
    other = await make_batch(plane).apply()  # another folder: the control plane says no
    assert (other.status, other.reason) == ("lost", "started before")
    assert plane.versions[-1].serial == serial


async def test_a_stale_plan_is_refused_by_terraform(make_batch: Make) -> None:
    plane = MemoryPlane({"main.tf": HELLO})
    await make_batch(plane, variables={"token": SECRET}).plan()
    await make_batch(plane).apply()
    plane.nonces.clear()
    outcome = await make_batch(plane).apply()
    assert outcome.status == "failed"
    assert outcome.errors[0].summary == "Saved plan is stale"


async def test_a_failure_in_the_middle_keeps_what_was_made(make_batch: Make, tmp_path: Path) -> None:
    made = tmp_path / "ledger"
    plane = MemoryPlane({"main.tf": ledger(made, fail="3")})
    await make_batch(plane).plan()
    outcome = await make_batch(plane).apply()
    assert (outcome.status, outcome.rc, outcome.step) == ("failed", 1, "apply")
    assert in_state(plane.state) == entries(made, "end") == ["0", "1", "2", "4", "5"]
    assert list(outcome.failed) == ['terraform_data.r["3"]']
    assert outcome.suspects == {}
    assert outcome.errors[0].summary == "local-exec provisioner error"
    plane.files = {"main.tf": ledger(made)}
    plane.nonces.clear()
    await make_batch(plane, plan_key="run-2/1/b1").plan()
    assert (await make_batch(plane, plan_key="run-2/1/b1").apply()).status == "applied"
    assert in_state(plane.state) == ["0", "1", "2", "3", "4", "5"]


@pytest.mark.parametrize(
    ("code", "step", "summary", "line"),
    [
        ('resource "x" {{', "init", "Argument or block definition required", 1),
        ('\nlocals { a = nope.x.y }\noutput "a" { value = local.a }', "plan", "Reference to undeclared resource", 2),
        ('variable "needed" {}', "plan", "No value for required variable", 1),
    ],
)
async def test_errors_are_told_with_their_place(
    make_batch: Make, code: str, step: str, summary: str, line: int
) -> None:
    plane = MemoryPlane({"main.tf": code})
    outcome = await make_batch(plane).plan()
    assert (outcome.status, outcome.step) == ("failed", step)
    assert (outcome.errors[0].summary, outcome.errors[0].file, outcome.errors[0].line) == (summary, "main.tf", line)
    assert f"Error: {summary}" in plane.text
    assert plane.plan is None


async def test_a_variable_that_is_not_declared_fails_the_plan_by_its_name(make_batch: Make) -> None:
    code = 'variable "size" { default = 1 }\nresource "terraform_data" "a" { input = var.size }\n'
    plane = MemoryPlane({"main.tf": code, "more.tf.json": '{"variable": {"other": {"default": 1}}}'})
    assert (await make_batch(plane, variables={"size": 2, "other": 3}).plan()).status == "planned"
    plane.plan = None
    outcome = await make_batch(plane, variables={"size": 2, "sise": 3, "none": SECRET}).plan()
    assert (outcome.status, outcome.cause, outcome.errors, plane.plan) == ("failed", "VARIABLE_UNKNOWN", (), None)
    assert "the variables none, sise. It declares: other, size." in outcome.reason
    assert outcome.reason in plane.text


async def test_variables_without_a_value_are_named(make_batch: Make) -> None:
    plane = MemoryPlane({"main.tf": 'variable "size" {}\nvariable "place" {\n  type = string\n}\n'})
    outcome = await make_batch(plane).plan()
    assert (outcome.status, outcome.cause) == ("failed", "VARIABLES_MISSING")
    assert "the variables place, size, " in outcome.reason
    assert {(error.file, error.line) for error in outcome.errors} == {("main.tf", 1), ("main.tf", 2)}


async def test_a_tree_that_is_refused(make_batch: Make) -> None:
    plane = MemoryPlane({"main.tf": HELLO, "zzzzz_override.tf": 'terraform {\n  backend "local" {}\n}\n'})
    outcome = await make_batch(plane).plan()
    assert (outcome.status, outcome.errors) == ("failed", ())
    assert "zzzzz_override.tf would override the backend" in outcome.reason
    assert outcome.reason in plane.text


async def test_a_cloud_block_and_a_lying_state_do_not_matter(make_batch: Make) -> None:
    code = 'terraform {\n  cloud {\n    organization = "x"\n    workspaces {\n      name = "y"\n    }\n  }\n}\n'
    plane = MemoryPlane({"main.tf": code + 'resource "terraform_data" "a" {}\n', "terraform.tfstate": "{}"})
    assert (await make_batch(plane).plan()).status == "planned"
    assert (await make_batch(plane).apply()).status == "applied"
    assert len(in_state(plane.state)) == 1


async def test_outages_delay_and_lose_nothing(make_batch: Make) -> None:
    plane = MemoryPlane({"main.tf": HELLO}, away=2)
    assert (
        await replace(make_batch(plane, variables={"token": SECRET}), clock=QuickClock()).plan()
    ).status == "planned"
    plane.away = 5
    assert (await replace(make_batch(plane), clock=QuickClock()).apply()).status == "applied"
    assert len(in_state(plane.state)) == 2
    assert "Apply complete!" in plane.text


async def test_a_refused_state_is_said_and_kept_here(make_batch: Make) -> None:
    plane = MemoryPlane({"main.tf": HELLO})
    await make_batch(plane, variables={"token": SECRET}).plan()
    plane.refuse_state = True
    batch = make_batch(plane)
    outcome = await batch.apply()
    assert (outcome.status, outcome.state_refused) == ("applied", True)
    await make_batch(plane, variables={"token": SECRET}).plan()
    assert list(batch.place.state.parent.glob("unsent-*.tfstate"))


@pytest.mark.parametrize("also_errored", [False, True])
async def test_a_state_that_cannot_be_written_is_found_where_terraform_left_it(
    make_batch: Make, also_errored: bool
) -> None:
    batch = make_batch(MemoryPlane({}))
    paths = f"{batch.place.state} {'errored.tfstate' if also_errored else ''}"
    code = f"""
    resource "terraform_data" "r" {{
      provisioner "local-exec" {{
        command = "mkdir {paths}"
      }}
    }}
    """
    plane = MemoryPlane({"main.tf": code})
    await make_batch(plane).plan()
    outcome = await make_batch(plane).apply()
    assert (outcome.status, outcome.rc) == ("failed", 1)
    kept = plane.dumps[-1].document if also_errored else plane.state
    assert len(in_state(kept)) == 1
    assert (plane.state is None) == also_errored
    assert (await make_batch(plane, plan_key="run-2/1/b1").plan()).status == "planned"


async def test_the_grant_reaches_terraform_and_not_the_log(make_batch: Make) -> None:
    code = 'resource "terraform_data" "a" {\n  provisioner "local-exec" {\n    command = "echo with $GRANTED"\n  }\n}\n'
    plane = MemoryPlane({"main.tf": code}, grant=Grant({"GRANTED": "granted-key"}, ("granted-key",)))
    await make_batch(plane).plan()
    assert (await make_batch(plane).apply()).status == "applied"
    assert "with (sensitive)" in plane.text


async def test_too_little_room_is_said_before_the_apply(make_batch: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    plane = MemoryPlane({"main.tf": HELLO})
    await make_batch(plane, variables={"token": SECRET}).plan()
    monkeypatch.setattr(limits, "DISK_RESERVE", 1 << 60)
    outcome = await make_batch(plane).apply()
    assert (outcome.status, plane.nonces) == ("failed", [])
    assert "bytes are free" in outcome.reason


@pytest.mark.parametrize("renewal", [Renewal(cancel=True), Renewal(cancel=True, force=True)])
async def test_cancel_during_an_apply_keeps_the_state(make_batch: Make, tmp_path: Path, renewal: Renewal) -> None:
    made = tmp_path / "ledger"
    plane = MemoryPlane({"main.tf": ledger(made, wait=1)}, renewal=renewal)
    await make_batch(plane, parallelism=2).plan()
    running = asyncio.create_task(make_batch(plane, parallelism=2).apply())
    await until(lambda: entries(made, "begin"))
    plane.news.set()
    outcome = await running
    assert outcome.status == "cancelled"
    assert in_state(plane.state) == entries(made, "end")
    begun = {f'terraform_data.r["{key}"]' for key in set(entries(made, "begin")) - set(entries(made, "end"))}
    # a kill may fall between a provisioner's end and Terraform's word on it: such a resource is named too
    assert begun <= set(outcome.suspects) if renewal.force else not outcome.suspects
    if renewal.force:
        assert "may exist without being in the state" in plane.text


async def test_cancel_before_anything_runs(make_batch: Make) -> None:
    plane = MemoryPlane({"main.tf": ledger(Path("/nonexistent"))}, renewal=Renewal(cancel=True))
    await make_batch(plane).plan()
    plane.news.set()
    outcome = await make_batch(plane).apply()
    assert (outcome.status, plane.nonces) == ("cancelled", [])


RUNNER = """
import asyncio, sys
from pathlib import Path
from fakes.control_plane import MemoryPlane
from stackly_worker.runner.batch import Batch
from stackly_worker.runner.batch_spec import BatchSpec
from stackly_worker.runner.place import Place
from stackly_worker.runner.ports import PlanResult
from stackly_worker.runner.terraform import find_engine
folder, place, bundle, code = map(Path, sys.argv[1:])
plan = PlanResult(b"", bundle.read_bytes(), "", "", None)
plane = MemoryPlane({"main.tf": code.read_text()}, plan=plan)
spec = BatchSpec(plan_key="run-1/1/b1", root=".", source_digest="s", hash_key=b"k", parallelism=2)
asyncio.run(Batch(spec, Place(place), folder, find_engine(), plane).apply())
"""


@pytest.mark.parametrize("also_terraform", [False, True])
async def test_a_dead_runner_leaves_everything_to_whoever_comes_back(
    make_batch: Make, tmp_path: Path, also_terraform: bool
) -> None:
    made, bundle, code = tmp_path / "ledger", tmp_path / "bundle", tmp_path / "code.tf"
    code.write_text(ledger(made, wait=0.5))
    plane = MemoryPlane({"main.tf": code.read_text()})
    batch = make_batch(plane, parallelism=2)
    await batch.plan()
    assert plane.plan is not None
    bundle.write_bytes(plane.plan.bundle)
    folder = tmp_path / "killed"
    arguments = [sys.executable, "-c", RUNNER, *map(str, (folder, batch.place.folder, bundle, code))]
    path = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    runner = await asyncio.create_subprocess_exec(*arguments, env=path)
    await until(lambda: entries(made, "end") and len(entries(made, "begin")) > len(entries(made, "end")))
    runner.kill()
    await runner.wait()
    remains = recovery.read(folder, batch.place)
    assert (remains.started, remains.begun, remains.rc) == (True, True, None)
    assert remains.pid is not None
    if also_terraform:
        os.kill(remains.pid, signal.SIGKILL)
    remains = await recovery.settled(folder, batch.place)
    assert (remains.pid, remains.rc) == (None, 137 if also_terraform else 0)
    # None: Terraform was killed in its first write, and the runner before it saw a whole version.
    there = set(in_state(remains.state.document if remains.state else None))
    unknown = {f'terraform_data.r["{key}"]' for key in set(entries(made, "begin")) - there}
    # An object may be in the state while its provisioner still ran: then it is a suspect too. One whose provisioner had
    # not begun yet when Terraform was killed is in no ledger, only in Terraform's own words.
    assert unknown <= set(remains.suspects) <= started(folder)
    if not also_terraform:
        assert (sorted(there), remains.suspects) == (["0", "1", "2", "3", "4", "5"], {})


def test_a_bundle_comes_back_and_an_altered_one_does_not() -> None:
    for lock in (None, b"", b"lock\n"):
        bundle = PlanBundle(b"plan\nbytes", lock, ("a", "ü"))
        assert PlanBundle.unpack(bundle.pack()) == bundle
    with pytest.raises(ValueError, match="altered"):
        PlanBundle.unpack(PlanBundle(b"plan", b"lock").pack()[:-1])
    with pytest.raises(ValueError, match="no plan bundle"):
        PlanBundle.unpack(b"")


def test_the_runner_imports_nothing_heavy() -> None:
    heavy = "{'pydantic', 'temporalio', 'google.protobuf', 'grpc', 'cryptography', 'pygit2'}"
    code = f"import sys, stackly_worker.runner.batch, stackly_worker.runner.recovery; print({heavy} & set(sys.modules))"
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": path}
    )
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("root", [".", "a/b"])
async def test_a_plan_of_one_machine_applied_on_another_writes_the_state_there(
    make_batch: Make, tmp_path: Path, root: str
) -> None:
    """A saved plan holds its backend: a path that means the other machine's folder would lose the state."""
    plane = MemoryPlane({str(Path(root) / "main.tf"): 'resource "terraform_data" "one" {}\n'})
    assert (await make_batch(plane, place="here", root=root).plan()).status == "planned"
    there = make_batch(plane, place="there", root=root)
    assert (await there.apply()).status == "applied"
    assert [resource["name"] for resource in json.loads(plane.state or b"{}")["resources"]] == ["one"]
    assert not list((tmp_path / "here" / "state").glob("*.tfstate"))


async def test_another_place_need_not_initialize_the_same_code(make_batch: Make, tmp_path: Path) -> None:
    files = {"main.tf": MODULES, "inner/main.tf": 'output "word" {\n  value = "w"\n}\n'}
    shelf, told = Shelf(tmp_path / "shelf"), "Initialized before"
    more: tuple[dict[str, str], ...] = (
        {},
        {"inner/main.tf": 'output "word" {\n  value = "v"\n}\n'},
        {"other.tf": 'module "m" {\n  source = "./inner"\n}\n'},
    )
    planes = [MemoryPlane({**files, **one}) for one in more]
    for plane, place, commit in zip(planes, ("one", "two", "three"), ("s", "t", "u"), strict=True):
        ended = await replace(make_batch(plane, place, source_digest=commit), shelf=shelf).plan()
        assert (ended.status, ended.counts["add"]) == ("planned", 1), plane.text
    assert [told in plane.text for plane in planes] == [False, True, False]
    applied = await replace(make_batch(planes[1], "two"), shelf=shelf).apply()
    assert applied.status == "applied", planes[1].text
    elsewhere = await replace(make_batch(planes[1], "four"), shelf=shelf).plan()  # with the state of the second
    assert (elsewhere.status, elsewhere.counts["add"]) == ("planned", 0), planes[1].text
