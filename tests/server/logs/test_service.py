"""Logs on the real database: appended once, read from any byte, moved to blobs when the run has ended."""

import asyncio

import pytest

from server.runs.desk import Desk
from stackly_server.access import system
from stackly_server.errors import OutOfRange
from stackly_server.runs.model import Phase

TEXT = b"one\ntwo\nthr\xc3\xa9e\n"


async def _whole(desk: Desk, run_id: object, offset: int = 0) -> bytes:
    found = b""
    while pieces := await desk.rooms.logs.read(desk.me.tenant, run_id, offset + len(found)):  # type: ignore[arg-type]
        found += b"".join(piece.data for piece in pieces)
    return found


async def test_an_append_is_taken_once_and_read_from_any_byte(desk: Desk) -> None:
    run = await desk.create()
    runner = await desk.claim(run, Phase.PLAN)
    logs = desk.rooms.logs
    assert await logs.append(runner, run.run.id, 0, TEXT[:5], "plan-1-b1") == 5
    assert await logs.append(runner, run.run.id, 0, TEXT[:5], "plan-1-b1") == 5
    assert await logs.append(runner, run.run.id, 3, TEXT[3:], "plan-1-b1") == len(TEXT)
    for offset in range(len(TEXT) + 1):
        assert await _whole(desk, run.run.id, offset) == TEXT[offset:]
    with pytest.raises(OutOfRange):
        await logs.append(runner, run.run.id, len(TEXT) + 1, b"gap", "plan-1-b1")


async def test_of_two_who_append_at_once_no_byte_is_lost_or_doubled(desk: Desk) -> None:
    run = await desk.create()
    runner = await desk.claim(run, Phase.PLAN)
    await asyncio.gather(
        *(desk.rooms.logs.append(runner, run.run.id, 0, TEXT[:n], "s") for n in range(1, len(TEXT) + 1))
    )
    assert await _whole(desk, run.run.id) == TEXT


async def test_the_log_of_an_ended_run_goes_to_blobs_and_reads_the_same(desk: Desk) -> None:
    run = await desk.create()
    runner = await desk.claim(run, Phase.PLAN)
    for at in range(len(TEXT)):
        await desk.rooms.logs.append(runner, run.run.id, at, TEXT[at : at + 1], "plan" if at < 7 else "apply")
    await desk.rooms.logs.move_ended(desk.me.tenant)
    assert await desk.count("SELECT count(*) FROM log_chunks") == len(TEXT), "it has not ended yet"
    async with desk.world.ground.database.transaction(system(desk.me.tenant, "dev")) as tx:
        await tx.conn.execute("UPDATE runs SET status = 'CANCELED', done_at = now() - interval '1 hour'")
    await asyncio.gather(*(desk.rooms.logs.move_ended(desk.me.tenant) for _ in range(2)), return_exceptions=True)
    await desk.rooms.logs.move_ended(desk.me.tenant)
    assert await desk.count("SELECT count(*) FROM log_chunks WHERE sealed IS NOT NULL") == 0
    assert await desk.count("SELECT count(*) FROM log_chunks") == 2, "one a step"
    for offset in (0, 6, 7, 8, len(TEXT)):
        assert await _whole(desk, run.run.id, offset) == TEXT[offset:]
