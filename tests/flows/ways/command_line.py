"""The main job by `stackly`, each step a process."""

import asyncio
import json
import sys
from typing import Any, Self

from flows.platform import Platform
from flows.ways.way import ENOUGH, from_json

_NOT_FOUND = 1


class CommandLine:
    """`stackly` with an API key in its environment."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing stays open."""

    async def desired_commit(self, stack: str) -> str:
        code, out, words = await self._run("stacks", "show", stack, "--json")
        if code == _NOT_FOUND and "NOT_FOUND" in words:
            return ""
        assert code == 0, words
        return str(json.loads(out)["desiredCommit"])

    async def runs_of(self, stack: str, commit: str) -> list[str]:
        return [run["name"] for run in await self._json("runs", "list", stack) if run["toCommit"] == commit]

    async def planned(self, run: str) -> str:
        found = await self._json("runs", "wait", run, "--until", "planned", "--timeout", f"{ENOUGH}s")
        return str(found["planDigest"])

    async def approve(self, run: str, digest: str) -> None:
        await self._json("runs", "approve", run, "--plan-digest", digest, "--yes", "--comment", "by the CLI")

    async def log(self, run: str) -> str:
        code, out, words = await self._run("runs", "logs", run, "--follow")
        assert code == 0, words
        return out

    async def applied(self, run: str) -> None:
        found = await self._json("runs", "wait", run, "--timeout", f"{ENOUGH}s", "--through-approval")
        assert found["status"] == "RUN_STATUS_APPLIED"

    async def outputs(self, stack: str) -> dict[str, Any]:
        return {name: each["value"] for name, each in (await self._json("outputs", stack)).items()}

    async def read(self, run: str) -> dict[str, Any]:
        return from_json(await self._json("runs", "show", run))

    async def _json(self, *arguments: str) -> Any:
        code, out, words = await self._run(*arguments, "--json")
        assert code == 0, words
        return json.loads(out)

    async def _run(self, *arguments: str) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "stackly_sdk.cli", "--timeout", "60", *arguments,
            env=self._platform.environment(), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, words = await asyncio.wait_for(process.communicate(), ENOUGH + 30)
        assert process.returncode is not None
        return process.returncode, out.decode(), words.decode()
