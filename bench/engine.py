"""`python -m bench.engine [name…]`: whole-root Terraform and the engine's command side by side, in one run, as ratios."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import engine_heavy, engine_platform
from bench.engine_growth import growth
from bench.engine_report import REPORT
from bench.engine_roots import Root, Shape
from bench.engine_scenes import Scenes
from bench.figures import machine, say


@dataclass(frozen=True)
class Sizes:
    """What is measured; `quick` is a look of some three minutes, `full` what the goals speak of."""

    matrix: tuple[int, int]
    large: tuple[int, int]
    growth: tuple[int, ...]
    heavy: int  # modules of three resources
    start: float  # seconds that the test provider takes to start
    rounds: int
    few: int  # turns of what takes long

    def goal(self, times: float) -> float | None:
        """What is asked of a root of 500x20 says nothing about others."""
        return times if self.large == (500, 20) else None

    @property
    def never_slower(self) -> float | None:
        """Asked of 100x5; a root of a few modules is made in less than Python takes to start."""
        return 1.0 if self.matrix == (100, 5) else None

    @classmethod
    def quick(cls) -> "Sizes":
        return cls((24, 5), (100, 5), (10, 50, 100), 10, 1.0, 2, 1)

    @classmethod
    def full(cls) -> "Sizes":
        return cls((100, 5), (500, 20), (10, 100, 500, 1000, 2000), 50, 3.0, 5, 2)


def matrix(sizes: Sizes, scratch: Path) -> None:
    """Every scene on every shape."""
    for shape in Shape:
        root = Root(shape, *sizes.matrix)
        say(f"{root} of {root.provider.name}")
        scenes = Scenes(root, scratch / str(shape))
        scenes.from_nothing(sizes.few, 1).tell("from nothing, one worker", least=sizes.never_slower)
        scenes.from_nothing(sizes.few, 2).tell("from nothing, two workers", least=sizes.never_slower)
        nothing = scenes.unchanged(sizes.rounds)
        nothing.tell("nothing changed, cached")
        scenes.unchanged_cold(sizes.rounds, nothing).tell("nothing changed, read anew")
        scenes.changed(sizes.rounds, root.leaf).tell("one leaf changed")
        scenes.changed(sizes.rounds, 0).tell("first module changed, outputs equal")
        scenes.check()
        say()


def large(sizes: Sizes, scratch: Path) -> None:
    """Nothing changed and one leaf on a large root."""
    root = Root(Shape.FAN_OUT, *sizes.large)
    say(f"{root} of {root.provider.name}")
    scenes = Scenes(root, scratch / "large")
    say(f"  made by the engine, from nothing, in {scenes.made().wall:.1f} s")
    nothing = scenes.unchanged(sizes.few)
    nothing.tell("nothing changed, cached", least=sizes.goal(200.0))
    scenes.unchanged_cold(sizes.few, nothing).tell("nothing changed, read anew", least=sizes.goal(30.0))
    scenes.changed(sizes.few, root.leaf).tell("one leaf changed", least=sizes.goal(100.0))
    scenes.changed(1, 0).tell("first module changed, outputs equal")
    scenes.check()


def platform(sizes: Sizes, scratch: Path) -> None:
    """Runs of the platform from end to end, at both sizes."""
    for number, (modules, resources) in enumerate(dict.fromkeys((sizes.matrix, sizes.large))):
        if number:
            say()
        place = scratch / f"platform-{number}"
        goal = sizes.goal if (modules, resources) == sizes.large else lambda _: None
        engine_platform.measure(modules, resources, sizes.few, goal, place)


MEASUREMENTS: Mapping[str, Callable[[Sizes, Path], None]] = {
    "matrix": matrix,
    "large": large,
    "growth": lambda sizes, scratch: growth(sizes.growth, sizes.rounds, scratch),
    "heavy": lambda sizes, scratch: engine_heavy.test_provider(sizes.heavy, sizes.start, sizes.few, scratch),
    "platform": platform,
    "aws": lambda sizes, scratch: engine_heavy.aws(sizes.heavy, 1, scratch),
}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__)
    parser.add_argument("name", nargs="*", choices=[*MEASUREMENTS, []], help="default: all")
    parser.add_argument("--quick", action="store_true", help="small roots, few turns: some three minutes")
    parser.add_argument("--size", metavar="MxR", type=_size, help="modules and resources of the matrix and of `large`")
    parser.add_argument("--growth", metavar="M", type=int, nargs="+", help="modules in the growth table")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every figure there, too")
    parser.add_argument("--rounds", metavar="N", type=int, help="turns of each scene")
    options = parser.parse_args(arguments)
    sizes = _sizes(options)
    REPORT.machine = machine()
    say(REPORT.machine)
    for name in options.name or list(MEASUREMENTS):
        say()
        REPORT.part = name
        with tempfile.TemporaryDirectory(prefix="stackly-bench-") as scratch:
            began = time.monotonic()
            MEASUREMENTS[name](sizes, Path(scratch))
            say(f"  ({name}: {time.monotonic() - began:.0f} s)")
    REPORT.close(options.json)
    return 0


def _sizes(options: argparse.Namespace) -> Sizes:
    sizes = Sizes.quick() if options.quick else Sizes.full()
    return Sizes(
        options.size or sizes.matrix, options.size or sizes.large, tuple(options.growth or sizes.growth),
        sizes.heavy, sizes.start, options.rounds or sizes.rounds, options.rounds or sizes.few,
    )  # fmt: skip


def _size(text: str) -> tuple[int, int]:
    modules, _, resources = text.partition("x")
    return int(modules), int(resources)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
