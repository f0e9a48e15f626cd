"""Reads HCL by a resident child process with bounds of time and memory, started at first use and again after a kill."""

from __future__ import annotations

import asyncio
import json
import os
import struct
import sys
from pathlib import Path

import stackly_server
from stackly_server import limits
from stackly_server.hcl.document import Document, HclError, Place, document_from_wire, lines_of, problem_at

START_SECONDS = 60.0
"""Time for the child to start and to build its grammar (1.7 s on an idle machine, less with python-hcl2's cache)."""

_HEADER = struct.Struct(">I")
_BEGINNING = Place(1, 1)


class HclReader:
    """The way to parse HCL in a server process; one file at a time. Close it before the loop ends."""

    def __init__(
        self, cpu_seconds: float = limits.HCL_CPU_SECONDS, wall_seconds: float = limits.HCL_WALL_SECONDS
    ) -> None:
        self._cpu_seconds = cpu_seconds
        self._wall_seconds = wall_seconds
        self._child: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def read(self, data: bytes) -> Document:
        """The document of a file of at most 64 KiB, nested at most 32 deep.

        Raises:
            HclError: too large, not HCL as Terraform reads it, or too costly to parse.
            RuntimeError: the child cannot be started.
        """
        lines = lines_of(data)
        if len(data) > limits.HCL_FILE_BYTES:
            message = f"the file has {len(data)} bytes; at most {limits.HCL_FILE_BYTES} are allowed"
            raise HclError([problem_at(lines, _BEGINNING, message)])
        answer = await self._ask(data)
        if answer is None:
            message = f"the file takes more than {self._cpu_seconds:g} s or 256 MiB to parse"
            raise HclError([problem_at(lines, _BEGINNING, message)])
        content = json.loads(answer)
        if "error" in content:
            raise HclError([problem_at(lines, Place(content["line"], content["column"]), content["error"])])
        return document_from_wire(content["document"], lines)

    async def warm(self) -> None:
        """Starts the child ahead of its first use."""
        async with self._turn:
            await self._started()

    async def close(self) -> None:
        """Ends the child; a later `read` would start another."""
        async with self._turn:
            await self._kill()

    async def _ask(self, data: bytes) -> bytes | None:
        """The child's answer, or None when it died or was killed over this file."""
        async with self._turn:
            child = await self._started()
            try:
                async with asyncio.timeout(self._wall_seconds):
                    return await _exchange(child, data)
            except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
                await self._kill()
                return None
            except asyncio.CancelledError:
                await self._kill()  # else the next reader would get this file's answer
                raise

    async def _started(self) -> asyncio.subprocess.Process:
        if self._child is not None and self._child.returncode is None:
            return self._child
        self._child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "stackly_server.hcl.child", str(self._cpu_seconds)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=_environment(),
        )
        try:
            async with asyncio.timeout(START_SECONDS):
                await _answer(self._child)
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            await self._kill()
            message = "the process that parses HCL does not start; its message is on this process's standard error"
            raise RuntimeError(message) from error
        return self._child

    async def _kill(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if child.returncode is None:
            child.kill()
        await child.wait()


async def _exchange(child: asyncio.subprocess.Process, data: bytes) -> bytes:
    if child.stdin is None:
        message = "the child has no input"
        raise RuntimeError(message)
    child.stdin.write(_HEADER.pack(len(data)) + data)
    await child.stdin.drain()
    return await _answer(child)


async def _answer(child: asyncio.subprocess.Process) -> bytes:
    if child.stdout is None:
        message = "the child has no output"
        raise RuntimeError(message)
    (length,) = _HEADER.unpack(await child.stdout.readexactly(_HEADER.size))
    return await child.stdout.readexactly(length)


def _environment() -> dict[str, str]:
    """Nothing of ours but where the code is: the child needs no secret."""
    here = str(Path(stackly_server.__file__).parent.parent)
    return {"PATH": os.defpath, "PYTHONPATH": here, "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"}
