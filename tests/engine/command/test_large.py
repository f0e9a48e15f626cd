"""A graph of 5,000 modules: no assertion about time, but it ends, by far; `-s` shows how long it took."""

import json
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


def test_a_graph_of_five_thousand_modules(tmp_path: Path) -> None:
    """Chains of ten; read, cut into units, and decided about as a plan does before anything is started."""
    code = "".join(call(f"m{i}", f"module.m{i - 1}.out" if i % 10 else "1") for i in range(COUNT))
    engine = asked(tmp_path / "root", {"main.tf": code, "m/main.tf": MODULE})
    began = time.monotonic()
    found = json.loads(engine("graph", "--json").stdout)
    print(f"init and graph: {time.monotonic() - began:.1f} s")
    assert len(found["units"]) == COUNT + 1
    assert len(found["waves"]) == 10
    began = time.monotonic()
    with session(engine.folder, find(), Processes(), outer=engine.env()) as one:
        known = one.known(Options())
        print(f"read: {time.monotonic() - began:.1f} s")
        began = time.monotonic()
        planning = Planning(known.facts)
        assert len(planning.definite()) == COUNT + 1
        sizes = sizes_of(known.graph)
        dispatch = Dispatch(planning, sizes=sizes, price=known.price, workers=known.workers, together=[])
        assert dispatch.ready()
        print(f"decided: {time.monotonic() - began:.1f} s")
