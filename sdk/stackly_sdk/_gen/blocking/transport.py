# Generated from aio/transport.py by protoc-gen-stackly-sdk; do not edit.
"""Carries calls: tokens, deadlines, retries; one channel for short calls, one for streams."""

import copy
import os
import time
import uuid
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from stackly_sdk._gen.blocking.pages import Pager, Page
from stackly_sdk._gen.blocking.streams import Stream
from stackly_sdk.channel import Target
from stackly_sdk.decoding import error_of_call
from stackly_sdk.retries import Attempts, Budget, RetryPolicy
from stackly_sdk.statuses import LoginRequired, StacklyError
from stackly_sdk.threads import Channel, RpcError, close_channel, open_channel, sleep
from stackly_sdk.tracing import told
from stackly_sdk.wire import Idempotency, StreamMethod, UnaryMethod

Q = TypeVar("Q")
R = TypeVar("R")
T = TypeVar("T")

DEFAULT_TIMEOUT = 10.0
# Three heartbeats of the server.
SILENCE_SECONDS = 45.0
_STALE = ("TOKEN_EXPIRED", "TOKEN_INVALID")


class TokenSource(Protocol):
    """Where access tokens come from."""

    def token(self) -> str:
        """A token that is good for some seconds more. Raises LoginRequired or another StacklyError."""
        ...

    def forget(self, token: str) -> bool:
        """Told that the server refused this token; True when another can be had."""
        ...


class Connections:
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

    def close(self) -> None:
        self._target = self._given = None
        while self._open:
            close_channel(self._open.popitem()[1])


class Transport:
    """What the generated clients call. `timeout` is the default for one call with its retries, in seconds."""

    def __init__(
        self,
        connections: Connections,
        tokens: TokenSource | None = None,
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

    def unary(self, method: UnaryMethod[Q, R], request: Q, timeout: float | None = None) -> R:  # noqa: ASYNC109  # gRPC keeps it
        """Raises StacklyError: what the last attempt said."""
        self._budget.earn()
        attempts = self._attempts(method.idempotency, self._timeout if timeout is None else timeout, self._budget)
        request_id = str(uuid.uuid4())
        while True:
            try:
                return self._attempt(method, request, attempts, request_id)
            except StacklyError as error:
                error.request_id = error.request_id or request_id
                delay = attempts.delay(error)
                if delay is None:
                    raise
            sleep(delay)

    def pages(
        self, method: UnaryMethod[Q, R], request: Q, timeout: float | None, items: Callable[[R], list[T]]
    ) -> Pager[T]:
        def fetch(token: str) -> Page[T]:
            asked: Any = copy.copy(request)
            asked.page_token = token
            response: Any = self.unary(method, asked, timeout)
            return Page(items(response), response.next_page_token)

        first: str = getattr(request, "page_token", "")
        return Pager(fetch, first)

    def stream(self, method: StreamMethod[Q, R], request: Q, timeout: float | None = None) -> Stream[Q, R]:
        attempts = self._attempts(method.idempotency, timeout, None)

        def start(method: StreamMethod[Q, R], request: Q) -> Any:
            return self._start(method, request, attempts)

        return Stream(method, request, start, attempts, self._silence)

    def _attempts(self, idempotency: Idempotency, timeout: float | None, budget: Budget | None) -> Attempts:
        deadline = None if timeout is None else time.monotonic() + timeout
        return Attempts(self._policy, idempotency, deadline, budget)

    def _attempt(self, method: UnaryMethod[Q, R], request: Q, attempts: Attempts, request_id: str) -> R:
        """One attempt; a second one when the server refuses a token that was good when it was fetched."""
        token = self._token(anonymous=method.anonymous)
        try:
            return self._call(method, request, attempts, request_id, token)
        except LoginRequired as error:
            if not self._is_stale(error, token):
                raise
        token = self._token(anonymous=method.anonymous)
        return self._call(method, request, attempts, request_id, token)

    def _call(self, method: UnaryMethod[Q, R], request: Q, attempts: Attempts, request_id: str, token: str) -> R:
        channel: Any = self._connections.channel(streams=False)
        response_type: Any = method.response
        call = channel.unary_unary(
            method.path, request_serializer=bytes, response_deserializer=response_type.FromString
        )
        with told(method.path, request_id):
            try:
                response: R = call(request, timeout=attempts.left(), metadata=_metadata(token, request_id))
            except RpcError as error:
                raise error_of_call(error) from None
        return response

    def _start(self, method: StreamMethod[Q, R], request: Q, attempts: Attempts) -> Any:
        token = self._token(anonymous=False)
        channel: Any = self._connections.channel(streams=True)
        response_type: Any = method.response
        call = channel.unary_stream(
            method.path, request_serializer=bytes, response_deserializer=response_type.FromString
        )
        return call(request, timeout=attempts.left(), metadata=_metadata(token, str(uuid.uuid4())))

    def _token(self, *, anonymous: bool) -> str:
        return "" if anonymous or self._tokens is None else self._tokens.token()

    def _is_stale(self, error: LoginRequired, token: str) -> bool:
        return bool(token) and error.reason in _STALE and self._tokens is not None and self._tokens.forget(token)


def _metadata(token: str, request_id: str) -> list[tuple[str, str]]:
    pairs = [("x-request-id", request_id)]
    return [*pairs, ("authorization", f"Bearer {token}")] if token else pairs
