"""Calls that come together share one sign-in."""

import asyncio
import threading
import time
from typing import Any

import grpc

from fakes.stackly_api import API_KEY
from fakes.stackly_world import FakeStackly
from stackly_sdk import AsyncStackly, Stackly


def slow_exchange(api: FakeStackly) -> None:
    """An exchange that takes long enough for all the others to come to it."""

    def exchange(request: Any, context: grpc.ServicerContext) -> Any:
        arrived.wait(0.3)
        return api.exchange_token(request, context)

    arrived = threading.Event()
    api.handlers["ExchangeToken"] = exchange


async def test_tasks_share_one_exchange(api: FakeStackly) -> None:
    slow_exchange(api)
    async with AsyncStackly(endpoint=api.url, api_key=API_KEY) as s:
        await asyncio.gather(*(s.whoami() for _ in range(10)))
    assert len(api.requests("ExchangeToken")) == 1
    assert len(api.requests("WhoAmI")) == 10


def test_threads_share_one_exchange(api: FakeStackly) -> None:
    slow_exchange(api)
    began = time.monotonic()
    with Stackly(endpoint=api.url, api_key=API_KEY) as s:
        threads = [threading.Thread(target=s.whoami) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert time.monotonic() - began < 5
    assert len(api.requests("ExchangeToken")) == 1
    assert len(api.requests("WhoAmI")) == 10
