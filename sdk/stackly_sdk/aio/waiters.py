"""Waits for a run by long polls. Nothing here ever cancels a run, whatever interrupts the wait."""

import datetime as dt
import time
from typing import TYPE_CHECKING, Literal

from stackly_sdk.durations import Duration, seconds_of
from stackly_sdk.reaching import Until, check_approval, check_ended, timed_out, wait_until

if TYPE_CHECKING:
    from stackly_sdk._gen.clients.run_service import AsyncRunServiceClient
    from stackly_sdk._gen.stackly.v1 import Run

# One long poll; the server's bound is 60 s.
_POLL_SECONDS = 55.0
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
        left = _POLL_SECONDS if deadline is None else min(_POLL_SECONDS, max(0.0, deadline - time.monotonic()))
        poll = dt.timedelta(seconds=left if etag else min(left, 0.001))
        response = await api.wait_run(
            name=run.name, until=wanted, server_timeout=poll, etag=etag, timeout=left + _ANSWER_SECONDS
        )
        run = response.run or run
        check_ended(run)
        if response.reached:
            return run
        if approval == "raise":
            check_approval(run, until)
        if bound is not None and deadline is not None and time.monotonic() >= deadline:
            raise timed_out(run, until, bound)
        etag = run.etag
