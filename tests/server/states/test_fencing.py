"""The state gateway under many writers: nothing stale becomes current, no byte is lost, no changed byte goes unseen."""

import asyncio
import hashlib
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.rows import dict_row

from pushing import MODULE, STACK, World
from stackly_server.errors import StacklyError
from stackly_server.sealing import BrokenSealError
from stackly_server.states.model import NewState, Refusal

WRITERS, WRITES, HANDOVERS = 8, 2_000, 60
LINEAGE = "11111111-2222-3333-4444-555555555555"


def document(serial: int, who: str, *, lineage: str = LINEAGE) -> bytes:
    """A state of two units, one of which never changes."""

    def resource(name: str, module: str, text: str) -> dict[str, Any]:
        found = {"mode": "managed", "type": "terraform_data", "name": name, "provider": 'provider["x"]'}
        where = {"module": module} if module else {}
        return found | where | {"instances": [{"attributes": {"text": text}}]}

    resources = [resource("a", "", who), resource("b", "module.net", "the same")]
    state = {"version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": lineage, "outputs": {}}
    return json.dumps(state | {"resources": resources, "check_results": None}).encode()


@dataclass
class Gateway:
    """One stack state and whoever writes to it. `epoch` is the one of the lock now, `run_id` its holder."""

    world: World
    state_id: UUID
    run_id: UUID = field(default_factory=uuid4)
    epoch: int = 0
    written: dict[str, bytes] = field(default_factory=dict)
    stale_accepted: int = 0
    said: Counter[str] = field(default_factory=Counter)
    wrote: asyncio.Event = field(default_factory=asyncio.Event)

    async def hand_over(self, run_id: UUID) -> int:
        """The lock goes from its holder to another run, which has a new epoch."""
        async with self.world.ground.database.transaction(self.world.subject) as tx:
            await self.world.states.release(tx, self.state_id, self.run_id)
            assert await self.world.states.acquire(tx, self.state_id, run_id, "a run")
            epoch = await self.world.states.fence(tx, self.state_id, run_id)
        self.run_id, self.epoch = run_id, epoch
        return epoch

    async def write(self, run_id: UUID, epoch: int, serial: int, data: bytes, lineage: str = LINEAGE) -> Refusal | None:
        sha256 = hashlib.sha256(data).hexdigest()
        self.written[sha256] = data
        was_stale = epoch != self.epoch
        new = NewState(self.state_id, run_id, epoch, serial, lineage, sha256)
        refusal = await self.world.states.write(self.world.subject, new, data)
        self.said[refusal.name if refusal else "accepted"] += 1
        self.stale_accepted += was_stale and refusal is None
        self.wrote.set()
        return refusal

    async def rows(self, table: str) -> list[dict[str, Any]]:
        async with (
            self.world.ground.database.read(self.world.dev.account_id) as conn,
            conn.cursor(row_factory=dict_row) as cursor,
        ):
            await cursor.execute(f"SELECT * FROM {table} WHERE stack_state_id = %s", (self.state_id,))  # noqa: S608  # type: ignore[arg-type]
            return await cursor.fetchall()

    async def kept(self) -> dict[str, bytes]:
        """By SHA-256, every document in quarantine, opened."""
        account, found = self.world.dev.account_id, {}
        for row in await self.rows("state_quarantine"):
            sealed = await self.world.states._shelf._blobs.get(row["blob"])
            found[row["sha256"]] = await self.world.ground.keys.open(account, "state", row["blob"], sealed)
        return found

    async def exported(self, serial: int) -> Any:
        account = self.world.dev.account_id
        version = await self.world.states.version(account, self.state_id, serial)
        return json.loads(await self.world.states.document(account, version))


@pytest.fixture
async def gateway(world: World) -> Gateway:
    world.commit({"stackly.hcl": STACK, "main.tf": MODULE})
    await world.requests.register(world.subject, "accounts/dev", world.repository_name, "", "")
    return Gateway(world, (await world.stack_states())["hello"].state.id)


