"""STACKLY_DEBUG=rpc: a line on stderr for each call, with its status, time and request id, never with what it carries."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from stackly_sdk.statuses import StacklyError


@contextmanager
def told(path: str, request_id: str) -> Iterator[None]:
    if os.environ.get("STACKLY_DEBUG") != "rpc":
        yield
        return
    began = time.monotonic()
    outcome = "OK"
    try:
        yield
    except StacklyError as error:
        outcome = error.status
        raise
    finally:
        milliseconds = (time.monotonic() - began) * 1000
        sys.stderr.write(f"stackly rpc {path} {outcome} {milliseconds:.0f} ms request_id={request_id}\n")
