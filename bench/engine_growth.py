"""How the cost grows with the root: one leaf beside Terraform, and what the engine takes beside Terraform's own time."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bench.engine_report import REPORT
from bench.engine_roots import Root, Shape
from bench.engine_scenes import Figures, Scenes
from bench.engine_sides import Pair, Watched, covered
from bench.figures import median, say

_PER_UNIT, _PER_RUN = 0.2, 1.0  # milliseconds, seconds
_LARGE = 500  # modules from which on Terraform alone is measured once


@dataclass(frozen=True)
class Beside:
    """Seconds of the command in which no Terraform ran: nothing changed (cached, read anew), one leaf."""

    modules: int
    cached: float
    cold: float
    leaf: float


def growth(modules: Sequence[int], rounds: int, scratch: Path) -> None:
    """One leaf changed, and nothing changed, on growing roots."""
    say("growth: fan-out, 5 resources a module; seconds of the command in which no Terraform ran are medians")
    rows = [_measured(count, rounds, scratch / str(count)) for count in modules]
    say()
    for row in rows:
        said = REPORT.add(
            f"{row.modules} modules: one leaf beside Terraform's own time", row.leaf, "s",
            goal=f"≤ {_PER_RUN:g} s", met=row.leaf <= _PER_RUN,
        )  # fmt: skip
        say(
            f"  {row.modules:5d} modules, no Terraform ran: nothing changed {row.cached:.3f} s cached, {row.cold:.3f} s "
            f"read anew; one leaf {row.leaf:.3f} s{said}"
        )
    for one, two in pairwise(rows):
        _tell_per_unit(one, two)
    _tell_per_unit(rows[0], rows[-1], asked=True)


def _tell_per_unit(one: Beside, two: Beside, *, asked: bool = False) -> None:
    """What another unit adds that is skipped; asked for over all sizes, since between small ones chance is larger."""
    if one.modules == two.modules:
        return
    more = (two.modules - one.modules) / 1000  # milliseconds of seconds
    cached, cold, leaf = (
        (after - before) / more
        for before, after in ((one.cached, two.cached), (one.cold, two.cold), (one.leaf, two.leaf))
    )
    title = f"per skipped unit, from {one.modules} to {two.modules}"
    goal, met = (f"≤ {_PER_UNIT:g} ms", cold <= _PER_UNIT) if asked else ("", None)
    said = REPORT.add(f"{title}, read anew", cold, "ms", goal=goal, met=met)
    say(f"  {title}: {cached:.2f} ms cached, {cold:.2f} ms read anew; one leaf {leaf:.2f} ms{said}")


def _measured(modules: int, rounds: int, scratch: Path) -> Beside:
    watched = Watched.at(scratch / "watched")
    root = Root(Shape.FAN_OUT, modules, 5)
    began = time.monotonic()
    scenes = Scenes(root, scratch, Pair.at(scratch, program=watched.program))
    scenes.made()
    say(f"  ({modules} modules were made in {time.monotonic() - began:.0f} s)")
    engine = scenes.pair.engine
    cached, cold, leaf = [], [], []
    found = Figures(str(root))
    engine.plan()
    for turn in range(rounds):
        watched.take()
        cached.append(engine.plan().wall - covered(watched.take()))
        scenes.write()
        cold.append(engine.plan().wall - covered(watched.take()))
        scenes.write(root.leaf)
        if turn < (1 if modules >= _LARGE else 2):
            found.terraform.append(scenes.pair.terraform.apply())
            found.engine.append(engine.apply())
            leaf.append(found.engine[-1].wall - covered(watched.take()))
        else:
            leaf.append(engine.apply().wall - covered(watched.take()))
        engine.plan()
    found.tell(f"one leaf of {modules} modules")
    return Beside(modules, median(cached), median(cold), median(leaf))
