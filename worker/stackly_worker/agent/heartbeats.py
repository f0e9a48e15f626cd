"""Signs of life as a long poll: what the control plane wants is obeyed as soon as it says so."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import grpc.aio

from stackly.v1 import worker_registry_pb2 as messages
from stackly_worker.agent.line import CALL, Line, give_up, passing
from stackly_worker.runner.clock import Clock

WAIT = 20  # seconds a heartbeat waits for directives
_RUNS = 1000
_BACK_OFF = (0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass
class Heartbeats:
    """`obey` carries directives out; they are acknowledged by the next heartbeat, so a crash repeats them.

    `engines` are the names of those that are here now: others than were proved have to be proved.
    ForgottenError or BannedError end it.
    """

    line: Line
    clock: Clock
    running: Callable[[], Iterable[str]]
    obey: Callable[[messages.HeartbeatResponse], Awaitable[None]]
    engines: Callable[[], Awaitable[tuple[str, ...]]]
    acknowledged: int = 0
    _first: bool = True
    _failures: int = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.once(WAIT)

    async def once(self, wait: int) -> None:
        request = messages.HeartbeatRequest(
            running_runs=sorted(self.running())[:_RUNS],
            acknowledged=self.acknowledged,
            wait_seconds=0 if self._first else wait,
            first=self._first,
            engines=await self.engines(),
        )
        try:
            answer = await self.line.registry.Heartbeat(request, timeout=wait + CALL)
        except grpc.aio.AioRpcError as error:
            await self._failed(error)
            return
        self._failures = 0
        if self._first or answer.sequence != self.acknowledged:
            await self.obey(answer)
        self.acknowledged, self._first = answer.sequence, False

    async def _failed(self, error: grpc.aio.AioRpcError) -> None:
        """Others are waited out; a certificate that ran out cannot even open the channel, which rotation watches."""
        if not passing(error):
            give_up(error)
        pause = _BACK_OFF[min(self._failures, len(_BACK_OFF) - 1)]
        self._failures += 1
        await self.clock.sleep(pause)
