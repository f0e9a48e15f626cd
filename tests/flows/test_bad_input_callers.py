"""Callers who are not who they say, or not allowed: tokens, accounts, workers; and what the CLI says and exits with."""

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from fakes.authority import Authority
from flows.job import ENOUGH, Job
from flows.platform import Platform
from flows.refusals import refused, stackly
from flows.test_fencing import environment_of
from flows.ways.rest import Rest
from stackly_sdk import AsyncStackly

pytestmark = pytest.mark.flows


@dataclass(frozen=True)
class Answer:
    """What came back over REST."""

    code: int
    reason: str
    text: str
    json: Any


async def ask(rest: Rest, method: str, path: str, token: str | None = None, **body: object) -> Answer:
    """One call; with the owner's token unless another is given ("": none)."""
    headers = {} if token is None else {"authorization": f"Bearer {token}" if token else ""}
    answer = await rest._http.request(method, f"/v1/{path}", json=body or None, headers=headers)
    found = answer.json()
    refusal = answer.status_code != httpx.codes.OK
    return Answer(answer.status_code, found["details"][0]["reason"] if refusal else "", answer.text, found)


@pytest.fixture
async def rest(platform: Platform) -> AsyncIterator[Rest]:
    async with Rest(platform) as client:
        yield client


@pytest.fixture(scope="session")
async def rival(platform: Platform) -> AsyncIterator[AsyncStackly]:
    """The owner of another account."""
    key = platform.home / "secrets/rival-key"
    arguments = ("admin", "account", "create", "rival", "--owner", "mallory", "--api-key-file", str(key))
    environment = {"PATH": os.environ["PATH"]} | environment_of(platform.pid("serve"))
    made = await asyncio.create_subprocess_exec(sys.executable, "-m", "stackly_server", *arguments, env=environment)
    assert await made.wait() == 0
    async with AsyncStackly(
        endpoint=platform.url, api_key=key.read_text().strip(), ca_file=platform.ca, account="rival", timeout=60
    ) as client:
        yield client


async def test_tokens_that_are_not_good(rest: Rest) -> None:
    good = await rest.token()
    assert (await ask(rest, "GET", "auth:whoAmI", good)).code == 200
    head, claims, signature = good.split(".")
    forged = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').decode().rstrip("=")
    other = json.loads(base64.urlsafe_b64decode(claims + "==")) | {"exp": 4_000_000_000}
    longer = base64.urlsafe_b64encode(json.dumps(other).encode()).decode().rstrip("=")
    for token in (f"{head}.{longer}.{signature}", f"{forged}.{claims}.", f"{head}.{claims}.{signature[:-4]}AAAA", "x"):
        answer = await ask(rest, "GET", "auth:whoAmI", token)
        assert (answer.code, answer.reason) == (401, "TOKEN_INVALID"), answer
        assert claims not in answer.text
    assert (await ask(rest, "GET", "auth:whoAmI", "")).reason in {"TOKEN_MISSING", "TOKEN_INVALID"}


async def test_names_of_another_account_are_not_there(job: Job, rival: AsyncStackly) -> None:
    name = job.platform.name("mine")
    commit = await job.push({"code/stackly.hcl": f'stack "{name}" {{\n}}\n', "code/main.tf": ""})
    run = await job.run_of(name, commit)
    stack = await job.owner.stacks.get(name)
    await job.ended(run)
    before = (await run.refresh()).raw.etag
    for call in (
        rival.stacks.get(stack.name), rival.runs.get(run.name), rival.state(stack.name).lock(),
        rival.state(stack.name).export(), rival.codes.get(stack.raw.stack_code),
        rival.runs.api.cancel_run(name=run.name), rival.runs.api.approve_run(name=run.name, plan_digest="0" * 64),
    ):  # fmt: skip
        await refused(call, "NOT_FOUND")
    own = stack.name.replace("accounts/dev", "accounts/rival")
    await refused(rival.stacks.get(own), "NOT_FOUND")
    assert (await run.refresh()).raw.etag == before


async def test_a_request_id_is_good_for_one_request(job: Job, rest: Rest) -> None:
    name = job.platform.name("twice")
    commit = await job.push({"code/stackly.hcl": f'stack "{name}" {{\n}}\n', "code/main.tf": ""})
    await job.ended(await job.run_of(name, commit))
    path = f"accounts/dev/stackStates/{name}/runs"
    once = f"{path}?requestId={uuid4()}"
    plan = {"type": "RUN_TYPE_PLAN_ONLY", "message": "once"}
    first = await ask(rest, "POST", once, **plan)
    again = await ask(rest, "POST", once, **plan)
    assert (first.code, first.json["run"]["name"]) == (200, again.json["run"]["name"])
    other = await ask(rest, "POST", once, **plan | {"message": "other"})
    assert (other.code, other.reason) == (400, "REQUEST_ID_REUSED"), other.text
    assert len((await ask(rest, "GET", path)).json["runs"]) == 2


async def test_a_page_token_is_good_as_it_is_and_where_it_was_given(rest: Rest, rival: AsyncStackly) -> None:
    first = (await ask(rest, "GET", "accounts/dev/events?pageSize=1")).json["nextPageToken"]
    assert (await ask(rest, "GET", f"accounts/dev/events?pageSize=1&pageToken={first}")).code == 200
    turned = first[:-6] + ("A" if first[-6] != "A" else "B") + first[-5:]
    for path in (f"accounts/dev/events?pageSize=1&pageToken={turned}", f"accounts/dev/stackStates?pageToken={first}"):
        answer = await ask(rest, "GET", path)
        assert (answer.code, answer.reason) == (400, "PAGE_TOKEN_INVALID"), answer.text
    await refused(rival.events.api.list_events(parent="accounts/rival").page(first), "PAGE_TOKEN_INVALID")


