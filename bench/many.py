"""Twenty runs at once, created to applied, in runs per second; beside as many of Terraform alone, two at a time."""

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.bare import Bare
from bench.caller import Caller, signed_in
from bench.figures import median, say
from bench.installed import Installed
from bench.repository import MAIN, Repository
from stackly.v1 import runs_pb2, runs_service_pb2

RUNS = 20
ROUNDS = 2


def measure(installed: Installed) -> None:
    """Prints medians of two rounds in turns."""
    with signed_in(installed) as caller, tempfile.TemporaryDirectory(prefix="stackly-bare-") as scratch:
        repository = Repository.connect(installed, caller, manual=True)
        repository.push("first")
        code = repository.registered(caller)
        planned, applied, bare = [], [], []
        for number in range(ROUNDS):
            bare.append(_bare(Path(scratch) / str(number)))
            states = [caller.make_state(code, f"{repository.code}-{number}-{each}") for each in range(RUNS)]
            applied.append(_at_once(caller, states, auto_apply=True))
            planned.append(_at_once(caller, states, auto_apply=False))
    say(f"{RUNS} runs of one resource at once, {ROUNDS} rounds, medians")
    say(f"  created → applied {median(applied):.2f} runs/s, unchanged again {median(planned):.2f} runs/s")
    say(f"  Terraform alone, as many at a time as there are cores: created → applied {median(bare):.2f} runs/s")


def _at_once(caller: Caller, states: list[str], *, auto_apply: bool) -> float:
    def one(state: str) -> None:
        run = caller.create(state, auto_apply=auto_apply)
        wanted = runs_pb2.RUN_STATUS_APPLIED if auto_apply else runs_pb2.RUN_STATUS_PLANNED_AND_FINISHED
        caller.wait(run.name, runs_service_pb2.WAIT_UNTIL_DONE, wanted)

    began = time.monotonic()
    with ThreadPoolExecutor(len(states)) as pool:
        list(pool.map(one, states))
    return len(states) / (time.monotonic() - began)


def _bare(folder: Path) -> float:
    def one(number: int) -> None:
        terraform = Bare.of(folder / str(number), MAIN)
        terraform.plan()
        terraform.apply()

    began = time.monotonic()
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(one, range(RUNS)))
    return RUNS / (time.monotonic() - began)
