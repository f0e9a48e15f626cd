"""WhoAmI and GetRun per second and core, as ratios to a server that does nothing; and through Envoy, by gRPC and REST."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import noop
from bench.caller import Caller, signed_in
from bench.figures import median, say
from bench.installed import Installed
from bench.load import Load
from bench.parts import part_pid
from bench.processes import cpu_seconds
from bench.repository import Repository
from bench.rest import Rest, measure_rest
from stackly.v1 import auth_service_pb2, runs_pb2, runs_service_pb2

ROUNDS = 5
WHO_AM_I = "/stackly.v1.AuthService/WhoAmI"
GET_RUN = "/stackly.v1.RunService/GetRun"


@dataclass(frozen=True)
class Rate:
    """Calls per second as seen, and per second of the server's own processor time."""

    seen: float
    per_core: float


def measure(installed: Installed) -> None:
    """Prints medians of rounds in turns."""
    with signed_in(installed) as caller, _noop() as (target, pid):
        name = _a_run(installed, caller)
        serve = part_pid(installed.home, "serve")
        socket = f"unix:{installed.home / 'run' / 'api' / 'api.sock'}"
        ask_run = runs_service_pb2.GetRunRequest(name=name).SerializeToString().hex()
        who = auth_service_pb2.WhoAmIRequest().SerializeToString().hex()
        address, ca = installed.address, str(installed.ca_file)
        loads = {
            "no-op": (Load(target, noop.METHOD), pid),
            "WhoAmI": (Load(socket, WHO_AM_I, who, caller.token), serve),
            "GetRun": (Load(socket, GET_RUN, ask_run, caller.token), serve),
            "WhoAmI, gRPC through Envoy": (Load(address, WHO_AM_I, who, caller.token, ca), serve),
            "GetRun, gRPC through Envoy": (Load(address, GET_RUN, ask_run, caller.token, ca), serve),
        }
        rates: dict[str, list[Rate]] = {title: [] for title in loads}
        for _ in range(ROUNDS):
            for title, (load, server) in loads.items():
                rates[title].append(_rate(load, server))
        _print(rates)
        measure_rest(Rest(installed, caller.token, name))


def _print(rates: dict[str, list[Rate]]) -> None:
    say(
        f"calls per second, 16 at a time, {ROUNDS} rounds in turns, medians (in brackets per core of the server's process)"
    )
    for title, found in rates.items():
        ratios = [mine.per_core / base.per_core for mine, base in zip(found, rates["no-op"], strict=True)]
        ratio = "" if title == "no-op" else f": {median(ratios):.2f} of the no-op server per core"
        say(f"  {title:<28} {median([r.seen for r in found]):6.0f} ({median([r.per_core for r in found]):6.0f}){ratio}")


def _rate(load: Load, server: int) -> Rate:
    before = cpu_seconds(server)
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=load.to_text(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    spent = cpu_seconds(server) - before
    found = json.loads(done.stdout)
    return Rate(found["calls"] / found["seconds"], found["calls"] / spent)


def _a_run(installed: Installed, caller: Caller) -> str:
    """A run that is applied."""
    repository = Repository.connect(installed, caller, manual=True)
    repository.push("first")
    state = caller.make_state(repository.registered(caller), f"{repository.code}-asked")
    run = caller.create(state, auto_apply=True)
    return caller.wait(run.name, runs_service_pb2.WAIT_UNTIL_DONE, runs_pb2.RUN_STATUS_APPLIED).name


@contextmanager
def _noop() -> Iterator[tuple[str, int]]:
    with tempfile.TemporaryDirectory(prefix="stackly-noop-") as folder:
        path = Path(folder) / "noop.sock"
        process = subprocess.Popen([sys.executable, "-m", "bench.noop", str(path)], env=dict(os.environ))
        try:
            end = time.monotonic() + 20
            while not path.exists() and time.monotonic() < end:
                time.sleep(0.02)
            yield f"unix:{path}", process.pid
        finally:
            process.terminate()
            process.wait()
