"""Carries calls: tokens, deadlines, retries; one channel for short calls, one for streams."""

import copy
import os
import time
import uuid
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from stackly_sdk.aio.pages import AsyncPager, Page
from stackly_sdk.aio.streams import AsyncStream
from stackly_sdk.channel import Target
from stackly_sdk.decoding import error_of_call
from stackly_sdk.retries import Attempts, Budget, RetryPolicy
from stackly_sdk.statuses import LoginRequired, StacklyError
from stackly_sdk.tasks import Channel, RpcError, close_channel, open_channel, sleep
from stackly_sdk.tracing import told
from stackly_sdk.wire import Idempotency, StreamMethod, UnaryMethod

Q = TypeVar("Q")
R = TypeVar("R")
T = TypeVar("T")

DEFAULT_TIMEOUT = 10.0
# Three heartbeats of the server.
SILENCE_SECONDS = 45.0
_STALE = ("TOKEN_EXPIRED", "TOKEN_INVALID")


class AsyncTokenSource(Protocol):
    """Where access tokens come from."""

    async def token(self) -> str:
        """A token that is good for some seconds more. Raises LoginRequired or another StacklyError."""
        ...

    def forget(self, token: str) -> bool:
        """Told that the server refused this token; True when another can be had."""
        ...


class AsyncConnections:
    """The channels to one server, opened at first use. A given channel is used for both and left open."""

    def __init__(self, target: Target | None, channel: Channel | None = None) -> None:
        self._target = target
        self._given = channel
        self._open: dict[bool, Channel] = {}
        self._process = os.getpid()

    def channel(self, *, streams: bool) -> Channel:
        """Raises RuntimeError in a forked child: gRPC's threads are not there."""
        if os.getpid() != self._process:
            raise RuntimeError("a Stackly client cannot be used after fork(): make a new one in the child")
        if self._given is not None:
            return self._given
        if self._target is None:
            raise RuntimeError("the client is closed")
        if streams not in self._open:
            self._open.setdefault(streams, open_channel(self._target, streams=streams))
        return self._open[streams]

    async def close(self) -> None:
        self._target = self._given = None
        while self._open:
            await close_channel(self._open.popitem()[1])


class AsyncTransport:
    """What the generated clients call. `timeout` is the default for one call with its retries, in seconds."""

    def __init__(
        self,
        connections: AsyncConnections,
        tokens: AsyncTokenSource | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        policy: RetryPolicy | None = None,
        silence: float = SILENCE_SECONDS,
    ) -> None:
        self._connections = connections
        self._tokens = tokens
        self._timeout = timeout
        self._policy = policy or RetryPolicy()
        self._silence = silence
        self._budget = Budget()

    async def unary(self, method: UnaryMethod[Q, R], request: Q, timeout: float | None = None) -> R:  # noqa: ASYNC109  # gRPC keeps it
        """Raises StacklyError: what the last attempt said."""
        self._budget.earn()
        attempts = self._attempts(method.idempotency, self._timeout if timeout is None else timeout, self._budget)
        request_id = str(uuid.uuid4())
        while True:
            try:
                return await self._attempt(method, request, attempts, request_id)
            except StacklyError as error:
                error.request_id = error.request_id or request_id
                delay = attempts.delay(error)
                if delay is None:
                    raise
            await sleep(delay)

    def pages(
        self, method: UnaryMethod[Q, R], request: Q, timeout: float | None, items: Callable[[R], list[T]]
    ) -> AsyncPager[T]:
        async def fetch(token: str) -> Page[T]:
            asked: Any = copy.copy(request)
            asked.page_token = token
            response: Any = await self.unary(method, asked, timeout)
            return Page(items(response), response.next_page_token)

        first: str = getattr(request, "page_token", "")
        return AsyncPager(fetch, first)

    def stream(self, method: StreamMethod[Q, R], request: Q, timeout: float | None = None) -> AsyncStream[Q, R]:
        attempts = self._attempts(method.idempotency, timeout, None)

        async def start(method: StreamMethod[Q, R], request: Q) -> Any:
            return await self._start(method, request, attempts)

        return AsyncStream(method, request, start, attempts, self._silence)

    def _attempts(self, idempotency: Idempotency, timeout: float | None, budget: Budget | None) -> Attempts:
        deadline = None if timeout is None else time.monotonic() + timeout
        return Attempts(self._policy, idempotency, deadline, budget)

    async def _attempt(self, method: UnaryMethod[Q, R], request: Q, attempts: Attempts, request_id: str) -> R:
        """One attempt; a second one when the server refuses a token that was good when it was fetched."""
        token = await self._token(anonymous=method.anonymous)
        try:
            return await self._call(method, request, attempts, request_id, token)
        except LoginRequired as error:
            if not self._is_stale(error, token):
                raise
        token = await self._token(anonymous=method.anonymous)
        return await self._call(method, request, attempts, request_id, token)

    async def _call(self, method: UnaryMethod[Q, R], request: Q, attempts: Attempts, request_id: str, token: str) -> R:
        channel: Any = self._connections.channel(streams=False)
        response_type: Any = method.response
        call = channel.unary_unary(
            method.path, request_serializer=bytes, response_deserializer=response_type.FromString
        )
        with told(method.path, request_id):
            try:
                response: R = await call(request, timeout=attempts.left(), metadata=_metadata(token, request_id))
            except RpcError as error:
                raise error_of_call(error) from None
        return response

    async def _start(self, method: StreamMethod[Q, R], request: Q, attempts: Attempts) -> Any:
        token = await self._token(anonymous=False)
        channel: Any = self._connections.channel(streams=True)
        response_type: Any = method.response
        call = channel.unary_stream(
            method.path, request_serializer=bytes, response_deserializer=response_type.FromString
        )
        return call(request, timeout=attempts.left(), metadata=_metadata(token, str(uuid.uuid4())))

    async def _token(self, *, anonymous: bool) -> str:
        return "" if anonymous or self._tokens is None else await self._tokens.token()

    def _is_stale(self, error: LoginRequired, token: str) -> bool:
        return bool(token) and error.reason in _STALE and self._tokens is not None and self._tokens.forget(token)


def _metadata(token: str, request_id: str) -> list[tuple[str, str]]:
    pairs = [("x-request-id", request_id)]
    return [*pairs, ("authorization", f"Bearer {token}")] if token else pairs
