"""A graph of 5,000 modules: processor time and memory are bounded, far above what they are; `-s` shows what it took."""

import json
import os
import subprocess
import time
from pathlib import Path

from engine.command.asking import MODULE, asked, call
from stackly_engine.command.inspection import Options
from stackly_engine.command.running import session
from stackly_engine.command.tool import Processes, find
from stackly_engine.dispatching import Dispatch
from stackly_engine.schedule import Planning
from stackly_engine.sizing import sizes_of

COUNT = 5000
PROCESSOR_SECONDS, MEMORY_BYTES = 60, 2**30


def test_a_graph_of_five_thousand_modules(tmp_path: Path) -> None:
    """Chains of ten; read, cut into units, and decided about as a plan does before anything is started."""
    code = "".join(call(f"m{i}", f"module.m{i - 1}.out" if i % 10 else "1") for i in range(COUNT))
    engine = asked(tmp_path / "root", {"main.tf": code, "m/main.tf": MODULE})
    output = tmp_path / "graph.json"
    with output.open("wb") as file:
        process = subprocess.Popen(engine.argv("graph", "--json"), env=engine.env(), stdout=file)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    seconds = used.ru_utime + used.ru_stime  # Terraform's init included
    print(f"init and graph: {seconds:.1f} s, {used.ru_maxrss // 1024} MiB")
    assert seconds < PROCESSOR_SECONDS
    assert used.ru_maxrss * 1024 < MEMORY_BYTES
    found = json.loads(output.read_bytes())
    assert len(found["units"]) == COUNT + 1
    assert len(found["waves"]) == 10
    began = time.process_time()
    with session(engine.folder, find(), Processes(), outer=engine.env()) as one:
        known = one.known(Options())
        print(f"read: {time.process_time() - began:.1f} s")
        planning = Planning(known.facts)
        assert len(planning.definite()) == COUNT + 1
        sizes = sizes_of(known.graph)
        dispatch = Dispatch(planning, sizes=sizes, price=known.price, workers=known.workers, together=[])
        assert dispatch.ready()
    print(f"read and decided: {time.process_time() - began:.1f} s")
    assert time.process_time() - began < PROCESSOR_SECONDS
