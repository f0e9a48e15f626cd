"""Waits for a run by long polls. Nothing here ever cancels a run, whatever interrupts the wait."""

import datetime as dt
import time
from typing import TYPE_CHECKING, Literal

from stackly_sdk.durations import Duration, seconds_of
from stackly_sdk.reaching import Until, check_approval, check_ended, timed_out, wait_until
from stackly_sdk.tasks import sleep

if TYPE_CHECKING:
    from stackly_sdk._gen.clients.run_service import AsyncRunServiceClient
    from stackly_sdk._gen.stackly.v1 import Run, WaitRunResponse, WaitUntil

# A poll that is answered sooner, without news, is not repeated before.
_PAUSE_SECONDS = 0.2
# One long poll; the server's bound is 60 s.
POLL_SECONDS = 55.0
# On top of a poll, for its answer and for retries.
_ANSWER_SECONDS = 10.0

Approval = Literal["raise", "wait"]


async def wait_for_run(
    api: "AsyncRunServiceClient",
    run: "Run",
    *,
    until: Until,
    timeout: Duration | None,  # noqa: ASYNC109
    approval: Approval,
) -> "Run":
    """Gives the run once it is there. Raises what `check_ended` and `check_approval` raise, and WaitTimeout."""
    wanted = wait_until(until)
    bound = None if timeout is None else seconds_of(timeout)
    deadline = None if bound is None else time.monotonic() + bound
    etag = ""  # the first poll answers at once when the run is there; else as soon as anything changes
    while True:
        left = POLL_SECONDS if deadline is None else min(POLL_SECONDS, max(0.0, deadline - time.monotonic()))
        response = await poll(api, run, wanted, etag, left if etag else min(left, 0.001))
        run = response.run or run
        check_ended(run)
        if response.reached:
            return run
        if approval == "raise":
            check_approval(run, until)
        if bound is not None and deadline is not None and time.monotonic() >= deadline:
            raise timed_out(run, until, bound)
        etag = run.etag


async def poll(
    api: "AsyncRunServiceClient", run: "Run", until: "WaitUntil", etag: str, seconds: float = POLL_SECONDS
) -> "WaitRunResponse":
    """One long poll: ends when the run is there, when its etag is another than a given one, or when the time is over."""
    began = time.monotonic()
    response = await api.wait_run(
        name=run.name,
        until=until,
        server_timeout=dt.timedelta(seconds=seconds),
        etag=etag,
        timeout=seconds + _ANSWER_SECONDS,
    )
    news = response.reached or response.run is None or response.run.etag != etag
    if not news and time.monotonic() - began < min(_PAUSE_SECONDS, seconds):
        await sleep(_PAUSE_SECONDS)
    return response
