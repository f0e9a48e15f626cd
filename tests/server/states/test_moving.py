"""Slices at the gateway: writers of different ones do not wait, of one slice the second is refused, exports stay whole."""

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.rows import dict_row

from pushing import MODULE, STACK, World
from stackly_engine import exact, slices
from stackly_engine.deltas import Delta
from stackly_server.errors import Invalid
from stackly_server.states.model import NewState, Refusal

LINEAGE = "11111111-2222-3333-4444-555555555555"
HEAD = {
    "version": 4,
    "terraform_version": "1.11.4",
    "serial": 0,
    "lineage": LINEAGE,
    "outputs": {},
    "check_results": None,
}


def part(unit: str, text: Any, count: int = 1) -> bytes:
    where = {} if unit == slices.ROOT else {"module": unit}
    of = {"mode": "managed", "type": "terraform_data", "provider": 'provider["x"]'}
    return exact.dumps([
        {**where, **of, "name": f"r{number}", "instances": [{"attributes": {"text": text}}]} for number in range(count)
    ])  # fmt: skip


@dataclass
class Gateway:
    """One stack state, locked by a run."""

    world: World
    state_id: UUID
    run_id: UUID = field(default_factory=uuid4)
    epoch: int = 0

    async def lock(self) -> None:
        async with self.world.ground.database.transaction(self.world.subject) as tx:
            assert await self.world.states.acquire(tx, self.state_id, self.run_id, "a run")
            self.epoch = await self.world.states.fence(tx, self.state_id, self.run_id)

    async def write(
        self, base: int, parts: dict[str, bytes | None], head: Any = None, *, epoch: int | None = None, lineage: str = LINEAGE
    ) -> tuple[Refusal | None, int]:  # fmt: skip
        delta = Delta(base, lineage, parts, head)
        epoch = self.epoch if epoch is None else epoch
        new = NewState(self.state_id, self.run_id, epoch, base, lineage, delta.sha256)
        return await self.world.states.write_slices(self.world.subject, new, delta)

    async def exported(self, serial: int) -> Any:
        """The document, as exact values; its version says the truth about it."""
        account = self.world.dev.account_id
        version = await self.world.states.version(account, self.state_id, serial)
        document = await self.world.states.document(account, version)
        assert version.size_bytes == len(document)
        measured = await self.world.states.measured(account, version)
        assert measured.sha256 == hashlib.sha256(document).hexdigest()
        state = exact.loads(document)
        assert version.resource_count == sum(len(one["instances"]) for one in state["resources"])
        assert state["serial"] == serial
        return state

    async def rows(self, table: str) -> list[dict[str, Any]]:
        async with (
            self.world.ground.database.read(self.world.dev.account_id) as conn,
            conn.cursor(row_factory=dict_row) as cursor,
        ):
            await cursor.execute(f"SELECT * FROM {table} WHERE stack_state_id = %s ORDER BY serial", (self.state_id,))  # noqa: S608  # type: ignore[arg-type]
            return await cursor.fetchall()


@pytest.fixture
async def gateway(world: World) -> Gateway:
    world.commit({"stackly.hcl": STACK, "main.tf": MODULE})
    await world.requests.register(world.subject, "accounts/dev", world.repository_name, "", "")
    made = Gateway(world, (await world.stack_states())["hello"].state.id)
    await made.lock()
    return made


def texts(state: Any) -> dict[str, Any]:
    return {
        f"{one.get('module', slices.ROOT)}.{one['name']}": one["instances"][0]["attributes"]["text"]
        for one in state["resources"]
    }


async def test_a_state_from_nothing_grows_slice_by_slice(gateway: Gateway) -> None:
    exactly = Decimal("0.10000000000000000000000000000000000000001")
    assert await gateway.write(0, {"module.b": part("module.b", exactly), "root": part("root", 1, 2)}, HEAD) == (
        None,
        1,
    )
    assert await gateway.write(1, {"module.a": part("module.a", "one", 3)}) == (None, 2)
    output = {**HEAD, "outputs": {"it": {"value": "x", "type": "string"}}}
    assert await gateway.write(2, {"root": None}, output) == (None, 3)
    assert texts(await gateway.exported(1)) == {"root.r0": 1, "root.r1": 1, "module.b.r0": exactly}
    second = await gateway.exported(2)
    assert [one.get("module") for one in second["resources"]] == [None, None, *["module.a"] * 3, "module.b"]
    last = await gateway.exported(3)
    assert (set(texts(last)), list(last["outputs"])) == (
        {*(f"module.a.r{n}" for n in range(3)), "module.b.r0"},
        ["it"],
    )
    assert [row["slices"] for row in await gateway.rows("state_versions")][-1] == ["module.a", "module.b"]
    assert await gateway.write(3, {"module.a": None, "module.b": None}) == (None, 4)
    assert (await gateway.exported(4))["resources"] == []


