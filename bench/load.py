"""The load generator, a process of its own: one method, so many calls at a time, for some seconds; prints JSON.

Run as `python -m bench.load` with a JSON document on standard input: the fields of `Load`.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import grpc.aio
import uvloop


@dataclass(frozen=True)
class Load:
    """`target` as gRPC names it; `ca` a PEM file for TLS, empty for none; `request` in hex."""

    target: str
    method: str
    request: str = ""
    token: str = ""
    ca: str = ""
    seconds: float = 2.0
    at_once: int = 16

    def to_text(self) -> str:
        return json.dumps(asdict(self))


async def _run(load: Load) -> dict[str, float]:
    async with _channel(load) as channel:
        call: Any = channel.unary_unary(load.method)
        metadata = (("authorization", f"Bearer {load.token}"),) if load.token else ()
        request = bytes.fromhex(load.request)
        await call(request, metadata=metadata)
        began = time.monotonic()
        counts = await asyncio.gather(
            *(_caller(call, request, metadata, began + load.seconds) for _ in range(load.at_once))
        )
        return {"calls": sum(counts), "seconds": time.monotonic() - began}


async def _caller(call: Any, request: bytes, metadata: Any, end: float) -> int:
    count = 0
    while time.monotonic() < end:
        await call(request, metadata=metadata)
        count += 1
    return count


def _channel(load: Load) -> grpc.aio.Channel:
    if not load.ca:
        return grpc.aio.insecure_channel(load.target, options=(("grpc.default_authority", "localhost"),))
    with open(load.ca, "rb") as file:  # noqa: PTH123
        return grpc.aio.secure_channel(load.target, grpc.ssl_channel_credentials(file.read()))


if __name__ == "__main__":
    print(json.dumps(uvloop.run(_run(Load(**json.load(sys.stdin))))))
