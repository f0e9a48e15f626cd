"""The main job by the Python SDK, asyncio and blocking."""

import asyncio
from typing import Any, Self

from flows.platform import ACCOUNT, Platform
from flows.ways.way import ENOUGH, from_bytes
from stackly_sdk import Stackly, StacklyError


class AsyncSdk:
    """`AsyncStackly`."""

    def __init__(self, platform: Platform, api_key: str = "") -> None:
        self._client = platform.client(api_key)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def desired_commit(self, stack: str) -> str:
        try:
            return (await self._client.stacks.get(stack)).raw.desired_commit
        except StacklyError as error:
            if error.reason != "NOT_FOUND":
                raise
            return ""

    async def runs_of(self, stack: str, commit: str) -> list[str]:
        return [run.name async for run in self._client.runs.list(stack, commit=commit)]

    async def planned(self, run: str) -> str:
        return (await (await self._client.runs.get(run)).wait("planned", ENOUGH, approval="wait")).plan_digest

    async def approve(self, run: str, digest: str) -> None:
        await (await self._client.runs.get(run)).approve(plan_digest=digest, comment="by the SDK")

    async def log(self, run: str) -> str:
        return "".join([f"{line}\n" async for line in (await self._client.runs.get(run)).logs()])

    async def applied(self, run: str) -> None:
        ended = await (await self._client.runs.get(run)).wait("done", ENOUGH, approval="wait")
        assert ended.status.name == "APPLIED"

    async def outputs(self, stack: str) -> dict[str, Any]:
        return await (await self._client.stacks.get(stack)).outputs()

    async def read(self, run: str) -> dict[str, Any]:
        return from_bytes(bytes((await self._client.runs.get(run)).raw))


class BlockingSdk:
    """`Stackly`, in threads of the test's."""

    def __init__(self, platform: Platform) -> None:
        self._client = Stackly(
            endpoint=platform.url, api_key=platform.api_key, ca_file=platform.ca, account=ACCOUNT, timeout=60
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._client.close)

    async def desired_commit(self, stack: str) -> str:
        def find() -> str:
            try:
                return self._client.stacks.get(stack).raw.desired_commit
            except StacklyError as error:
                if error.reason != "NOT_FOUND":
                    raise
                return ""

        return await asyncio.to_thread(find)

    async def runs_of(self, stack: str, commit: str) -> list[str]:
        return await asyncio.to_thread(lambda: [run.name for run in self._client.runs.list(stack, commit=commit)])

    async def planned(self, run: str) -> str:
        def wait() -> str:
            return self._client.runs.get(run).wait("planned", ENOUGH, approval="wait").plan_digest

        return await asyncio.to_thread(wait)

    async def approve(self, run: str, digest: str) -> None:
        await asyncio.to_thread(
            lambda: self._client.runs.get(run).approve(plan_digest=digest, comment="by the SDK, blocking")
        )

    async def log(self, run: str) -> str:
        return await asyncio.to_thread(lambda: "".join(f"{line}\n" for line in self._client.runs.get(run).logs()))

    async def applied(self, run: str) -> None:
        ended = await asyncio.to_thread(lambda: self._client.runs.get(run).wait("done", ENOUGH, approval="wait"))
        assert ended.status.name == "APPLIED"

    async def outputs(self, stack: str) -> dict[str, Any]:
        return await asyncio.to_thread(lambda: self._client.stacks.get(stack).outputs())

    async def read(self, run: str) -> dict[str, Any]:
        return from_bytes(bytes(await asyncio.to_thread(lambda: self._client.runs.get(run).raw)))
