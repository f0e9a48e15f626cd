"""From an answered push to the queued run, and to the first line of its log."""

import time

from bench.caller import ACCOUNT, Caller, signed_in
from bench.figures import milliseconds, say
from bench.installed import Installed
from bench.repository import Repository
from stackly.v1 import runs_service_pb2

PUSHES = 20
_SECONDS = 60.0


def measure(installed: Installed) -> None:
    """Prints p50 and p95; each push changes the one stack of its repository."""
    with signed_in(installed) as caller:
        repository = Repository.connect(installed, caller, manual=False)
        repository.push("first")
        repository.registered(caller)
        queued, lines = [], []
        for number in range(PUSHES):
            to_queue, to_line = _push(caller, repository, f"word-{number}")
            queued.append(to_queue)
            lines.append(to_line)
    say(f"{PUSHES} pushes, from the delivery's answer")
    say(f"  to the run, queued     {milliseconds(queued)}")
    say(f"  to the first log line  {milliseconds(lines)}")


def _push(caller: Caller, repository: Repository, word: str) -> tuple[float, float]:
    request = runs_service_pb2.WatchRunsRequest(parent=f"{ACCOUNT}/stackStates/-")
    watch = caller.runs.WatchRuns(request, metadata=caller.signed, timeout=_SECONDS)
    watch.initial_metadata()
    commit, answered = repository.push(word)
    name = next(seen.run.name for seen in watch if seen.HasField("run") and seen.run.to_commit == commit)
    queued = time.monotonic()
    watch.cancel()
    tail = caller.runs.TailRunLogs(
        runs_service_pb2.TailRunLogsRequest(name=name), metadata=caller.signed, timeout=_SECONDS
    )
    next(part for part in tail if part.HasField("chunk") and part.chunk.text.strip())
    line = time.monotonic()
    tail.cancel()
    caller.wait_any(name, runs_service_pb2.WAIT_UNTIL_PLANNED)
    return queued - answered, line - answered
