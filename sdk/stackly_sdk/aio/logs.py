"""The log of a run, line by line."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from stackly_sdk.aio.streams import AsyncStream

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import TailRunLogsRequest, TailRunLogsResponse


async def lines_of(records: "AsyncStream[TailRunLogsRequest, TailRunLogsResponse]") -> AsyncIterator[str]:
    """Lines without their ends. The last one may be unfinished when the log is."""
    rest = ""
    async for record in records:
        if record.chunk is None:
            continue
        *lines, rest = (rest + record.chunk.text).split("\n")
        for line in lines:
            yield line
    if rest:
        yield rest
