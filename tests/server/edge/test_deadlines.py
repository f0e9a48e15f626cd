"""Deadlines: one timer, each call its own end."""

import asyncio

import pytest

from stackly_server.edge.deadlines import Deadline, Deadlines


async def test_each_call_ends_in_its_time_and_in_its_order() -> None:
    deadlines, ended = Deadlines(0.03), []

    async def call(number: int) -> None:
        await asyncio.sleep(number * 0.01)
        began = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError), deadlines.of_this_call():
            await asyncio.Event().wait()
        ended.append((number, asyncio.get_running_loop().time() - began >= 0.03))

    await asyncio.gather(*(call(number) for number in range(4)))
    assert ended == [(number, True) for number in range(4)]


async def test_a_call_that_has_ended_is_left_alone() -> None:
    deadlines = Deadlines(0.01)
    with deadlines.of_this_call():
        pass
    await asyncio.sleep(0.03)
    with pytest.raises(TimeoutError), deadlines.of_this_call():
        await asyncio.Event().wait()


async def test_what_somebody_else_cancels_stays_canceled() -> None:
    inside: list[Deadline] = []

    async def call() -> None:
        limit = Deadlines(60.0).of_this_call()
        inside.append(limit)
        with limit:
            await asyncio.Event().wait()

    for expired in (False, True):
        task = asyncio.create_task(call())
        await asyncio.sleep(0)
        if expired:
            inside[-1].expire()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_an_error_within_passes() -> None:
    with pytest.raises(KeyError), Deadlines(60.0).of_this_call():
        raise KeyError
