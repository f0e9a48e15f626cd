"""Deliveries that are forged, altered, replayed or swapped: refused with a reason, and nothing is kept of them."""

import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest

from flows.haystacks import connected
from flows.job import Job

pytestmark = pytest.mark.flows

ZEROS = "0" * 40


@dataclass
class Sender:
    """Sends deliveries to a repository of its own, as GitHub does."""

    job: Job
    http: httpx.AsyncClient
    settings: dict[str, str]
    last: dict[str, str] = field(default_factory=dict)

    def body(self, commit: str, **more: object) -> bytes:
        repository = {"id": self.settings["repository_id"], "full_name": self.settings["full_name"]}
        push = {"ref": "refs/heads/main", "before": ZEROS, "after": commit, "repository": repository}
        return json.dumps(push | more).encode()

    async def send(
        self, body: bytes, headers: Mapping[str, str] | None = None, *, signed: bytes | None = None, secret: str = ""
    ) -> Any:
        """(HTTP status, reason). `signed`: what the signature is made of, if not of the body."""
        key = secret or self.settings["secret"]
        signature = hmac.new(key.encode(), body if signed is None else signed, hashlib.sha256).hexdigest()
        self.last = {
            "content-type": "application/json",
            "x-github-event": "push",
            "x-github-delivery": str(uuid4()),
            "x-hub-signature-256": f"sha256={signature}",
        } | dict(headers or {})
        answer = await self.http.post(self.settings["url"], content=body, headers=self.last)
        found = answer.json()["details"][0]["reason"] if answer.status_code >= httpx.codes.BAD_REQUEST else ""
        return answer.status_code, found

    def kept(self) -> int:
        """Deliveries that the server has of the last delivery's id."""
        with connected(self.job.platform) as conn:
            asked = "SELECT count(*) FROM inbox WHERE delivery_id = %s"
            (count,) = conn.execute(asked, (self.last["x-github-delivery"],)).fetchone() or (0,)
        return int(count)


@pytest.fixture
async def sender(job: Job) -> AsyncIterator[Sender]:
    settings = json.loads(job.repository.settings_file.read_text())
    trust = ssl.create_default_context(cafile=settings["ca_file"])
    async with httpx.AsyncClient(verify=trust, trust_env=False) as http:
        yield Sender(job, http, settings)


async def test_only_a_signature_of_the_very_bytes_is_let_in(sender: Sender) -> None:
    commit = await sender.job.push({"README.md": "x"})
    body = sender.body(commit)
    code, _ = await sender.send(body)
    assert (code, sender.kept()) == (200, 1), "with the right signature it is taken"
    wrong = (401, "SIGNATURE_INVALID")
    for headers in (
        {"x-hub-signature-256": ""},
        {"x-hub-signature-256": "sha256="},
        {"x-hub-signature-256": "sha1=aa"},
    ):
        assert await sender.send(body, headers) == wrong
        assert sender.kept() == 0
    for signed, secret in (
        (body + b" ", ""),
        (json.dumps(json.loads(body), indent=1).encode(), ""),
        (body, "guessed"),
        (b"", ""),
    ):
        assert await sender.send(body, signed=signed, secret=secret) == wrong
        assert sender.kept() == 0
    cut = {"x-hub-signature-256": sender.last["x-hub-signature-256"][:-2]}
    assert await sender.send(body, cut) == wrong
    unknown = json.loads(body) | {"repository": {"id": "999999999"}}
    assert await sender.send(json.dumps(unknown).encode()) == wrong, (
        "an unknown repository is told as a wrong signature"
    )
    assert sender.kept() == 0


async def test_a_replay_changes_nothing_and_a_swapped_body_is_refused(sender: Sender) -> None:
    name = sender.job.platform.name("replay")
    commit = await sender.job.push({"code/stackly.hcl": f'stack "{name}" {{\n}}\n', "code/main.tf": ""})
    await sender.job.run_of(name, commit)
    body, delivery = sender.body(commit), {"x-github-delivery": str(uuid4())}
    for _ in range(5):
        assert (await sender.send(body, delivery))[0] == 200
        assert sender.kept() == 1
    swapped = sender.body("1" * 40)
    assert await sender.send(swapped, delivery) == (409, "DELIVERY_CHANGED")
    assert sender.kept() == 1
    stack = await sender.job.owner.stacks.get(name)
    assert stack.raw.desired_commit == commit


async def test_what_is_signed_and_no_push_is_refused(sender: Sender) -> None:
    commit = await sender.job.push({"README.md": "x"})
    for body in (b"", b"[]", b"{", sender.body(commit, after="HEAD"), sender.body(commit, ref="main"), b"[" * 2000):
        code, _ = await sender.send(body)
        assert code in {400, 401}, body
        assert sender.kept() == 0
    code, reason = await sender.send(sender.body(commit), {"x-github-delivery": "../../etc"})
    assert (code, reason) == (400, "VALIDATION_FAILED")
