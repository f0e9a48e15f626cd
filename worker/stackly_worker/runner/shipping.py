"""Sends the log and the state versions while Terraform runs; outages delay them, never Terraform."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from stackly_worker.runner import limits
from stackly_worker.runner.clock import Clock
from stackly_worker.runner.logspool import LogSpool
from stackly_worker.runner.place import Place
from stackly_worker.runner.ports import (
    ControlPlane,
    LeaseLostError,
    PlaneRefusedError,
    PlaneUnavailableError,
    StateRefusedError,
)
from stackly_worker.runner.statewatch import StateVersion

_BACK_OFF = (0.1, 0.5, 1.0, 2.0, 5.0)  # seconds, the last again and again
PATIENCE = 900.0  # seconds a call that must not be lost is tried again
# Terraform writes the whole state at each resource. Large ones are thinned out, to at most one second between two.
_STATE_RATE = 4 * limits.MIB  # bytes a second
_LONGEST_PAUSE = 1.0
# Terraform's last two versions come within milliseconds, then it ends. The one before the last is not worth a trip that
# the last one would wait for; it lies in the place meanwhile.
_LINGER = 0.025
LOG_PATIENCE = 30.0  # the log may be lost, the run not: afterwards the spool stays on disk


_Answer = TypeVar("_Answer")


async def insist(call: Callable[[], Awaitable[_Answer]], clock: Clock, patience: float = PATIENCE) -> _Answer:
    """Make an idempotent call until the control plane answers; its answer, or the last PlaneUnavailableError after `patience`."""
    until, attempt = clock.monotonic() + patience, 0
    while True:
        try:
            return await call()
        except PlaneUnavailableError:
            pause = _BACK_OFF[min(attempt, len(_BACK_OFF) - 1)]
            if clock.monotonic() + pause > until:
                raise
            await clock.sleep(pause)
            attempt += 1


@dataclass
class LogShipper:
    """Sends the spool from `sent` on, chunk after chunk, as soon as it grows."""

    spool: LogSpool
    plane: ControlPlane
    clock: Clock
    sent: int = 0
    _grown: asyncio.Event = field(default_factory=asyncio.Event)
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)  # two senders would count the same bytes twice

    def poke(self) -> None:
        self._grown.set()

    async def run(self) -> None:
        """Until cancelled. A lost lease or a refusal ends it: the log of a batch that is not ours goes nowhere."""
        while True:
            await self._grown.wait()
            self._grown.clear()
            try:
                await self.flush(PATIENCE)
            except PlaneUnavailableError:
                self._grown.set()
            except (LeaseLostError, PlaneRefusedError):
                return

    async def flush(self, patience: float = LOG_PATIENCE) -> None:
        """Send all there is; PlaneUnavailableError when that took longer than `patience`."""
        async with self._sending:
            while data := self.spool.read(self.sent, limits.LOG_CHUNK):
                await insist(partial(self.plane.append_log, self.sent, data), self.clock, patience)
                self.sent += len(data)


@dataclass
class StateShipper:
    """Sends the newest state version; one that a newer overtook is skipped, the final one never."""

    place: Place
    plane: ControlPlane
    clock: Clock
    refused: bool = False
    _newest: StateVersion | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)
    _accepted: str = ""

    def offer(self, version: StateVersion) -> None:
        self.place.keep(version)
        self._newest = version
        self._news.set()

    def end(self) -> None:
        """Terraform has ended: what is being sent is sent, nothing else is begun."""
        self._ended.set()
        self._news.set()

    async def run(self) -> None:
        """Until `end`."""
        while True:
            await self._news.wait()
            await self._pause(_LINGER)
            self._news.clear()
            if self._ended.is_set():
                return
            if (version := self._newest) is not None:
                await self._send(version)
                await self._pause(min(_LONGEST_PAUSE, len(version.document) / _STATE_RATE))

    async def send_final(self, version: StateVersion) -> None:
        """PlaneUnavailableError after 15 minutes; the version then lies in the place for whoever comes next.

        One that was taken as the last of those before is not sent again.
        """
        self.place.keep(version)
        if version.sha256 == self._accepted:
            return
        await insist(lambda: self._send_once(version, final=True), self.clock)

    async def send_dump(self, version: StateVersion) -> None:
        await insist(lambda: self.plane.write_state(version, final=False, kind="dump"), self.clock)

    async def _send(self, version: StateVersion) -> None:
        try:
            await self._send_once(version, final=False)
        except PlaneUnavailableError:
            await self._pause(_BACK_OFF[1])
            self._news.set()

    async def _pause(self, seconds: float) -> None:
        """Cut short when Terraform ends."""
        sleeping, ending = asyncio.create_task(self.clock.sleep(seconds)), asyncio.create_task(self._ended.wait())
        await asyncio.wait({sleeping, ending}, return_when=asyncio.FIRST_COMPLETED)
        sleeping.cancel()
        ending.cancel()

    async def _send_once(self, version: StateVersion, *, final: bool) -> None:
        """A refusal (quarantine) or a lost lease is an answer too: the bytes are kept, there or in the place here."""
        try:
            await self.plane.write_state(version, final=final)
        except (StateRefusedError, PlaneRefusedError, LeaseLostError):
            self.refused = True
        else:
            self.place.accepted(version.sha256)
            self._accepted = version.sha256
