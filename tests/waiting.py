"""Waiting for a condition, bounded, without a fixed sleep."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

_STEP = 0.01
_PAUSE = 0.05  # between two questions that cost more than a look
_Found = TypeVar("_Found")


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Return as soon as the condition holds; AssertionError when it has not within `seconds`."""
    for _ in range(int(seconds / _STEP)):
        if condition():
            return
        await asyncio.sleep(_STEP)
    raise AssertionError("the condition did not come true in time")


async def eventually(ask: Callable[[], Awaitable[_Found | None]], seconds: float = 20) -> _Found:
    """The first answer that is not false; TimeoutError when there is none within `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            if found := await ask():
                return found
            await asyncio.sleep(_PAUSE)
