"""What a test does with a stack, as a user would: push, find the run, approve, wait, export."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.ledger import Ledger
from flows.platform import Platform
from flows.repository import FlowRepository
from stackly_sdk import AsyncRun, AsyncStack, AsyncStackly, StacklyError
from stackly_sdk.outcomes import RunNotReached
from waiting import eventually

ENOUGH = 120  # seconds for one step of a run, on a machine that others use too


@dataclass(frozen=True)
class Job:
    """A repository of one test, and the owner's client."""

    platform: Platform
    owner: AsyncStackly
    repository: FlowRepository
    folder: Path

    def ledger(self, word: str = "slow", **how: Any) -> Ledger:
        """A slow stack that is not pushed yet."""
        return Ledger(self.platform.name(word), self.folder / "ledger", **how)

    async def push(self, files: Mapping[str, str]) -> str:
        return await asyncio.to_thread(self.repository.push, files)

    async def stack(self, name: str, commit: str) -> AsyncStack:
        """The stack state, once it knows the commit."""

        async def find() -> AsyncStack | None:
            try:
                found = await self.owner.stacks.get(name)
            except StacklyError as error:
                if error.reason != "NOT_FOUND":
                    raise
                return None
            return found if found.raw.desired_commit == commit else None

        return await eventually(find, ENOUGH)

    async def run_of(self, stack: str, commit: str) -> AsyncRun:
        """The run that the push of a commit made."""
        await self.stack(stack, commit)

        async def find() -> AsyncRun | None:
            found = [run async for run in self.owner.runs.list(stack, commit=commit)]
            return found[0] if found else None

        return await eventually(find, ENOUGH)

    async def pushed(self, ledger: Ledger, turn: str = "1") -> AsyncRun:
        """The run of a push of the slow stack."""
        return await self.run_of(ledger.stack, await self.push(ledger.tree(turn)))

    async def confirmed(self, run: AsyncRun) -> AsyncRun:
        """Waits for the plan and approves it."""
        await run.wait("waiting", ENOUGH)
        return await run.approve()

    async def applying(self, run: AsyncRun, ledger: Ledger, begun: int) -> None:
        """Waits until so many resources have begun, and one is under way."""

        async def look() -> bool:
            return len(ledger.begun()) >= begun and len(ledger.begun()) > len(ledger.ended())

        await eventually(look, ENOUGH)

    async def applied(self, run: AsyncRun) -> AsyncRun:
        """Waits for the end; RunFailed says why it was not applied."""
        await run.wait("done", ENOUGH)
        assert run.status.name == "APPLIED"
        return run

    async def ended(self, run: AsyncRun, *, seconds: float = ENOUGH) -> AsyncRun:
        """Waits for whatever end."""
        try:
            return await run.wait("done", seconds, approval="wait")
        except RunNotReached:
            return await run.refresh()

    async def state(self, stack: str) -> bytes:
        return await self.owner.state(stack).export()
