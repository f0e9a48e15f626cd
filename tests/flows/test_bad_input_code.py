"""Code that is wrong: stack files, Terraform files, variables. Each is said with its place, and nothing is lost."""

import pytest

from flows.job import ENOUGH, Job
from flows.refusals import refused
from stackly_sdk import AsyncRun
from waiting import eventually

pytestmark = pytest.mark.flows

GOOD = 'resource "terraform_data" "it" {}\n'


def tree(stack_file: str, code: str = GOOD) -> dict[str, str]:
    return {"code/stackly.hcl": stack_file, "code/main.tf": code}


async def failed(job: Job, code: str, more: str = "") -> AsyncRun:
    """A stack of this code, whose run must fail; its state and lock are as if it had never been."""
    name = job.platform.name("bad")
    run = await job.run_of(name, await job.push(tree(f'stack "{name}" {{\n{more}\n}}\n', code)))
    await job.ended(run)
    assert run.status.name == "FAILED", run
    stack = await job.owner.stacks.get(name)
    assert stack.raw.lock is None
    assert [each async for each in stack.state.versions()] == []
    return run


async def findings(job: Job, name: str, commit: str) -> list[str]:
    """Of the version of a commit: place, words and line of each blocking finding."""

    async def look() -> list[str] | None:
        async for code in job.owner.codes.list():
            async for version in job.owner.codes.versions(code.name):
                if version.commit == commit and version.findings:
                    return [
                        f"{each.path}:{each.line}:{each.column} {each.message}: {each.line_text}"
                        for each in version.findings
                        if each.blocking
                    ]
        return None

    return await eventually(look, ENOUGH)


@pytest.mark.parametrize(
    ("broken", "line", "words"),
    [
        ('stack "NAME" {\n  variables {\n', 3, ""),
        ('stack "NAME" {\n}\nnonsense {\n}\n', 3, "nonsense"),
        ('stack "NAME" {\n  auto_deploy = "perhaps"\n}\n', 2, "auto_deploy"),
        ('stack "NAME" {\n  labels = ' + "[" * 1000 + "]" * 1000 + "\n}\n", 2, ""),
    ],
    ids=["syntax", "unknown block", "wrong type", "2 KB of brackets"],
)
async def test_a_broken_stack_file_is_a_finding_with_its_line_and_the_last_good_one_stays(
    job: Job, broken: str, line: int, words: str
) -> None:
    name = job.platform.name("hcl")
    before = await job.push(tree(f'stack "{name}" {{\n}}\n'))
    await job.run_of(name, before)
    commit = await job.push(tree(broken.replace("NAME", name)))
    found = await findings(job, name, commit)
    assert any(f"stackly.hcl:{line}:" in each and words in each for each in found), found
    stack = await job.owner.stacks.get(name)
    assert stack.raw.desired_commit == before, "what was registered goes on with its last good commit"
    error = await refused(stack.deploy(commit), "CONFIG_INVALID", str(line))
    assert "stackly.hcl" in str(error)
    assert (await stack.deploy(before)).status.name == "QUEUED"


async def test_a_part_that_is_not_supported_yet_blocks_runs_and_says_so(job: Job) -> None:
    name = job.platform.name("part")
    commit = await job.push(tree(f'stack "{name}" {{\n  drift {{\n    schedule = "0 3 * * *"\n  }}\n}}\n'))
    found = await findings(job, name, commit)
    assert any("stackly.hcl:2:" in each and "drift" in each for each in found), found
    stack = await job.stack(name, commit)
    await refused(stack.deploy(), "CONFIG_INVALID", "drift", "2")
    assert [run async for run in stack.runs()] == []


async def test_a_push_without_any_stack_makes_nothing(job: Job) -> None:
    before = [stack.name async for stack in job.owner.stacks.list()]
    commit = await job.push({"README.md": "nothing to deploy\n"})
    name = job.platform.name("later")
    later = await job.push(tree(f'stack "{name}" {{\n}}\n'))
    await job.run_of(name, later)  # a repository's pushes are taken up in order: the first one is done
    assert [stack.id async for stack in job.owner.stacks.list() if stack.name not in before] == [name]
    assert [run async for run in job.owner.runs.list("-", commit=commit)] == []


async def test_a_syntax_error_of_terraform_is_told_in_its_own_words(job: Job) -> None:
    run = await failed(job, 'resource "terraform_data" "it" {\n  input = = 1\n}\n')
    assert run.error is not None
    (first, *_) = run.error.terraform_errors
    assert (run.error.reason, first.summary) == ("INIT_FAILED", "Invalid expression")
    assert (first.path, first.line) == ("main.tf", 2)
    assert "Invalid expression on main.tf line 2" in run.error.message


async def test_an_error_of_the_plan_is_told_in_its_own_words(job: Job) -> None:
    run = await failed(job, GOOD + '\noutput "it" {\n  value = terraform_data.other.id\n}\n')
    assert run.error is not None
    (first,) = run.error.terraform_errors
    assert (run.error.reason, first.summary) == ("PLAN_FAILED", "Reference to undeclared resource")
    assert (first.path, first.line) == ("main.tf", 4)
    assert "terraform_data" in first.detail
    log = "\n".join([line async for line in run.logs(follow=False)])
    assert "Error: Reference to undeclared resource" in log


async def test_a_variable_that_the_module_does_not_declare(job: Job) -> None:
    declared = 'variable "size" {\n  default = 1\n}\n'
    run = await failed(job, GOOD + declared, "  variables {\n    sise = 3\n  }")
    assert run.error is not None
    assert run.error.reason == "VARIABLE_UNKNOWN"
    assert "variable sise" in run.error.message
    assert "It declares: size." in run.error.message
    stack = await job.owner.stacks.get(run.stack_id)
    again = await stack.plan(variables={"other": True})
    await job.ended(again)
    assert again.error is not None
    assert "the variables other, sise" in again.error.message


async def test_a_variable_without_a_value(job: Job) -> None:
    run = await failed(job, GOOD + 'variable "size" {\n  type = number\n}\n')
    assert run.error is not None
    assert (run.error.reason, run.error.terraform_errors[0].line) == ("VARIABLES_MISSING", 2)
    assert "variable size" in run.error.message
    stack = await job.owner.stacks.get(run.stack_id)
    again = await stack.deploy(variables={"size": 3}, auto_apply=True)
    await job.applied(again)


async def test_a_variable_of_a_wrong_type(job: Job) -> None:
    run = await failed(job, GOOD + 'variable "size" {\n  type = number\n}\n', '  variables {\n    size = "large"\n  }')
    assert run.error is not None
    assert run.error.reason == "PLAN_FAILED"
    assert "Invalid value for input variable" in run.error.message
    assert "var.size declared at main.tf:2" in run.error.terraform_errors[0].detail
    assert run.error.terraform_errors[0].path == "variables.tfvars.json", "no path of the worker's machine"


async def test_a_commit_and_a_stack_that_nobody_knows(job: Job) -> None:
    name = job.platform.name("known")
    await job.run_of(name, await job.push(tree(f'stack "{name}" {{\n}}\n')))
    stack = await job.owner.stacks.get(name)
    await refused(stack.deploy("0" * 40), "REF_NOT_FOUND", "0000000", name)
    await refused(job.owner.stacks.get(f"{name}-none"), "NOT_FOUND", f"{name}-none")
    assert len([run async for run in stack.runs()]) == 1
