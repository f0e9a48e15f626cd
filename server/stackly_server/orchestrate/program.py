"""Runs the fleet, the relay and the sweeps, until SIGTERM or SIGINT; at most five seconds to stop."""

import asyncio
import logging
import os
import signal
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from stackly_server.clock import Clock
from stackly_server.orchestrate.fleet import Fleet
from stackly_server.orchestrate.sweeps import Sweep, repeat
from stackly_server.relay import Relay

STOP_SECONDS = 4.5

_log = logging.getLogger(__name__)


class Orchestrator:
    """`ready_file` holds our pid while every namespace has its worker; it is gone when we are not ready."""

    def __init__(
        self, fleet: Fleet, relay: Relay, sweeps: Sequence[Sweep], clock: Clock, ready_file: Path | None = None
    ) -> None:
        self._fleet = fleet
        self._relay = relay
        self._sweeps = sweeps
        self._clock = clock
        self._ready_file = ready_file
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Asks it to end; safe in a signal handler."""
        self._stopping.set()

    async def run(self) -> None:
        """Until `stop`. Raises what ended the fleet or the relay, which never end by themselves."""
        self._not_ready()
        loops: list[Coroutine[Any, Any, None]] = [self._fleet.run(), self._relay.run(), self._say_ready()]
        loops += [repeat(sweep, self._clock) for sweep in self._sweeps]
        tasks = [asyncio.create_task(loop) for loop in loops]
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            watched = [tasks[0], tasks[1], stopped]
            ended, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            self._not_ready()
            await self._end([*tasks, stopped])

    async def run_until_signal(self) -> None:
        """The same, with SIGTERM and SIGINT as the end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        await self.run()

    async def _say_ready(self) -> None:
        await self._fleet.ready.wait()
        _log.info("Ready.")
        if self._ready_file is not None:
            fresh = self._ready_file.with_suffix(".new")
            fresh.write_text(f"{os.getpid()}\n", encoding="ascii")
            fresh.replace(self._ready_file)

    def _not_ready(self) -> None:
        if self._ready_file is not None:
            self._ready_file.unlink(missing_ok=True)

    async def _end(self, tasks: list[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        ending = asyncio.gather(self._fleet.stop(), self._relay.finish(STOP_SECONDS))
        try:
            await asyncio.wait_for(ending, STOP_SECONDS)
        except TimeoutError:
            _log.warning("Not all work ended in time; it is done again elsewhere.")
