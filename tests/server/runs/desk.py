"""The runs room on real parts: a pushed stack, a worker that proved terraform, and a runner's hands without Terraform."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from pushing import MODULE, World
from stackly_engine import plans
from stackly_server.access import Batch, Kind, Subject, system
from stackly_server.clock import uuid7
from stackly_server.runs.helping import HelpService
from stackly_server.runs.model import NewRun, Outcome, Phase, RunType, Status
from stackly_server.runs.service import Shown
from stackly_server.runs.settling import SettleService
from stackly_server.runs.submitted import SubmittedPlan

if TYPE_CHECKING:
    from stackly_server.assembly import Rooms

STACK = b'stack "hello" {\n  labels = { tier = "1" }\n}\n'
NAME = "accounts/dev/stackStates/hello"


def plan_json(value: str) -> bytes:
    """A plan that creates one resource with an input."""
    change = {"actions": ["create"], "before": None, "after": {"input": value}, "after_unknown": {"id": True}}
    resource = {
        "address": "terraform_data.x", "mode": "managed", "type": "terraform_data", "name": "x",
        "provider_name": "terraform.io/builtin/terraform", "change": change,
    }  # fmt: skip
    return json.dumps({"format_version": "1.2", "resource_changes": [resource] if value else []}).encode()


def state_json(serial: int, lineage: str) -> bytes:
    """A state document with one resource."""
    resource = {
        "mode": "managed",
        "type": "terraform_data",
        "name": "x",
        "provider": "p",
        "instances": [{"attributes": {}}],
    }
    document = {"version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": lineage, "outputs": {}}
    return json.dumps({**document, "resources": [resource]}).encode()


@dataclass
class Desk:
    """Whoever sits here is everybody: the member, the worker, the runner."""

    world: World
    rooms: "Rooms"
    worker: Subject
    lineage: str = field(default_factory=lambda: str(uuid4()))

    @property
    def me(self) -> Subject:
        return self.world.dev.subject()

    def member(self, login: str, *groups: str) -> Subject:
        """Another member, with every permission."""
        subject = self.world.dev.subject(member=login)
        subject.groups = groups
        return subject

    async def create(self, kind: RunType = RunType.APPLY, **more: Any) -> Shown:
        return await self.rooms.runs.create(self.me, NAME, NewRun(kind, **more))

    async def read(self, run: Shown) -> Shown:
        return await self.rooms.runs.get(self.me, run.name)

    async def status(self, run: Shown) -> Status:
        return (await self.read(run)).run.status

    async def claim(self, run: Shown, phase: Phase, number: int = 1) -> Subject:
        """A worker takes the batch; its runner's subject."""
        lease = await self.rooms.batches.claim(
            self.worker, self.ref(run, phase, number), await self.nonce(run, phase, number)
        )
        return await self.rooms.batches.identify(lease.run_token)

    def ref(self, run: Shown, phase: Phase, number: int = 1) -> Batch:
        return Batch(run.run.id, number, phase.value, "b1", 0)

    async def nonce(self, run: Shown, phase: Phase, number: int = 1) -> str:
        async with self.world.ground.database.read(self.me.tenant) as conn:
            cursor = await conn.execute(
                "SELECT nonce FROM run_batches WHERE run_id = %s AND phase = %s AND plan_number = %s",
                (run.run.id, phase.value, number),
            )
            row = await cursor.fetchone()
        assert row is not None, "there is no such batch"
        return str(row[0])

    async def submit(self, runner: Subject, value: str, serial: int = 0) -> str:
        projected = plans.project(plan_json(value), b"k" * 32).to_bytes()
        bundle = b"the plan file"
        return await self.rooms.batches.submit_plan(
            runner,
            SubmittedPlan(
                "terraform 1.11.4", "linux_amd64", "tree", serial, self.lineage if serial else "",
                hashlib.sha256(projected).hexdigest(), hashlib.sha256(bundle).hexdigest(), projected, bundle,
            ),
        )  # fmt: skip

    async def plan(self, run: Shown, value: str = "one", serial: int = 0, number: int = 1) -> Shown:
        """The whole of a plan."""
        runner = await self.claim(run, Phase.PLAN, number)
        await self.submit(runner, value, serial)
        await self.rooms.batches.finish(runner, Outcome.SUCCEEDED, None, [], 0)
        return await self.read(run)

    async def planned(self, value: str = "one", **more: Any) -> Shown:
        return await self.plan(await self.create(**more), value)

    async def approve(self, run: Shown, subject: Subject | None = None) -> Shown:
        shown = await self.read(run)
        return await self.rooms.runs.approve(subject or self.me, run.name, shown.run.plan_digest, "yes")

    async def started(self, run: Shown, number: int = 1) -> Subject:
        """The apply has begun."""
        runner = await self.claim(run, Phase.APPLY, number)
        await self.rooms.batches.start_apply(runner, uuid4())
        return runner

    async def write(self, runner: Subject, serial: int) -> Any:
        data = state_json(serial, self.lineage)
        sha256 = hashlib.sha256(data).hexdigest()
        return await self.rooms.batches.write_state(runner, serial, self.lineage, sha256, data)

    async def apply(self, run: Shown, serial: int = 1, number: int = 1) -> Shown:
        """The whole of an apply."""
        runner = await self.started(run, number)
        assert await self.write(runner, serial) is None
        await self.rooms.batches.finish(runner, Outcome.SUCCEEDED, None, [], 0)
        return await self.read(run)

    async def count(self, sql: str) -> int:
        async with self.world.ground.database.read(self.me.tenant) as conn:
            row = await (await conn.execute(sql)).fetchone()
        assert row is not None
        return int(row[0])

    def settling(self) -> SettleService:
        rooms = self.rooms
        return SettleService(self.world.ground.database, rooms.stacks, rooms.workers, rooms.progress, rooms.batches)


