"""What is measured on one root: each scene gives seconds of Terraform alone and of the engine, taken in turns."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.engine_report import REPORT, Row, told
from bench.engine_roots import Root
from bench.engine_sides import Pair, Spent
from bench.figures import median, say


@dataclass
class Figures:
    """What both sides took, by turn."""

    of: str = ""  # the root
    terraform: list[Spent] = field(default_factory=list)
    engine: list[Spent] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """How many times as fast the engine is: the median of the turns' own ratios."""
        return median([one.wall / two.wall for one, two in zip(self.terraform, self.engine, strict=True)])

    @property
    def cpu_ratio(self) -> float:
        """The same of processor time."""
        return median([one.cpu / two.cpu for one, two in zip(self.terraform, self.engine, strict=True)])

    def tell(self, title: str, *, least: float | None = None) -> None:
        """One line; `least` is the ratio that is asked for."""
        goal, met = ("", None) if least is None else (f"≥ {least:.3g}x", self.ratio >= least)
        theirs, ours = median([one.wall for one in self.terraform]), median([one.wall for one in self.engine])
        row = Row(REPORT.part, f"{self.of} {title}".strip(), self.ratio, "x", goal, met, theirs, ours, self.cpu_ratio)
        REPORT.rows.append(row)
        say(
            f"  {title:<40} Terraform {theirs:8.3f} s   engine {ours:8.3f} s   {self.ratio:7.2f}x   "
            f"(processor {self.cpu_ratio:.2f}x){told(goal, met=met)}"
        )


def in_turns(of: str, rounds: int, terraform: Callable[[], Spent], engine: Callable[[], Spent]) -> Figures:
    """So many turns; who is first changes with each."""
    found = Figures(of)
    for turn in range(rounds):
        sides = [(found.terraform, terraform), (found.engine, engine)]
        for found_by, measured in sides if turn % 2 == 0 else reversed(sides):
            found_by.append(measured())
    return found


class Scenes:
    """One root on both sides. Its code moves on from scene to scene, always the same on both."""

    def __init__(self, root: Root, folder: Path, pair: Pair | None = None) -> None:
        self.root = root
        self.pair = pair or Pair.at(folder)
        self._revisions: dict[int, int] = {}
        self._writings = 0
        self.write()
        self.pair.init()

    def write(self, *moved: int) -> None:
        """Write the code, these modules at their next revision; every writing differs by a comment at least."""
        self._writings += 1
        for module in moved:
            self._revisions[module] = self._revisions.get(module, 1) + 1
        for folder in self.pair.folders:
            self.root.write(folder, self._revisions, f"writing {self._writings}")

    def made(self) -> Spent:
        """Make everything by the engine alone, and give Terraform the state; what that took."""
        took = self.pair.engine.apply()
        self.pair.share()
        return took

    def from_nothing(self, rounds: int, workers: int = 2, parallelism: int = 0) -> Figures:
        """Plan and apply of everything; both begin without a state. With `parallelism` each worker has as much as Terraform."""

        def terraform() -> Spent:
            self.pair.terraform.forget()
            return self.pair.terraform.apply()

        def engine() -> Spent:
            self.pair.engine.forget()
            return self.pair.engine.apply(workers, parallelism)

        return in_turns(str(self.root), rounds, terraform, engine)

    def unchanged(self, rounds: int) -> Figures:
        """Plan of what was planned before, to the byte."""
        self.pair.engine.plan()
        return in_turns(str(self.root), rounds, self.pair.terraform.plan, self.pair.engine.plan)

    def unchanged_cold(self, rounds: int, beside: Figures) -> Figures:
        """Plan after a comment was changed: everything is read anew, nothing has to be done.

        Terraform does in both what it does `beside`: it is not asked a second time.
        """

        def engine() -> Spent:
            self.write()
            return self.pair.engine.plan()

        return Figures(str(self.root), beside.terraform[:rounds], [engine() for _ in range(rounds)])

    def changed(self, rounds: int, *modules: int) -> Figures:
        """Plan and apply after these modules were changed; what others read of them stays as it is."""
        found = Figures(str(self.root))
        for _ in range(rounds):
            self.write(*modules)
            one = in_turns("", 1, self.pair.terraform.apply, self.pair.engine.apply)
            found.terraform += one.terraform
            found.engine += one.engine
        return found

    def check(self) -> None:
        """Refuse figures of a root that the engine did not bring where Terraform says "No changes"."""
        self.pair.engine_as_terraform.check()
