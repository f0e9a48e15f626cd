"""A connected repository, and deliveries to it: the git and stacks rooms on real parts, with recorded runs.

A conftest makes the fixture its own by `from pushing import world`.
"""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from git_repos import Repo
from stackly_server.access import Subject
from stackly_server.accounts.model import Repository
from stackly_server.accounts.repositories import NewRepository, Repositories
from stackly_server.git.asking import CodeRequests
from stackly_server.git.follow import Follower
from stackly_server.git.push import ChangeAt, Handled, PushRef, Scan
from stackly_server.git.service import GitService, Receipt
from stackly_server.git.sources import Sources
from stackly_server.hcl.reader import HclReader
from stackly_server.outside.blobs import DirectoryBlobs
from stackly_server.stacks.model import StackCode
from stackly_server.stacks.registry import Registry
from stackly_server.stacks.service import ShownState, StackService
from stackly_server.states.service import StateService

if TYPE_CHECKING:
    from api import Tenant
    from stackly_server.app import Ground

ZEROS = "0" * 40
EXTERNAL_ID = "4711"
STACK = b'stack "hello" {\n  variables {\n    environment = "dev"\n  }\n}\n'
MODULE = b'resource "terraform_data" "it" {}\n'


@dataclass
class RecordedRuns:
    """Stands for the runs room: notes what is asked for; the same delivery asks once."""

    asked: dict[tuple[UUID, str, str], bool] = field(default_factory=dict)

    async def create_for_push(
        self, account_id: UUID, account: str, stack_state_id: UUID, commit: str, delivery_id: str, *, auto_apply: bool
    ) -> str:
        self.asked[stack_state_id, delivery_id, commit] = auto_apply
        return f"accounts/{account}/stackStates/{stack_state_id}/runs/run-{len(self.asked)}"

    def take(self) -> list[tuple[UUID, str, bool]]:
        """(stack state, commit, auto_apply) of those asked for since the last look."""
        found = [(state, commit, auto) for (state, _, commit), auto in self.asked.items()]
        self.asked.clear()
        return found


@dataclass
class World:
    """The rooms around one connected repository."""

    ground: "Ground"
    dev: "Tenant"
    repo: Repo
    repository: Repository
    secret: str
    sources: Sources
    registry: Registry
    stacks: StackService
    states: StateService
    requests: CodeRequests
    git: GitService
    runs: RecordedRuns

    @property
    def subject(self) -> Subject:
        return self.dev.subject()

    @property
    def repository_name(self) -> str:
        return f"accounts/dev/repositories/{self.repository.slug}"

    def commit(self, files: Mapping[str, bytes | tuple[str, bytes]], *parents: str, branch: str = "main") -> str:
        """A commit of exactly these files."""
        return self.repo.commit(self.repo.files(files), *parents, branch=branch)

    def body(self, after: str, *, before: str = ZEROS, ref: str = "refs/heads/main", **more: Any) -> bytes:
        payload = {"ref": ref, "before": before, "after": after, "repository": {"id": int(EXTERNAL_ID)}, **more}
        return json.dumps(payload).encode()

    def headers(
        self, body: bytes, *, delivery: str = "", event: str = "push", secret: str | None = None
    ) -> dict[str, str]:
        key = (self.secret if secret is None else secret).encode()
        return {
            "x-github-event": event,
            "x-github-delivery": delivery or str(uuid4()),
            "x-hub-signature-256": f"sha256={hmac.new(key, body, hashlib.sha256).hexdigest()}",
        }

    async def deliver(self, after: str, *, ref: str = "refs/heads/main") -> PushRef:
        """Has the webhook take a delivery."""
        body = self.body(after, ref=ref)
        headers = self.headers(body)
        receipt: Receipt = await self.git.receive(headers, body)
        assert receipt.accepted
        async with self.ground.database.read(self.dev.account_id) as conn:
            cursor = await conn.execute("SELECT id FROM inbox WHERE delivery_id = %s", (headers["x-github-delivery"],))
            row = await cursor.fetchone()
        assert row is not None
        return PushRef(str(self.dev.account_id), str(row[0]))

    async def take_up(self, push: PushRef) -> Scan:
        """The steps of PushWorkflow, in its order."""
        scan = await self.git.scan(push)
        outcome = scan.outcome
        for change in scan.changes:
            taken = await self.git.take(ChangeAt(push, scan.head, change))
            assert not taken.stale
            for run in taken.runs:
                outcome += await self.git.start_run(run)
        await self.git.finish(Handled(push, outcome))
        return scan

    async def push(self, after: str, *, ref: str = "refs/heads/main") -> Scan:
        """A delivery, taken in and taken up."""
        return await self.take_up(await self.deliver(after, ref=ref))

    async def codes(self) -> dict[str, StackCode]:
        """By path."""
        return {code.repo_path: code for code in await self.registry.page(self.subject, "accounts/dev", "", 100)}

    async def stack_states(self, *, deleted: bool = False) -> dict[str, ShownState]:
        """By name."""
        shown = await self.stacks.page(self.subject, "accounts/dev", "", 100, "", deleted=deleted)
        return {one.state.name: one for one in shown}

    async def events(self) -> list[tuple[str, str]]:
        """(type, thing) of all, in order."""
        async with self.ground.database.read(self.dev.account_id) as conn:
            cursor = await conn.execute("SELECT type, subject FROM events ORDER BY sequence")
            return list(await cursor.fetchall())


@pytest.fixture(scope="session")
async def hcl_reader() -> AsyncIterator[HclReader]:
    reader = HclReader()
    yield reader
    await reader.close()


@pytest.fixture
async def world(ground: "Ground", dev: "Tenant", hcl_reader: HclReader, tmp_path: Path) -> World:
    root = tmp_path / "repositories"
    root.mkdir()
    repo = Repo(root / "infra.git")
    repositories = Repositories(ground.database, ground.keys, ground.pages, ground.routes, ground.clock, [root])
    new = NewRepository(repo.url, "acme/infra", EXTERNAL_ID, "main")
    repository, secret = await repositories.connect(dev.subject(), "accounts/dev", new)
    states = StateService(ground.database, ground.keys, DirectoryBlobs(tmp_path / "blobs"))
    sources = Sources(ground.database, repositories, tmp_path / "mirrors", [root])
    registry = Registry(ground.database, hcl_reader, states)
    follower, runs = Follower(sources, registry), RecordedRuns()
    return World(
        ground=ground, dev=dev, repo=repo, repository=repository, secret=secret, sources=sources, registry=registry,
        stacks=StackService(ground.database, ground.keys, states), states=states,
        requests=CodeRequests(ground.database, repositories, sources, registry, follower),
        git=GitService(ground.database, repositories, follower, runs), runs=runs,
    )  # fmt: skip
