# Generated from aio/logs.py by protoc-gen-stackly-sdk; do not edit.
"""The log of a run, line by line."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stackly_sdk._gen.blocking.streams import Stream

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import TailRunLogsRequest, TailRunLogsResponse


def lines_of(records: "Stream[TailRunLogsRequest, TailRunLogsResponse]") -> Iterator[str]:
    """Lines without their ends. The last one may be unfinished when the log is."""
    rest = ""
    for record in records:
        if record.chunk is None:
            continue
        *lines, rest = (rest + record.chunk.text).split("\n")
        for line in lines:
            yield line
    if rest:
        yield rest
