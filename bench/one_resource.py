"""A stack of one resource: created → planned, → applied, unchanged again; each beside Terraform alone, in turns."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.bare import Bare
from bench.caller import Caller, signed_in
from bench.figures import median, say
from bench.installed import Installed
from bench.repository import MAIN, Repository
from stackly.v1 import runs_pb2, runs_service_pb2

PAIRS = 14
WARM_UP = 2


@dataclass(frozen=True)
class Times:
    """Seconds: until the plan is there, of the apply after the approval, until the second plan found nothing to do."""

    planned: float
    applied: float
    again: float


def measure(installed: Installed) -> None:
    """Prints medians and ratios over pairs; the first two are not counted."""
    with signed_in(installed) as caller, tempfile.TemporaryDirectory(prefix="stackly-bare-") as scratch:
        repository = Repository.connect(installed, caller, manual=True)
        repository.push("first")
        code = repository.registered(caller)
        ours, bare = [], []
        for pair in range(WARM_UP + PAIRS):
            bare.append(_bare(Path(scratch) / str(pair)))
            ours.append(_ours(caller, code, f"{repository.code}-{pair}"))
        _print(ours[WARM_UP:], bare[WARM_UP:])


def _print(ours: list[Times], bare: list[Times]) -> None:
    rows = (
        ("created → planned", [one.planned for one in ours], [one.planned for one in bare]),
        ("created → applied", [one.planned + one.applied for one in ours], [one.planned + one.applied for one in bare]),
        ("approved → applied", [one.applied for one in ours], [one.applied for one in bare]),
        ("unchanged again", [one.again for one in ours], [one.again for one in bare]),
    )
    say(f"one resource, {len(ours)} pairs in turns, medians")
    for title, mine, theirs in rows:
        ratio = median([a / b for a, b in zip(mine, theirs, strict=True)])
        say(
            f"  {title:<20} {median(mine) * 1000:6.0f} ms, Terraform alone {median(theirs) * 1000:4.0f} ms: "
            f"{median(mine) / median(theirs):.2f}x (median of the pairs' ratios {ratio:.2f}x)"
        )


def _ours(caller: Caller, code: str, id_: str) -> Times:
    state = caller.make_state(code, id_)
    began = time.monotonic()
    run = caller.create(state)
    run = caller.wait(run.name, runs_service_pb2.WAIT_UNTIL_PLANNED, runs_pb2.RUN_STATUS_AWAITING_APPROVAL)
    planned = time.monotonic()
    caller.approve(run)
    caller.wait(run.name, runs_service_pb2.WAIT_UNTIL_DONE, runs_pb2.RUN_STATUS_APPLIED)
    applied = time.monotonic()
    run = caller.create(state)
    caller.wait(run.name, runs_service_pb2.WAIT_UNTIL_DONE, runs_pb2.RUN_STATUS_PLANNED_AND_FINISHED)
    return Times(planned - began, applied - planned, time.monotonic() - applied)


def _bare(folder: Path) -> Times:
    terraform = Bare.of(folder, MAIN)
    return Times(terraform.plan(), terraform.apply(), terraform.plan())
