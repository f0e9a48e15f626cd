"""What the engine costs beside Terraform's own time: per run, and per unit that is skipped."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from bench.engine_roots import Root, Shape
from bench.engine_scenes import Scenes
from bench.engine_sides import Pair, Watched, covered
from bench.figures import median, say

_PER_UNIT, _PER_RUN = 0.2, 1.0  # milliseconds, seconds


def overhead(modules: Sequence[int], rounds: int, scratch: Path) -> None:
    """One leaf changed, and nothing changed, on growing roots: wall time without the time in which a Terraform ran."""
    say("overhead: seconds of the command in which no Terraform ran; fan-out, 5 resources a module, medians")
    rows = [(count, *_measured(count, rounds, scratch / str(count))) for count in modules]
    for count, cached, cold, leaf in rows:
        met = "met" if leaf <= _PER_RUN else "MISSED"
        say(
            f"  {count:5d} modules: nothing changed {cached:.3f} s cached, {cold:.3f} s read anew; "
            f"one leaf {leaf:.3f} s   goal ≤ {_PER_RUN:g} s: {met}"
        )
    for one, two in pairwise(rows):
        cached, cold, leaf = (
            (second - first) / (two[0] - one[0]) * 1000 for first, second in zip(one[1:], two[1:], strict=True)
        )
        met = "met" if cold <= _PER_UNIT else "MISSED"
        say(
            f"  per skipped unit, from {one[0]} to {two[0]}: {cached:.2f} ms cached, {cold:.2f} ms read anew; "
            f"one leaf {leaf:.2f} ms   goal ≤ {_PER_UNIT:g} ms: {met}"
        )


def _measured(modules: int, rounds: int, scratch: Path) -> tuple[float, float, float]:
    """Seconds without Terraform: nothing changed (cached, read anew), one leaf."""
    watched = Watched.at(scratch / "watched")
    root = Root(Shape.FAN_OUT, modules, 5)
    scenes = Scenes(root, scratch, Pair.at(scratch, program=watched.program))
    engine = scenes.pair.engine
    engine.apply()
    engine.plan()
    cached, cold, leaf = [], [], []
    for _ in range(rounds):
        watched.take()
        cached.append(engine.plan().wall - covered(watched.take()))
        scenes.write()
        cold.append(engine.plan().wall - covered(watched.take()))
        scenes.write(root.leaf)
        leaf.append(engine.apply().wall - covered(watched.take()))
        engine.plan()
    return median(cached), median(cold), median(leaf)
