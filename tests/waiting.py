"""Waiting for a condition, bounded, without a fixed sleep."""

import asyncio
from collections.abc import Callable

_STEP = 0.01


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Return as soon as the condition holds; AssertionError when it has not within `seconds`."""
    for _ in range(int(seconds / _STEP)):
        if condition():
            return
        await asyncio.sleep(_STEP)
    raise AssertionError("the condition did not come true in time")
