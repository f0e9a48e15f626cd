"""Finds a runner that stands still, such as one that was stopped by a signal: it never ends, and nobody else would end it."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import grpc.aio

from stackly_worker.agent.folders import BatchFolder
from stackly_worker.runner.clock import Clock

LOOK_SECONDS = 5.0
STILL_LOOKS = (
    3  # without a new sign of life, by this process's own count: a machine that slept is no runner that stands
)
_log = logging.getLogger(__name__)


@dataclass
class Standstill:
    """`lease_over` asks the control plane, which alone judges: one it cannot reach ends nobody."""

    folder: BatchFolder
    clock: Clock
    lease_over: Callable[[], Awaitable[bool]]
    _sign: int | None = None
    _still: int = 0

    async def watch(self) -> None:
        """Until it was found, and killed. One that moves is left alone, whatever its lease: its own calls tell it."""
        while True:
            await self.clock.sleep(LOOK_SECONDS)
            if self._stands() and await self._over():
                _log.warning("the runner in %s stands still and its lease is over: it is killed", self.folder.path)
                self.folder.kill_runner()
                return

    def _stands(self) -> bool:
        seen = self.folder.sign()
        self._still = self._still + 1 if seen == self._sign else 0
        self._sign = seen
        return self._still >= STILL_LOOKS

    async def _over(self) -> bool:
        try:
            return await self.lease_over()
        except grpc.aio.AioRpcError as error:
            _log.info("whether the lease of a runner that stands still is over cannot be asked: %s", error.details())
            return False
