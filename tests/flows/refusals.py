"""What a caller is told when something is refused, and programs that are refused."""

import asyncio
import sys
from collections.abc import Awaitable
from dataclasses import dataclass

import pytest

from flows.platform import Platform
from stackly_sdk import StacklyError


async def refused(call: Awaitable[object], reason: str, *words: str) -> StacklyError:
    """The error of a call that must be refused for a reason, with all of these words in what a person reads."""
    with pytest.raises(StacklyError) as caught:
        await call
    assert caught.value.reason == reason, caught.value
    for word in words:
        assert word in str(caught.value), caught.value
    return caught.value


@dataclass(frozen=True)
class Said:
    """What the CLI printed, and its exit code."""

    code: int
    out: str
    words: str


async def stackly(platform: Platform, *arguments: str, **environment: str) -> Said:
    """`stackly`, as the owner unless the environment says otherwise."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stackly_sdk.cli", *arguments, env=platform.environment(**environment),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, words = await process.communicate()
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), words.decode())
