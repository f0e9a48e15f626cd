"""What the async client asks of asyncio and grpc.aio; `threads` is its blocking twin, name by name."""

import asyncio
from typing import Any

import grpc
import grpc.aio

from stackly_sdk.channel import Target
from stackly_sdk.statuses import Unavailable

Channel = grpc.aio.Channel
RpcError = grpc.aio.AioRpcError
Lock = asyncio.Lock
sleep = asyncio.sleep


def open_channel(target: Target, *, streams: bool) -> Channel:
    options = target.options(streams=streams)
    if target.secure:
        return grpc.aio.secure_channel(target.address, grpc.ssl_channel_credentials(target.roots), options=options)
    return grpc.aio.insecure_channel(target.address, options=options)


async def close_channel(channel: Channel) -> None:
    await channel.close()


async def next_record(call: Any, seconds: float) -> Any:
    """The next record of a stream; None at its end. Unavailable when it is silent for that long, and the call ends."""
    try:
        record = await asyncio.wait_for(call.read(), seconds)
    except TimeoutError:
        call.cancel()
        raise Unavailable(f"the stream was silent for {seconds:.0f} s") from None
    return None if record is grpc.aio.EOF else record