async def test_a_whole_document_and_slices_take_turns(gateway: Gateway) -> None:
    resources = [*exact.loads(part("module.z", "z")), *exact.loads(part("module.a", "a"))]  # not in Terraform's order
    document = json.dumps({**HEAD, "serial": 7, "resources": resources}).encode()
    new = NewState(gateway.state_id, gateway.run_id, gateway.epoch, 7, LINEAGE, hashlib.sha256(document).hexdigest())
    assert await gateway.world.states.write(gateway.world.subject, new, document) is None
    assert [one["module"] for one in (await gateway.exported(7))["resources"]] == ["module.z", "module.a"]
    assert await gateway.write(7, {"module.z": part("module.z", "new")}) == (None, 8)
    assert texts(await gateway.exported(8)) == {"module.a.r0": "a", "module.z.r0": "new"}
    again = json.dumps({**HEAD, "serial": 9, "resources": resources}).encode()
    new = NewState(gateway.state_id, gateway.run_id, gateway.epoch, 9, LINEAGE, hashlib.sha256(again).hexdigest())
    assert await gateway.world.states.write(gateway.world.subject, new, again) is None
    assert texts(await gateway.exported(9)) == {"module.a.r0": "a", "module.z.r0": "z"}


async def test_writers_of_different_slices_do_not_wait_for_one_another(gateway: Gateway) -> None:
    assert await gateway.write(0, {}, HEAD) == (None, 1)
    answers = await asyncio.gather(
        *(gateway.write(1, {f"module.m{n}": part(f"module.m{n}", n)}) for n in range(12)),
        *(gateway.write(1, {f"module.m{n}": part(f"module.m{n}", n)}) for n in range(12)),  # each sent again meanwhile
    )
    assert {refusal for refusal, _ in answers} == {None}
    assert sorted({serial for _, serial in answers}) == list(range(2, 14))
    assert [row["serial"] for row in await gateway.rows("state_versions")] == list(range(1, 14))
    assert texts(await gateway.exported(13)) == {f"module.m{n}.r0": n for n in range(12)}


async def test_what_is_refused_is_kept(gateway: Gateway) -> None:
    assert await gateway.write(0, {"root": part("root", 1)}, HEAD) == (None, 1)
    assert await gateway.write(1, {"root": part("root", 2)}) == (None, 2)
    assert await gateway.write(1, {"root": part("root", 2)}) == (None, 2)  # its answer was lost
    assert (await gateway.write(1, {"root": part("root", 3)}))[0] is Refusal.MOVED
    moved = {**HEAD, "outputs": {"it": {"value": 1, "type": "number"}}}
    assert await gateway.write(2, {}, moved) == (None, 3)
    assert (await gateway.write(2, {"module.a": part("module.a", 4)}, HEAD))[0] is Refusal.MOVED
    assert (await gateway.write(3, {"root": part("root", 5)}, epoch=gateway.epoch - 1))[0] is Refusal.NOT_HOLDER
    assert (await gateway.write(3, {"root": part("root", 6)}, lineage="other"))[0] is Refusal.LINEAGE
    assert (await gateway.write(9, {"root": part("root", 7)}))[0] is Refusal.SERIAL
    assert texts(await gateway.exported(3)) == {"root.r0": 2}
    kept = []
    for row in await gateway.rows("state_quarantine"):
        sealed = await gateway.world.states._shelf._blobs.get(row["blob"])
        assert b"r0" not in sealed
        opened = await gateway.world.ground.keys.open(gateway.world.dev.account_id, "state", row["blob"], sealed)
        kept += [each[0]["instances"][0]["attributes"]["text"] for each in exact.loads(opened)["slices"].values()]
    assert sorted(kept) == [3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    "data",
    [
        b"[]", b"{}", b"[1]", b"[ ]", part("module.b", 1), part("module.a.module.b", 1), part("module.a", 1) + b" ",
        b'[{"module":"module.a"}]',
    ],
)  # fmt: skip
async def test_bytes_that_are_no_slice_are_invalid(gateway: Gateway, data: bytes) -> None:
    assert await gateway.write(0, {"module.a": part("module.a", 1)}, HEAD) == (None, 1)
    if data == part("module.a.module.b", 1):
        assert await gateway.write(1, {"module.a": data}) == (None, 2)
        return
    with pytest.raises(Invalid):
        await gateway.write(1, {"module.a": data})


async def test_a_first_state_has_a_head(gateway: Gateway) -> None:
    with pytest.raises(Invalid):
        await gateway.write(0, {"module.a": part("module.a", 1)})
