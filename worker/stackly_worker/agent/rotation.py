"""When a certificate is renewed: pure times, and the loop that keeps to them."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import grpc.aio

from stackly_worker.agent.line import BannedError, ForgottenError, judged
from stackly_worker.runner.clock import Clock

HALF, SPREAD = 0.5, 0.1  # of the life; the half is moved by up to a tenth, so that a fleet does not come at once
_NAP = 30.0
_PAUSE = 1.0  # seconds between two tries at least, however short the life
_RETRIES = (0.625, 0.75, 0.8, 0.85, 0.9, 0.92, 0.94, 0.96, 0.98)  # dense at the end: a CA may be away for long


def moments(begins: float, ends: float, chance: float) -> list[float]:
    """Seconds since the epoch at which to try, in order; `chance` from 0 to 1 spreads the first."""
    first = HALF * (1 - SPREAD + 2 * SPREAD * chance)
    return [begins + share * (ends - begins) for share in (first, *_RETRIES) if share >= first]


@dataclass
class Rotation:
    """Renews in time. `life` gives the current certificate's; `renew` gets a new one and puts it to use.

    ForgottenError when the certificate ran out before anybody renewed it; BannedError.
    """

    clock: Clock
    life: Callable[[], tuple[float, float]]
    renew: Callable[[], Awaitable[None]]
    chance: random.Random = field(default_factory=random.SystemRandom)
    _asked: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self) -> None:
        """Renew now, by directive."""
        self._asked.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._one_life()

    async def _one_life(self) -> None:
        begins, ends = self.life()
        for moment in moments(begins, ends, self.chance.random()):
            await self._until(moment)
            if await self._renewed():
                return
        await self._until(ends)
        if self.life()[1] == ends:
            raise ForgottenError("the certificate ran out before the control plane renewed it")

    async def _until(self, moment: float) -> None:
        """Wait for the moment, or until a directive asks. In short naps: a machine that slept must not be late by that."""
        await self._nap(_PAUSE)
        while (left := moment - self.clock.wall()) > 0 and not self._asked.is_set():
            await self._nap(min(left, _NAP))
        self._asked.clear()

    async def _nap(self, seconds: float) -> None:
        napping, asked = asyncio.create_task(self.clock.sleep(seconds)), asyncio.create_task(self._asked.wait())
        try:
            await asyncio.wait({napping, asked}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            napping.cancel()
            asked.cancel()

    async def _renewed(self) -> bool:
        try:
            await self.renew()
        except grpc.aio.AioRpcError as error:
            meaning = judged(error)
            if isinstance(meaning, BannedError | ForgottenError):
                raise meaning from error
            return False  # the next moment comes
        return True
