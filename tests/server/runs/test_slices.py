"""States in slices over the wire: what a run by units sends, and what it is given of a large state."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from server.runs.desk import Desk
from server.runs.test_units import Runner
from stackly.worker.v1 import runner_service_pb2 as wire
from stackly_engine import exact, outlines, slices
from stackly_engine.deltas import Delta
from stackly_server.access import Subject
from stackly_server.errors import StacklyError
from stackly_server.limits import STATE_OUTLINE_BYTES
from stackly_server.runs.model import Outcome, Phase, RunType
from stackly_server.runs.runner_rpc import RunnerServicer

STACK = b'stack "hello" {\n  engine = "auto"\n  labels = { tier = "1" }\n}\n'
LARGE = STATE_OUTLINE_BYTES


def servicer(desk: Desk) -> RunnerServicer:
    return Runner(desk).servicer


def head(desk: Desk) -> dict[str, Any]:
    return {
        "version": 4, "terraform_version": "1.11.4", "serial": 0, "lineage": desk.lineage, "outputs": {},
        "check_results": None,
    }  # fmt: skip


def part(unit: str, text: str) -> bytes:
    instance = {"attributes": {"text": text}, "dependencies": ["terraform_data.other"], "private": "cHJpdmF0ZQ=="}
    found = {
        "mode": "managed",
        "type": "terraform_data",
        "name": "x",
        "provider": 'provider["p"]',
        "instances": [instance],
    }
    return exact.dumps([found if unit == slices.ROOT else {**found, "module": unit}])


async def write(desk: Desk, subject: Subject, delta: Delta, **header: Any) -> wire.WriteStateResponse:
    told = wire.StateSlices(head_bytes=len(delta.head_bytes))
    for unit, digest in delta.digests.items():
        told.slices.add(unit=unit, sha256=digest or "", size_bytes=len(delta.slices[unit] or b""))
    facts = {"serial": delta.base, "lineage": delta.lineage, "sha256": delta.sha256, "slices": told, **header}

    async def stream() -> AsyncIterator[wire.WriteStateRequest]:
        yield wire.WriteStateRequest(header=wire.StateHeader(**facts))
        for data in (delta.head_bytes, *(delta.slices[unit] or b"" for unit in delta.digests)):
            yield wire.WriteStateRequest(chunk=data)

    return await servicer(desk).WriteState(stream(), subject)


async def fetched(desk: Desk, subject: Subject, **asked: Any) -> tuple[bytes, bool]:
    answers = [one async for one in servicer(desk).FetchState(wire.FetchStateRequest(**asked), subject)]
    data = b"".join(one.chunk for one in answers)
    assert not answers or answers[-1].sha256 == hashlib.sha256(data).hexdigest()
    return data, any(one.outline for one in answers)


async def applied(desk: Desk, *deltas: Delta) -> None:
    run = await desk.plan(await desk.create(), serial=deltas[0].base)
    await desk.approve(run)
    subject = await desk.started(run)
    for delta in deltas:
        assert (await write(desk, subject, delta)).accepted
    await desk.rooms.batches.finish(subject, Outcome.SUCCEEDED, None, [], 0)


async def planning(desk: Desk, stack: bytes = STACK, kind: RunType = RunType.APPLY) -> Subject:
    await desk.world.push(desk.world.commit({"stackly.hcl": stack}))
    return await desk.claim(await desk.create(kind), Phase.PLAN)


def delta(desk: Desk, *, large: bool = True) -> Delta:
    parts: dict[str, bytes | None] = {
        "module.a": part("module.a", "a" * (LARGE if large else 1)), "root": part("root", "canary")
    }  # fmt: skip
    return Delta(0, desk.lineage, parts, head(desk))


async def test_a_large_state_is_given_as_an_outline(desk: Desk) -> None:
    second = Delta(1, desk.lineage, {"module.b": part("module.b", "canary")})
    await applied(desk, delta(desk), second)
    subject = await planning(desk)
    data, outline = await fetched(desk, subject, outline=True)
    assert outline
    assert len(data) < 2000
    assert b"canary" not in data
    assert b"cHJpdmF0ZQ" not in data
    found = outlines.read(data)
    assert (found.serial, set(found.units)) == (2, {"module.a", "module.b", "root"})
    assert found.digests.keys() == {"module.a", "module.b", "terraform_data.x"}
    assert found.document["resources"][0]["instances"] == [{"dependencies": ["terraform_data.other"]}]
    assert (await fetched(desk, subject, outline=True))[0] == data
    whole, outline = await fetched(desk, subject)
    assert (outline, [one.get("module") for one in exact.loads(whole)["resources"]]) == (
        False, [None, "module.a", "module.b"],
    )  # fmt: skip
    some, outline = await fetched(desk, subject, units=["root", "module.b"], serial=2)
    assert not outline
    parts = exact.loads(some)
    assert {unit: exact.dumps(parts[unit]) for unit in parts} == {
        "root": part("root", "canary"), "module.b": part("module.b", "canary")
    }  # fmt: skip
    with pytest.raises(StacklyError):
        await fetched(desk, subject, units=["module.b"], serial=1)  # it was not there yet
    with pytest.raises(StacklyError):
        await fetched(desk, subject, units=["root"], serial=3)


async def test_who_needs_all_of_it_gets_a_document(desk: Desk) -> None:
    await applied(desk, delta(desk, large=False))
    assert (await fetched(desk, await planning(desk), outline=True))[1] is False  # small
    await applied(desk, Delta(1, desk.lineage, {"module.a": part("module.a", "a" * LARGE)}))
    whole = STACK.replace(b'"auto"', b'"whole"')
    assert (await fetched(desk, await planning(desk, whole), outline=True))[1] is False
    run = await desk.plan(await desk.create(), serial=2)
    await desk.approve(run)
    assert (await fetched(desk, await desk.started(run), outline=True))[1] is False  # its plan is one of the whole root


async def test_slices_over_the_wire(desk: Desk) -> None:
    run = await desk.planned("value")
    await desk.approve(run)
    subject = await desk.started(run)
    first = delta(desk, large=False)
    for wrong in (
        {"sha256": "0" * 64}, {"slices": wire.StateSlices(head_bytes=len(first.head_bytes))}, {"serial": 1},
    ):  # fmt: skip
        with pytest.raises(StacklyError):
            await write(desk, subject, first, **wrong)
    answer = await write(desk, subject, first)
    assert (answer.accepted, answer.serial) == (True, 1)
    assert (await write(desk, subject, first)).serial == 1
    other = Delta(0, desk.lineage, {"root": part("root", "other")}, head(desk))
    answer = await write(desk, subject, other)
    assert (answer.accepted, answer.serial) == (False, 0)
    assert "meanwhile" in answer.detail
    assert await desk.count("SELECT count(*) FROM state_quarantine") == 1