def help_of(desk: Desk) -> HelpService:
    """Batches that are offered to other workers."""
    rooms, ground = desk.rooms, desk.world.ground
    return HelpService(
        ground.database, ground.hub, ground.keys, rooms.blobs, rooms.workers, rooms.progress, rooms.batches
    )


async def sit_down(world: World, rooms: "Rooms") -> Desk:
    """A pushed stack, and a worker that proved terraform 1.11.4."""
    await world.push(world.commit({"stackly.hcl": STACK, "main.tf": MODULE}))
    worker_id = uuid7()
    async with world.ground.database.transaction(system(world.dev.account_id, "dev")) as tx:
        await tx.conn.execute(
            """
            INSERT INTO workers (account_id, id, namespace_id, slug, key_sha256, host, token_labels, allowed_features,
                capabilities, verified, status, lease_expires_at, certificate_serial, certificate_expires_at)
            VALUES (%s, %s, %s, 'w-1', '\\x01', 'here', '{}', '{}', %s, %s, 'ACTIVE', now() + interval '1 hour', '', now())
            """,
            (world.dev.account_id, worker_id, world.dev.namespace_id, *(Jsonb(_CAPABILITIES),) * 2),
        )
    return Desk(world, rooms, _worker(world.dev.account_id, worker_id, world.dev.namespace_id))


_CAPABILITIES = {
    "features": ["terraform"], "labels": {}, "cpus": 2, "memory_bytes": 1, "version": "1", "engines": ["terraform 1.11.4"],
    "platform": "linux_amd64", "sandbox": "plain",
}  # fmt: skip


def _worker(account_id: UUID, worker_id: UUID, namespace_id: UUID) -> Subject:
    return Subject(
        Kind.WORKER, account_id, "dev", "accounts/dev/namespaces/default/workers/w-1", worker_id=worker_id,
        namespace_id=namespace_id,
    )  # fmt: skip
