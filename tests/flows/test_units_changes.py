"""A stack cut into units as its code is moved, renamed, removed, counted: each thing made and destroyed once, nothing left over."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.job import ENOUGH, Job
from flows.repository import git
from flows.unit_changes import HEAD, MODULE, Changing, call, ran, reasons
from provider.cloud import Cloud
from provider.serving import REQUIRED, reattached
from waiting import eventually

pytestmark = pytest.mark.flows


def code(*parts: str, **files: str) -> dict[str, str]:
    return {"main.tf": HEAD + "".join(parts), "m/main.tf": MODULE} | {
        name.replace("__", "."): text for name, text in files.items()
    }


def many(count: int) -> str:
    return call("many", f"count = {count}", makes='"many${count.index}"')


async def test_moved_renamed_removed_imported_counted(job: Job) -> None:
    stack = Changing.of(job, "changes")
    loose = 'resource "terraform_data" "loose" {\n  input = "kept"\n}\n'
    first = code(
        call("a"), call("b", "needs = module.a.name"), call("old"), call("reader", "needs = module.old.name"),
        many(2), loose, 'output "b" {\n  value = module.b.name\n}\n',
    )  # fmt: skip
    await stack.applied(first)
    assert stack.since() == ["+a", "+b", "+many0", "+many1", "+old", "+reader"]
    kept = (await stack.resources())["terraform_data.loose"][0]["attributes"]["id"]
    moved = (
        "moved {\n  from = module.a\n  to   = module.z\n}\n"
        "moved {\n  from = terraform_data.loose\n  to   = module.box.terraform_data.inner\n}\n"
        'import {\n  to = terraform_data.adopted\n  id = "was-there"\n}\nresource "terraform_data" "adopted" {}\n'
        'module "box" {\n  source = "./box"\n}\n'
        "removed {\n  from = module.old.terraform_data.it\n  lifecycle {\n    destroy = true\n  }\n"
        '  provisioner "local-exec" {\n    when    = destroy\n'
        '    command = "echo -${self.input.name} >> ${self.input.ledger}"\n  }\n}\n'
    )
    second = code(
        call("z", makes='"a"'), call("b", "needs = module.z.name"), call("reader"), many(4), moved,
        'output "b" {\n  value = module.b.name\n}\n',
    ) | {"box/main.tf": 'resource "terraform_data" "inner" {\n  input = "kept"\n}\n'}  # fmt: skip
    plan = await stack.applied(second)
    assert stack.since() == ["+many2", "+many3", "-old"]
    assert {"module.z", "module.box", "module.many", "module.reader", "removed", "root.terraform_data.adopted"} <= ran(
        plan
    )
    found = await stack.resources()
    assert found.keys() == {
        "module.z.terraform_data.it", "module.b.terraform_data.it", "module.reader.terraform_data.it",
        "module.box.terraform_data.inner", "terraform_data.adopted", *(f"module.many[{at}].terraform_data.it" for at in range(4)),
    }  # fmt: skip
    assert found["module.box.terraform_data.inner"][0]["attributes"]["id"] == kept
    assert found["terraform_data.adopted"][0]["attributes"]["id"] == "was-there"
    third = code(
        call("z", makes='"a"'), call("b", "needs = module.z.name", 'word = "2"'), call("reader"), many(1),
        'output "b" {\n  value = module.b.name\n}\n',
    )  # fmt: skip
    plan = await stack.applied(third)
    assert stack.since() == ["+b", "-b", "-many1", "-many2", "-many3"]
    assert not any(reason.startswith(("code", "moved")) for reason in reasons(plan, "module.z")), (
        "what was moved is done"
    )
    assert (await stack.resources()).keys() == {
        *(f"module.{name}.terraform_data.it" for name in ("z", "b", "reader", "many[0]"))
    }


async def test_what_cannot_be_cut_runs_whole_with_its_reason_and_is_cut_again(job: Job) -> None:
    stack = Changing.of(job, "whole")
    plain = code(call("a"), call("b", "needs = module.a.name"))
    await stack.applied(plain)
    assert stack.since() == ["+a", "+b"]
    json_file = json.dumps({"resource": {"terraform_data": {"j": {"input": "json"}}}})
    override = 'module "a" {\n  word = "2"\n}\n'
    plan = await stack.applied({**plain, "more.tf.json": json_file, "main_override.tf": override})
    assert not plan.units
    assert {reason.partition(":")[0] for reason in plan.whole_reasons} == {"json-files", "override-files"}
    assert any("main_override.tf" in reason for reason in plan.whole_reasons)
    assert any("more.tf.json" in reason for reason in plan.whole_reasons)
    assert stack.since() == ["+a", "-a"]
    plan = await stack.applied(
        {**plain, "main.tf": plain["main.tf"].replace('"a"\n  ledger', '"a"\n  word = "2"\n  ledger')}
    )
    assert {"module.a", "module.b", "removed"} <= ran(plan)
    assert stack.since() == []
    assert "terraform_data.j" not in await stack.resources()


async def test_a_failure_in_the_middle_taints_and_the_next_run_goes_on(job: Job) -> None:
    """An ephemeral value goes from module to module on the way: they are one unit."""
    stack = Changing.of(job, "failing")
    token = 'variable "token" {\n  default   = "a-token"\n  ephemeral = true\n}\n'
    files = code(
        call("first"), call("bad", "needs = module.first.name"), call("last", "needs = module.bad.name"), call("apart"),
        token, 'module "vault" {\n  source = "./vault"\n  token  = var.token\n}\n',
        'module "user" {\n  source = "./user"\n  token  = module.vault.token\n  ledger = var.ledger\n}\n',
    ) | {
        "vault/main.tf": 'variable "token" { ephemeral = true }\n'
        'output "token" {\n  value     = "${var.token}!"\n  ephemeral = true\n}\n',
        "user/main.tf": 'variable "token" { ephemeral = true }\nvariable "ledger" {}\nresource "terraform_data" "x" {\n'
        '  provisioner "local-exec" {\n    environment = { TOKEN = var.token }\n'
        '    command     = "echo +$TOKEN >> ${var.ledger}"\n  }\n}\n',
    }  # fmt: skip
    marker = Path(f"{stack.ledger}.fail.bad")
    await asyncio.to_thread(marker.touch)
    run = await job.confirmed(await stack.pushed(files))
    await job.ended(run)
    assert run.status.name == "FAILED"
    assert run.error is not None
    assert "main.tf" in run.error.message
    assert stack.since() == ["+a-token!", "+apart", "+bad", "+first"]
    bad = (await stack.resources())["module.bad.terraform_data.it"]
    assert [one.get("status") for one in bad] == ["tainted"]
    await asyncio.to_thread(marker.unlink)
    again = await (await job.owner.stacks.get(stack.stack)).deploy()
    await job.applied(await job.confirmed(again))
    plan = await again.plan
    assert stack.since() == ["+bad", "+last"]
    assert ran(plan) >= {"module.bad", "module.last"}
    assert reasons(plan, "module.bad")[0] == "state: module.bad.terraform_data.it is tainted"
    await stack.settled(files)


async def test_a_provider_that_a_module_configures(job: Job) -> None:
    """Its block reads an output: who uses it runs when that changes, with the new one, and is told why."""
    zone, cloud = job.platform.name("cloud"), Cloud(job.folder / "cloud.db")
    requires = f'  requires {{\n    labels = {{ zone = "{zone}" }}\n  }}'
    thing = 'variable "name" {}\nresource "testcloud_thing" "t" {\n  name = var.name\n}\n'
    base = 'variable "account" {}\nresource "terraform_data" "x" { input = var.account }\n'
    module = 'module "{0}" {{\n  source = "./thing"\n  name   = "{0}"\n}}\n'

    def files(account: str, *names: str) -> dict[str, str]:
        provider = 'provider "testcloud" {\n  caller = module.base.account\n}\n'
        called = f'module "base" {{\n  source  = "./base"\n  account = "{account}"\n}}\n'
        parts = (REQUIRED, provider, called, call("apart"), *(module.format(name) for name in names))
        return code(*parts) | {
            "thing/main.tf": REQUIRED + thing,
            "base/main.tf": base + 'output "account" { value = terraform_data.x.output }\n',
        }

    with reattached(cloud) as environment:
        worker = await job.platform.join(job.owner, environment, LABELS=f'{{"zone": "{zone}"}}')
        try:
            stack = Changing.of(job, "fed", requires, **environment)
            await stack.applied(files("first", "one", "two"))
            assert sorted((done.name, done.caller) for done in cloud.ledger if done.operation == "create") == [
                ("one", "first"), ("two", "first"),
            ]  # fmt: skip
            plan = await stack.applied(files("second", "one", "three"))
            assert "input: module.base.account" in reasons(plan, "module.one")
            made = [
                (done.operation, done.name, done.caller)
                for done in cloud.ledger
                if done.operation in {"create", "delete"}
            ]
            assert sorted(made[2:]) == [("create", "three", "second"), ("delete", "two", "second")]
            assert stack.since() == ["+apart"]
        finally:
            await job.platform.leave(worker)


async def test_code_that_is_wrong_is_told_with_its_own_file_and_line(job: Job) -> None:
    """By Terraform, whether the root is cut or not; the state stays as it was, and the next good push goes on."""
    stack = Changing.of(job, "wrong")
    good = code(call("a"), call("b", "needs = module.a.name"))
    await stack.applied(good)
    text = good["main.tf"]
    for wrong, summary, line in (
        (text.replace("module.a.name", "module.a.name.nope"), "Unsupported attribute", 11),
        (text.replace("module.a.name", "module.a.nope"), "Unsupported attribute", 11),
        (text.replace("ledger\n}", "ledger\n  needs = module.b.name\n}", 1), "Cycle: ", 0),
        (text.replace('"./m"', f'"git::file://{job.folder}/none?ref=v1"', 1), "Failed to download module", 2),
    ):
        run = await stack.pushed({**good, "main.tf": wrong})
        await job.ended(run)
        assert run.error is not None, wrong
        told = run.error.terraform_errors[0]
        assert (told.summary[: len(summary)], told.line) == (summary, line), told
        assert told.path == ("main.tf" if line else "")
        log = "\n".join([each async for each in run.logs(follow=False)])
        assert "stackly_" not in log, log
    assert stack.since() == ["+a", "+b"]
    await stack.applied({**good, "main.tf": text + call("c")})
    assert stack.since() == ["+c"]


@dataclass(frozen=True)
class Branch:
    """A repository of a module whose branch moves."""

    folder: Path

    def publish(self, word: str) -> None:
        """Its branch is at a module that holds this."""
        if not self.folder.exists():
            self.folder.mkdir()
            git(self.folder, "init", "--quiet", "--initial-branch=main")
        text = f'resource "terraform_data" "it" {{\n  input = "{word}"\n}}\noutput "o" {{ value = terraform_data.it.output }}\n'
        (self.folder / "main.tf").write_text(text)
        git(self.folder, "add", "--all")
        git(self.folder, "commit", "--quiet", "--allow-empty", "--message", word)


async def test_a_branch_that_moves_changes_no_run_that_is_under_way(job: Job) -> None:
    """Planned, moved, overtaken by another run that takes the new one, planned again: still the module of its first plan."""
    stack, branch = Changing.of(job, "floating"), Branch(job.folder / "module")
    await asyncio.to_thread(branch.publish, "one")
    files = code(call("a"), f'module "m" {{\n  source = "git::file://{branch.folder}?ref=main"\n}}\n')
    run = await stack.pushed(files)
    await run.wait("waiting", ENOUGH)
    first = run.plan_digest
    await asyncio.to_thread(branch.publish, "two")
    other = await (await job.owner.stacks.get(stack.stack)).deploy(auto_apply=True)
    await job.applied(other)
    assert (await stack.resources())["module.m.terraform_data.it"][0]["attributes"]["input"]["value"] == "two"
    await run.approve()

    async def again() -> bool:
        return (await run.refresh()).plan_digest != first and run.status.name == "AWAITING_APPROVAL"

    await eventually(again, ENOUGH)
    await job.applied(await run.approve())
    assert (await stack.resources())["module.m.terraform_data.it"][0]["attributes"]["input"]["value"] == "one"
    await asyncio.to_thread(branch.publish, "one")
    await stack.settled(files)
    assert stack.since() == ["+a"]