async def test_many_writers_half_of_them_stale(gateway: Gateway) -> None:
    chance = random.Random(20261124)
    runs = [uuid4() for _ in range(WRITERS)]
    epochs = dict.fromkeys(runs, 0)
    epochs[runs[0]] = await gateway.hand_over(runs[0])
    serial = 0

    async def writer(me: int) -> None:
        nonlocal serial
        for turn in range(WRITES // WRITERS):
            mine = runs[me] if me % 2 else gateway.run_id  # every second one believes in its old lease for ever
            serial += chance.choice((0, 1, 1, 1))
            data = document(serial, f"{me}/{turn}")
            await gateway.write(mine, epochs[mine], serial, data)

    async def handovers() -> None:
        for _ in range(HANDOVERS):
            done = gateway.said.total()
            while gateway.said.total() < min(done + WRITES // HANDOVERS // 2, WRITES - 1):
                await gateway.wrote.wait()
                gateway.wrote.clear()
            run_id = chance.choice(runs[::2])
            epochs[run_id] = await gateway.hand_over(run_id)

    await asyncio.gather(handovers(), *(writer(me) for me in range(WRITERS)))
    assert gateway.said.total() == WRITES
    assert gateway.stale_accepted == 0
    assert gateway.said["accepted"] > WRITES // 20, gateway.said
    assert gateway.said["NOT_HOLDER"] > WRITES // 4, gateway.said
    versions = sorted(await gateway.rows("state_versions"), key=lambda row: row["serial"])
    assert len(versions) == gateway.said["accepted"]
    assert [row["epoch"] for row in versions] == sorted(row["epoch"] for row in versions), "serials follow the epochs"
    (head,) = await gateway.rows("state_heads")
    assert head["serial"] == versions[-1]["serial"]
    kept = await gateway.kept()
    lost = gateway.written.keys() - kept.keys() - {row["received_sha256"] for row in versions}
    assert not lost
    assert all(gateway.written[sha256] == data for sha256, data in kept.items())
    for row in chance.sample(versions, 20):
        assert await gateway.exported(row["serial"]) == json.loads(gateway.written[row["received_sha256"]])


async def test_equal_bytes_are_accepted_again_also_at_the_same_moment(gateway: Gateway) -> None:
    run_id = uuid4()
    epoch = await gateway.hand_over(run_id)
    for serial in range(1, 11):
        data = document(serial, "me")
        answers = await asyncio.gather(*(gateway.write(run_id, epoch, serial, data) for _ in range(4)))
        assert answers == [None] * 4
    other = document(10, "other bytes")
    assert await gateway.write(run_id, epoch, 10, other) is Refusal.SERIAL
    assert await gateway.write(run_id, epoch, 11, document(11, "x", lineage="other"), "other") is Refusal.LINEAGE
    assert len(await gateway.rows("state_versions")) == 10
    assert set((await gateway.kept()).values()) == {other, document(11, "x", lineage="other")}


async def test_a_changed_byte_is_found_wherever_it_is(gateway: Gateway, tmp_path: Path) -> None:
    run_id = uuid4()
    epoch = await gateway.hand_over(run_id)
    assert await gateway.write(run_id, epoch, 1, document(1, "me")) is None
    assert await gateway.write(run_id, epoch - 1, 2, document(2, "late")) is Refusal.NOT_HOLDER
    blobs = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    assert {path.parts[-4] for path in blobs} == {"slices", "quarantine"}
    chance = random.Random(7)
    for path in blobs:
        whole = path.read_bytes()
        for at in {0, 1, 2, 5, 6, 18, len(whole) - 1, *chance.choices(range(len(whole)), k=40)}:
            path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << chance.randrange(8))]) + whole[at + 1 :])
            with pytest.raises((BrokenSealError, StacklyError)):
                await (gateway.exported(1) if "slices" in path.parts else gateway.kept())
        path.write_bytes(whole[:-1])
        with pytest.raises((BrokenSealError, StacklyError)):
            await (gateway.exported(1) if "slices" in path.parts else gateway.kept())
        path.write_bytes(whole)
    assert await gateway.exported(1) == json.loads(document(1, "me"))
    assert list((await gateway.kept()).values()) == [document(2, "late")]
