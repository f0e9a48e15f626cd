"""What the blocking client asks of threads and grpc; `tasks` is its async twin, name by name."""

import threading
import time
from typing import Any

import grpc

from stackly_sdk.channel import Target
from stackly_sdk.statuses import Unavailable

Channel = grpc.Channel
RpcError = grpc.RpcError
Lock = threading.Lock
sleep = time.sleep


def open_channel(target: Target, *, streams: bool) -> Channel:
    options = target.options(streams=streams)
    if target.secure:
        return grpc.secure_channel(target.address, grpc.ssl_channel_credentials(target.roots), options=options)
    return grpc.insecure_channel(target.address, options=options)


def close_channel(channel: Channel) -> None:
    channel.close()


def next_record(call: Any, seconds: float) -> Any:
    """The next record of a stream; None at its end. Unavailable when it is silent for that long, and the call ends."""
    silent = threading.Event()

    def give_up() -> None:
        silent.set()
        call.cancel()

    watchdog = threading.Timer(seconds, give_up)
    watchdog.daemon = True
    watchdog.start()
    try:
        return next(call, None)
    except grpc.RpcError:
        if silent.is_set():
            raise Unavailable(f"the stream was silent for {seconds:.0f} s") from None
        raise
    finally:
        watchdog.cancel()
