"""Server streams that resume: a cut, a silence or a restart of the server is not seen by whoever iterates them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Generic, TypeVar

from stackly_sdk.decoding import error_of_call, error_of_status
from stackly_sdk.retries import Attempts
from stackly_sdk.statuses import StacklyError, Unavailable
from stackly_sdk.tasks import RpcError, next_record, sleep
from stackly_sdk.wire import StreamMethod

Q = TypeVar("Q")
R = TypeVar("R")


class AsyncStream(Generic[Q, R]):
    """The records of a stream. Heartbeats are left out; of end records only the last is given.

    `position` is where it goes on: the resume token or the offset behind the last record.
    """

    def __init__(
        self,
        method: StreamMethod[Q, R],
        request: Q,
        start: Callable[[StreamMethod[Q, R], Q], Awaitable[Any]],
        attempts: Attempts,
        silence: float,
    ) -> None:
        self._method = method
        self._request = request
        self._start = start
        self._attempts = attempts
        self._silence = silence
        self._given = 0
        self.resumed = 0

    @property
    def position(self) -> str | int | None:
        """None for a stream that cannot be resumed."""
        if self._method.resume is None:
            return None
        position: str | int = getattr(self._request, self._method.resume[0])
        return position

    async def __aiter__(self) -> AsyncIterator[R]:
        over = False
        while not over:
            try:
                async for record in self._one_connection():
                    over = self._is_last(record)
                    if over or getattr(record, "end", None) is None:
                        self._given += 1
                        yield record
                if not over:
                    await sleep(self._attempts.pause)  # a server that ends each stream at once is not stormed
            except StacklyError as error:
                delay = self._attempts.delay(error)
                if delay is None or (self._method.resume is None and self._given):
                    raise
                await sleep(delay)
            self.resumed += not over

    async def _one_connection(self) -> AsyncIterator[R]:
        """The records up to the end record, heartbeats left out. Raises StacklyError, Unavailable for a cut."""
        call: Any = None
        try:
            call = await self._start(self._method, self._request)
            while (record := await next_record(call, self._silence)) is not None:
                self._advance(record)
                if getattr(record, "heartbeat", None) is None:
                    yield record
                if getattr(record, "end", None) is not None:
                    return
        except RpcError as error:
            raise error_of_call(error) from None
        finally:
            if call is not None:
                call.cancel()
        raise Unavailable("the stream was cut before its end record")

    def _advance(self, record: Any) -> None:
        if getattr(record, "end", None) is None:
            self._attempts.succeeded()
        if self._method.resume is None:
            return
        asked, told = self._method.resume
        if position := getattr(record, told):
            setattr(self._request, asked, position)

    def _is_last(self, record: Any) -> bool:
        """Whether nothing follows. Raises what an end record says, unless it says OK."""
        end = getattr(record, "end", None)
        if end is None:
            return False
        status: Any = getattr(end, "status", end)
        if status is not None and status.code:
            raise error_of_status(status)
        if self._method.ends is not None:
            return self._method.ends(self._request, end)
        return self._method.resume is None
