"""The bounded child that parses HCL: frames of bytes in, frames of JSON out. Started as a module, never imported."""

from __future__ import annotations

import json
import resource
import signal
import struct
import sys
from typing import Any, BinaryIO

from hcl2.api import parses_to_tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from stackly_server import limits
from stackly_server.hcl.text import STRING_OVER_LINE, unclosed_string
from stackly_server.hcl.tree import SourceError, TreeReader

HEADER = struct.Struct(">I")
"""Each frame, either way: its length in bytes, then its bytes."""

_ALLOWED_CONTROLS = frozenset("\t\n\r")


def parse(data: bytes) -> dict[str, Any]:
    """The answer to one file: `{"document": …}`, or `{"error": message, "line": …, "column": …}`."""
    try:
        source = _source(data)
        reader = TreeReader(source + "\n")
        return {"document": reader.document(parses_to_tree(source))}
    except SourceError as error:
        text = data.decode("utf-8", errors="replace")
        line, column = TreeReader(text).place(min(error.offset, len(text)))
        return _error(error.message, line, column)
    except UnexpectedInput as error:
        quote = unclosed_string(text := data.decode("utf-8"))
        if quote is not None:
            return _error(STRING_OVER_LINE, *TreeReader(text).place(quote))
        return _error(_unexpected(error), max(error.line, 1), max(error.column, 1))


def _source(data: bytes) -> str:
    try:
        source = data.decode("utf-8")
    except UnicodeDecodeError as error:
        message = "the file is not UTF-8"
        raise SourceError(message, len(data[: error.start].decode("utf-8"))) from error
    for offset, character in enumerate(source):
        lone_return = character == "\r" and source[offset + 1 : offset + 2] != "\n"
        if lone_return or (character < " " and character not in _ALLOWED_CONTROLS) or character in "\x7f\ufeff":
            message = f"the character U+{ord(character):04X} is not allowed here"
            raise SourceError(message, offset)
    return source


def _unexpected(error: UnexpectedInput) -> str:
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        text = str(error.token).strip().split("\n")[0]
        return f"{text[:40]!r} is not expected here" if text else "the line ends too early"
    if isinstance(error, UnexpectedCharacters):
        return f"{error.char!r} is not expected here (an unclosed string or bracket?)"
    return "the file ends too early: a string, bracket or block is not closed"


def _error(message: str, line: int, column: int) -> dict[str, Any]:
    return {"error": message, "line": line, "column": column}


def _read_exactly(stream: BinaryIO, count: int) -> bytes | None:
    data = stream.read(count)
    return data if len(data) == count else None


def _serve(stdin: BinaryIO, stdout: BinaryIO, cpu_seconds: float) -> None:
    """Answers requests until the input ends; one that takes more CPU than allowed ends the process by SIGPROF."""
    while (header := _read_exactly(stdin, HEADER.size)) is not None:
        data = _read_exactly(stdin, HEADER.unpack(header)[0])
        if data is None:
            return
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        answer = json.dumps(parse(data)).encode()
        signal.setitimer(signal.ITIMER_PROF, 0)
        stdout.write(HEADER.pack(len(answer)) + answer)
        stdout.flush()


def main() -> None:
    """Warms the grammar, says so by an empty frame, then serves."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parses_to_tree("")
    resource.setrlimit(resource.RLIMIT_AS, (limits.HCL_MEMORY_BYTES, limits.HCL_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout.buffer.write(HEADER.pack(0))
    sys.stdout.buffer.flush()
    _serve(sys.stdin.buffer, sys.stdout.buffer, float(sys.argv[1]))


if __name__ == "__main__":
    main()
