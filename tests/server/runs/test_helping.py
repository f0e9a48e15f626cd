"""Batches that are offered to other workers: who may take them, what they may write, and how the run ends with them."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from server.runs.desk import _CAPABILITIES, Desk, help_of
from stackly_engine import exact
from stackly_engine.deltas import Delta
from stackly_server.access import Batch, Subject, system
from stackly_server.clock import uuid7
from stackly_server.errors import Conflict, Denied, Invalid, StacklyError
from stackly_server.runs.helping import HelpService, Offered
from stackly_server.runs.model import Outcome, Phase, Status
from stackly_server.runs.service import Shown
from stackly_server.runs.unit_records import UnitRecordService
from stackly_server.states.model import Refusal, UnitRecord

ORDER = b"an order with a canary"
SHA256 = hashlib.sha256(ORDER).hexdigest()


def part(unit: str, text: str) -> bytes:
    found = {"mode": "managed", "type": "terraform_data", "name": "x", "provider": 'provider["p"]', "module": unit}
    return exact.dumps([{**found, "instances": [{"attributes": {"text": text}}]}])


@dataclass
class Room:
    """A run whose apply began, its runner, and other workers."""

    desk: Desk
    run: Shown
    lead: Subject
    help: HelpService

    async def worker(self, slug: str = "w-2", **more: Any) -> Subject:
        """One more worker."""
        worker_id, desk = uuid7(), self.desk
        account = desk.world.dev.account_id
        async with desk.world.ground.database.transaction(system(account, "dev")) as tx:
            await tx.conn.execute(
                """
                INSERT INTO workers (account_id, id, namespace_id, slug, key_sha256, host, token_labels, allowed_features,
                    capabilities, verified, status, lease_expires_at, certificate_serial, certificate_expires_at)
                VALUES (%s, %s, %s, %s, %s, 'here', '{}', '{}', %s, %s, 'ACTIVE', now() + interval '1 hour', '', now())
                """,
                (account, worker_id, desk.world.dev.namespace_id, slug, slug.encode(),
                 *(Jsonb(_CAPABILITIES | more),) * 2),
            )  # fmt: skip
        return replace(desk.worker, actor=f"accounts/dev/namespaces/default/workers/{slug}", worker_id=worker_id)

    async def offered(self, name: str = "h1", *slices: str) -> bool:
        return await self.help.offer(self.lead, name, slices or (f"module.{name}",), SHA256, ORDER)

    async def claimed(self, worker: Subject, name: str = "h1") -> Subject:
        """The runner of an offered batch."""
        desk = self.desk
        async with desk.world.ground.database.read(desk.me.tenant) as conn:
            cursor = await conn.execute("SELECT nonce FROM run_batches WHERE batch = %s", (name,))
            row = await cursor.fetchone()
        assert row is not None
        ref = Batch(self.run.run.id, 1, Phase.APPLY.value, name, 0)
        lease = await desk.rooms.batches.claim(worker, ref, str(row[0]))
        runner = await desk.rooms.batches.identify(lease.run_token)
        await desk.rooms.batches.start_apply(runner, uuid4())
        return runner

    async def write(self, who: Subject, base: int, unit: str, head: Any = None) -> tuple[Refusal | None, int]:
        delta = Delta(base, self.desk.lineage, {unit: part(unit, "text")}, head)
        return await self.desk.rooms.batches.write_slices(who, delta.sha256, delta)

    async def finish(self, who: Subject, outcome: Outcome, *suspects: str) -> None:
        error = None if outcome is Outcome.SUCCEEDED else {"reason": "APPLY_FAILED", "message": "no", "log_offset": 0}
        await self.desk.rooms.batches.finish(who, outcome, error, list(suspects), 0)

    @property
    def head(self) -> dict[str, Any]:
        return {"version": 4, "terraform_version": "1.11.4", "serial": 0, "lineage": self.desk.lineage, "outputs": {}}


@pytest.fixture
async def room(desk: Desk) -> Room:
    run = await desk.planned()
    await desk.approve(run)
    return Room(desk, run, await desk.started(run), help_of(desk))


async def test_nothing_is_offered_when_nobody_is_there(room: Room) -> None:
    assert await room.help.helpers(room.lead) == 0
    assert await room.offered() is False
    await room.worker(engines=["terraform 1.5.0"], features=[])
    assert await room.offered() is False, "it does not fit"
    assert await room.desk.count("SELECT count(*) FROM run_batches WHERE batch <> 'b1'") == 0


async def test_one_batch_a_worker_and_none_for_the_first_one(room: Room) -> None:
    other = await room.worker()
    assert await room.help.helpers(room.lead) == 1
    assert await room.offered()
    assert await room.offered(), "the same again"
    assert await room.help.helpers(room.lead) == 0
    assert await room.offered("h2") is False
    with pytest.raises(Conflict):
        await room.claimed(room.desk.worker)
    helper = await room.claimed(other)
    assert await room.help.watch(room.lead, 0, {}) == [Offered("h1", True, None)]
    with pytest.raises(Denied):
        await room.help.offer(helper, "h3", ("module.x",), SHA256, ORDER)
    assert await room.desk.count("SELECT count(*) FROM outbox WHERE payload::text LIKE '%h1%'") == 1
    with pytest.raises(Invalid):
        await room.offered("h3", "root")


async def test_what_it_may_write(room: Room) -> None:
    other = await room.worker()
    assert await room.write(room.lead, 0, "module.lead", room.head) == (None, 1)
    assert await room.offered()
    helper = await room.claimed(other)
    assert await room.write(helper, 1, "module.h1") == (None, 2)
    assert await room.write(room.lead, 1, "module.lead2") == (None, 3)
    with pytest.raises(Denied):
        await room.write(helper, 3, "module.lead")
    with pytest.raises(Denied):
        await room.write(helper, 3, "module.h1", room.head)
    with pytest.raises(Denied):
        await room.desk.write(helper, 9)
    records = UnitRecordService(
        room.desk.world.ground.database, room.desk.rooms.batches, room.desk.rooms.states, room.desk.rooms.records
    )
    with pytest.raises(Denied):
        await records.write(helper, [UnitRecord("module.h1", 2, b"{}", b"{}")])
    again = await room.desk.rooms.batches.reclaim(other, Batch(room.run.run.id, 1, "APPLY", "h1", 0))
    salvaging = await room.desk.rooms.batches.identify(again.run_token)
    delta = Delta(3, room.desk.lineage, {"module.h1": part("module.h1", "late")})
    late = await room.desk.rooms.batches.write_slices(helper, delta.sha256, delta)
    assert late[0] is Refusal.NOT_HOLDER
    assert (await room.desk.rooms.batches.write_slices(salvaging, delta.sha256, delta)) == (None, 4)
    assert await room.write(room.lead, 4, "module.lead") == (None, 5), "the first batch is not shut out by it"
    await room.finish(salvaging, Outcome.LOST)
    assert (await room.write(salvaging, 5, "module.h1"))[0] is Refusal.NOT_HOLDER


async def test_results_come_back_sealed(room: Room, tmp_path: Any) -> None:
    other = await room.worker()
    assert await room.offered()
    assert await room.help.result(room.lead, "h1") == b""
    helper = await room.claimed(other)
    spec = b"a result with a canary"
    digest = hashlib.sha256(spec).hexdigest()
    with pytest.raises(Invalid):
        await room.help.submit(helper, SHA256, spec)
    await room.help.submit(helper, digest, spec)
    await room.help.submit(helper, digest, spec)
    await room.finish(helper, Outcome.SUCCEEDED)
    assert await room.help.result(room.lead, "h1") == spec
    assert await room.help.watch(room.lead, 0, {}) == [Offered("h1", True, Outcome.SUCCEEDED)]
    with pytest.raises(StacklyError):
        await room.help.result(helper, "h1")
    blobs = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("orders" in path.parts for path in blobs)
    assert not [path for path in blobs if b"canary" in path.read_bytes()]


async def test_one_that_nobody_took_is_taken_back(room: Room) -> None:
    other = await room.worker()
    assert await room.offered()
    assert await room.help.withdraw(room.lead, "h1")
    assert await room.help.withdraw(room.lead, "h1")
    assert await room.help.withdraw(room.lead, "h9")
    with pytest.raises(Conflict):
        await room.claimed(other)
    assert await room.offered("h1") is False
    assert await room.offered("h2")
    await room.claimed(other, "h2")
    assert await room.help.withdraw(room.lead, "h2") is False
    assert await room.help.withdraw(room.lead, "b1") is False


@pytest.mark.parametrize("first", [Outcome.FAILED, Outcome.LOST])
async def test_a_run_ends_with_the_last_of_its_batches(room: Room, first: Outcome) -> None:
    other, third = await room.worker(), await room.worker("w-3")
    assert await room.offered("h1")
    assert await room.offered("h2")
    names = {"h1": other, "h2": third}
    try:
        helper = await room.claimed(other, "h1")
    except Conflict:
        names = {"h1": third, "h2": other}
        helper = await room.claimed(third, "h1")
    with pytest.raises(Invalid):
        await room.finish(room.lead, Outcome.SUCCEEDED)
    await room.finish(room.lead, first, "module.a.x")
    assert await room.desk.status(room.run) is Status.APPLYING
    assert await room.desk.count("SELECT count(*) FROM run_batches WHERE batch = 'h2' AND status = 'CANCELED'") == 1
    with pytest.raises(Conflict):
        await room.claimed(names["h2"], "h2")
    await room.finish(helper, Outcome.LOST, "module.b.x")
    shown = await room.desk.read(room.run)
    assert shown.run.status is Status.FAILED
    assert set(shown.run.suspects) == {"module.a.x", "module.b.x"}
    assert shown.run.error is not None
    assert shown.run.error["message"] == "no"
    assert await room.desk.count("SELECT count(*) FROM state_heads WHERE lock_id IS NOT NULL") == 0


async def test_a_batch_ends_and_the_first_one_goes_on(room: Room) -> None:
    other = await room.worker()
    assert await room.offered()
    helper = await room.claimed(other)
    await room.finish(helper, Outcome.LOST, "module.h1.x")
    assert await room.desk.status(room.run) is Status.APPLYING
    await room.finish(room.lead, Outcome.FAILED)
    assert await room.desk.status(room.run) is Status.FAILED
    assert (await room.desk.read(room.run)).run.suspects == ("module.h1.x",)


async def test_a_silent_one_is_judged_as_any_batch(room: Room) -> None:
    other = await room.worker()
    assert await room.offered()
    await room.claimed(other)
    settling, desk = room.desk.settling(), room.desk
    found = await settling.input(desk.me.tenant, room.run.run.id, 1, Phase.APPLY, "h1")
    assert found is not None
    assert (found[0].batch, found[0].nonce, found[0].task_queue.rpartition(".w.")[2]) == (
        "h1", "", str(UUID(str(other.worker_id))),
    )  # fmt: skip
    assert (await settling.settle(found[0])).word == "attach"