async def worker(platform: Platform, join_file: str, **settings: str) -> tuple[int, str]:
    """Starts a worker that must give up: its exit code and what it said."""
    home = platform.home / platform.name("refused")
    home.mkdir()
    (home / "join.json").touch(mode=0o600)
    (home / "join.json").write_text(join_file)
    given = {"HOME": str(home), "JOIN_TOKEN_FILE": str(home / "join.json"), **settings}
    environment = {"PATH": os.environ["PATH"]} | {f"STACKLY_WORKER_{name}": text for name, text in given.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stackly_worker", "run", env=environment, cwd=home,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        said, _ = await asyncio.wait_for(process.communicate(), ENOUGH)
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode or 0, said.decode()


async def test_a_spent_join_token_lets_no_other_key_in(platform: Platform, owner: AsyncStackly) -> None:
    before = set(platform.home.glob("worker-*"))
    first = await platform.join(owner)
    (home,) = set(platform.home.glob("worker-*")) - before
    spent = (home / "join.json").read_text()
    workers = {each.name async for each in owner.workers.list()}
    code, said = await worker(platform, spent)
    assert code != 0
    assert "JOIN_TOKEN_INVALID" in said or "join token" in said.lower(), said
    assert json.loads(spent)["token"] not in said
    assert {each.name async for each in owner.workers.list()} == workers
    await platform.leave(first)


async def test_a_join_file_with_another_ca_joins_nowhere(platform: Platform, owner: AsyncStackly) -> None:
    good = json.loads((await owner.workers.create_token(ttl="10m")).join_file)
    code, said = await worker(platform, json.dumps(good | {"ca_pin": f"sha256:{'ab' * 32}"}))
    assert code != 0
    assert "pin" in said.lower() or "certificate" in said.lower() or "trust" in said.lower(), said


async def test_a_worker_whose_engine_lies_gets_no_work(platform: Platform, owner: AsyncStackly) -> None:
    liar = platform.home / "bin/terraform"
    liar.parent.mkdir(exist_ok=True)
    liar.write_text('#!/bin/sh\nif [ "$1" = version ]; then echo "Terraform v1.14.9"; else echo \'"42"\'; fi\n')
    liar.chmod(0o755)
    token = await owner.workers.create_token(ttl="10m")
    code, said = await worker(platform, token.join_file, ENGINES=json.dumps([str(liar)]))
    assert code != 0
    assert "terraform 1.14.9 does not compute" in said
    assert "the engines here were not proved" in said
    assert not [each async for each in owner.workers.list() if each.status.name == "ACTIVE" and "1.14.9" in str(each)]


async def test_the_cli_says_what_is_wrong_and_exits_with_its_code(
    platform: Platform, owner: AsyncStackly, tmp_path: Path
) -> None:
    unknown = await stackly(platform, "stacks", "show", "no-such-stack")
    assert (unknown.code, "NOT_FOUND" in unknown.words) == (1, True), unknown
    assert (await stackly(platform, "stacks", "nonsense")).code == 2
    key = await stackly(platform, "whoami", STACKLY_API_KEY="stk_forged")
    assert (key.code, "stk_forged" in key.words) == (1, False), key
    viewer = await platform.member(owner, "viewer")
    denied = await stackly(platform, "keys", "create", STACKLY_API_KEY=viewer)
    assert (denied.code, "permission" in denied.words) == (5, True), denied
    other = tmp_path / "ca.pem"
    other.write_bytes(Authority.make().root.public_bytes(Encoding.PEM))
    untrusted = await stackly(platform, "whoami", STACKLY_CA_FILE=str(other))
    assert (untrusted.code, "not trusted" in untrusted.words) == (1, True), untrusted
    nobody = await stackly(platform, "--timeout", "2", "whoami", STACKLY_ENDPOINT="https://localhost:1")
    assert (nobody.code, "does not answer" in nobody.words) == (1, True), nobody
    for each in (unknown, key, denied, untrusted, nobody):
        assert "Traceback" not in each.words + each.out


async def test_the_cli_tells_a_run_that_failed_and_one_that_needs_people(job: Job) -> None:
    name = job.platform.name("told")
    files = {"code/stackly.hcl": f'stack "{name}" {{\n}}\n', "code/main.tf": 'resource "terraform_data" "it" {}\n'}
    run = await job.run_of(name, await job.push(files))
    needs = await stackly(job.platform, "runs", "wait", run.name)
    assert (needs.code, "runs approve" in needs.words) == (4, True), needs
    stale = await stackly(job.platform, "runs", "approve", run.name, "--plan-digest", "0" * 64, "--yes")
    assert (stale.code, "PLAN_CHANGED" in stale.words, "plan show" in stale.words) == (1, True, True), stale
    rejected = await stackly(job.platform, "runs", "reject", run.name)
    assert rejected.code == 0, rejected
    denied = await stackly(job.platform, "runs", "wait", run.name)
    assert denied.code == 5, denied
    broken = await stackly(job.platform, "runs", "create", name, "--var", "sise=3", "--plan-only", "--follow")
    assert broken.code == 3, broken
    assert "The root module does not declare the variable sise" in broken.out + broken.words
