"""The main job, a push that becomes applied infrastructure, by every client; and one run as all of them see it."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.job import ENOUGH, Job
from flows.ledger import planned
from flows.platform import Platform
from flows.ways.command_line import CommandLine
from flows.ways.reflection import Reflection
from flows.ways.rest import Rest
from flows.ways.sdk import AsyncSdk, BlockingSdk
from flows.ways.way import Way
from terraform_cli import Terraform
from waiting import eventually

pytestmark = pytest.mark.flows

HELLO = Path(__file__).parents[2] / "examples/hello"
WAYS: tuple[Callable[[Platform], Any], ...] = (CommandLine, BlockingSdk, AsyncSdk, Rest, Reflection)
OUTPUTS = {"door": "A door that says: Hello, world!", "text": "Hello, world!"}
EXEMPT: dict[str, str] = {}
"""Fields that two clients of one caller may see differently, with the reason. None: even `actions` is the caller's."""


def example(stack: str) -> dict[str, str]:
    """`examples/hello` under a name of its own; its stack state is `STACK-dev`."""
    files = {f"hello/{path.relative_to(HELLO)}": path.read_text() for path in HELLO.rglob("*") if path.is_file()}
    text = files["hello/stackly.hcl"]
    assert text.count('stack "hello"') == 1
    return files | {"hello/stackly.hcl": text.replace('stack "hello"', f'stack "{stack}"')}


async def main_job(job: Job, way: Way) -> tuple[str, str]:
    """From the push to the outputs by one client; gives the stack state and the run by name."""
    name = job.platform.name("hello")
    stack = f"accounts/dev/stackStates/{name}-dev"
    commit = await job.push(example(name))

    async def registered() -> bool:
        return await way.desired_commit(stack) == commit

    await eventually(registered, ENOUGH)
    (run,) = await eventually(lambda: way.runs_of(stack, commit), ENOUGH)
    log = asyncio.create_task(way.log(run))
    await way.approve(run, await way.planned(run))
    await way.applied(run)
    assert await way.outputs(stack) == OUTPUTS
    text = await asyncio.wait_for(log, ENOUGH)
    assert text.index("Plan: 2 to add, 0 to change, 0 to destroy.") < text.index("Apply complete! Resources: 2 added")
    return stack, run


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_push_to_outputs(platform: Platform, job: Job, way: Callable[[Platform], Any], tmp_path: Path) -> None:
    async with way(platform) as client:
        stack, _ = await main_job(job, client)
    plain = tmp_path / "plain"
    shutil.copytree(HELLO, plain)
    (plain / "terraform.tfvars.json").write_text('{"who": "world"}')
    (plain / "terraform.tfstate").write_bytes(await job.state(stack))
    assert "No changes." in await asyncio.to_thread(planned, Terraform(plain))


async def test_every_client_reads_the_same_run(platform: Platform, job: Job) -> None:
    async with AsyncSdk(platform) as client:
        _, run = await main_job(job, client)
    seen = {}
    for way in WAYS:
        async with way(platform) as client:
            seen[way.__name__] = {key: value for key, value in (await client.read(run)).items() if key not in EXEMPT}
    first = seen["Rest"]
    assert all(found == first for found in seen.values()), seen
    assert first["etag"]
    assert (first["status"], first["outcome"]) == ("RUN_STATUS_APPLIED", "RUN_OUTCOME_SUCCEEDED")
    assert [each["comment"] for each in first["approvals"]] == ["by the SDK"]
    # of a first run that went well
    unset = {"waitingOn", "error", "variables", "suspects", "fromCommit", "leftUnits", "leftCount"}
    assert not [key for key, value in first.items() if not value and key not in unset | {"autoApply"}]


async def test_another_caller_sees_the_same_run(platform: Platform, job: Job) -> None:
    """What a caller may do with a run is the one thing that depends on the caller; of an ended run, nothing is left."""
    async with AsyncSdk(platform) as client:
        _, run = await main_job(job, client)
        key = await platform.member(job.owner, "viewer")
        async with AsyncSdk(platform, key) as viewer:
            assert await viewer.read(run) == await client.read(run)


async def test_grpcurl(platform: Platform) -> None:
    """The program itself, where it is installed."""
    if not (program := shutil.which("grpcurl")):
        pytest.skip("grpcurl is not on PATH; the reflection client of the tests above stands for it")
    async with Rest(platform) as rest:
        token = await rest.token()
    arguments = ("-cacert", str(platform.ca), "-H", f"authorization: Bearer {token}", platform.target)
    process = await asyncio.create_subprocess_exec(
        program, *arguments, "stackly.v1.AuthService/WhoAmI", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert b"accounts/dev/members/dev" in out
