"""The worker's own line to the control plane: mTLS, dialled again with each new certificate."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NoReturn, TypeVar

import grpc
import grpc.aio

from stackly.v1 import worker_registry_pb2_grpc
from stackly.worker.v1 import worker_task_service_pb2_grpc
from stackly_worker import wire
from stackly_worker.runner.clock import Clock

if TYPE_CHECKING:
    from stackly.v1.worker_registry_pb2_grpc import WorkerRegistryAsyncStub
    from stackly.worker.v1.worker_task_service_pb2_grpc import WorkerTaskServiceAsyncStub

_GRACE = 60.0  # seconds that calls under way have on a channel that was replaced
_BACK_OFF = (0.1, 0.5, 1.0, 2.0, 5.0)
_GONE = {"WORKER_UNKNOWN", "CERTIFICATE_INVALID"}
_AGAIN = {
    grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL,
    grpc.StatusCode.ABORTED, grpc.StatusCode.RESOURCE_EXHAUSTED,
}  # fmt: skip
CALL = 30.0  # seconds of a call

_Answer = TypeVar("_Answer")


class ForgottenError(Exception):
    """The control plane does not know this worker or its certificate any more: it must register again."""


class BannedError(Exception):
    """The worker, or its key, is banned."""


class Line:
    """Stubs over one mTLS channel; `redial` swaps the channel beneath them."""

    registry: "WorkerRegistryAsyncStub"
    tasks: "WorkerTaskServiceAsyncStub"

    def __init__(self, address: str, ca: bytes, identity: wire.Identity) -> None:
        self._address = address
        self._closing: set[asyncio.Task[None]] = set()
        self._dial(ca, identity)

    def redial(self, ca: bytes, identity: wire.Identity) -> None:
        """Further calls go over a new channel; calls under way end on the old one."""
        closing = asyncio.create_task(self._channel.close(_GRACE))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        self._dial(ca, identity)

    async def close(self) -> None:
        await self._channel.close()

    def _dial(self, ca: bytes, identity: wire.Identity) -> None:
        self._channel = wire.open_channel(self._address, ca, identity)
        self.registry = worker_registry_pb2_grpc.WorkerRegistryStub(self._channel)
        self.tasks = worker_task_service_pb2_grpc.WorkerTaskServiceStub(self._channel)


def judged(error: grpc.aio.AioRpcError) -> Exception:
    """What a failed call means for the worker itself; the error as it is when it means nothing to it."""
    reason = wire.reason(error)
    if reason == "WORKER_BANNED":
        return BannedError(error.details() or "this worker is banned")
    if reason in _GONE or error.code() is grpc.StatusCode.UNAUTHENTICATED:
        return ForgottenError(error.details() or "the control plane does not know this worker")
    return error


def give_up(error: grpc.aio.AioRpcError) -> NoReturn:
    """Raise what a failed call means; never an error that is its own cause, which Temporal could not tell."""
    meaning = judged(error)
    if meaning is error:
        raise error
    raise meaning from error


def passing(error: grpc.aio.AioRpcError) -> bool:
    """Whether the same call may succeed later."""
    return error.code() in _AGAIN


async def patient(call: Callable[[], Awaitable[_Answer]], clock: Clock, patience: float) -> _Answer:
    """Make a repeatable call until it is answered, at most `patience` seconds; the last error afterwards."""
    until, attempt = clock.monotonic() + patience, 0
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            pause = _BACK_OFF[min(attempt, len(_BACK_OFF) - 1)]
            if not passing(error) or clock.monotonic() + pause > until:
                raise
            await clock.sleep(pause)
            attempt += 1
