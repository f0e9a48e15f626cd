"""The platform end to end on a stack that is cut, beside whole-root Terraform: what a run costs, and where it goes."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.caller import ACCOUNT, Caller, signed_in
from bench.engine_platform_code import Code
from bench.engine_platform_meter import Cost, Meter
from bench.engine_platform_phases import Phases
from bench.engine_report import REPORT, Row, told
from bench.engine_sides import LEFT, Spent, Terraform, Watched, environment
from bench.figures import median, say
from bench.installed import Installed, free_base, started
from bench.repository import Repository
from stackly.v1 import runs_pb2, runs_service_pb2

_LONG = 3600.0  # seconds that a run from nothing may take
_AFTER = 0.5  # seconds in which a run that has ended is tidied up: those count as its processor time
_MEMORY = 256.0  # MiB
_SETTINGS = '  engine      = "auto"\n  auto_deploy = true\n'
_APPLIED, _NOTHING = runs_pb2.RUN_STATUS_APPLIED, runs_pb2.RUN_STATUS_PLANNED_AND_FINISHED


@dataclass(frozen=True)
class Ran:
    """One run: seconds from the call or the push to its end, processor time by part, times of its phases."""

    wall: float
    cost: Cost
    phases: Phases


@dataclass
class Scene:
    """Turns of whole-root Terraform and of runs, of the same change; `goal` is the least ratio that is asked for."""

    size: str
    title: str
    goal: float | None = None
    alone: list[Spent] = field(default_factory=list)
    runs: list[Ran] = field(default_factory=list)

    def tell(self) -> None:
        """Medians and ratios; below them the median turn in detail."""
        turns = list(zip(self.alone, self.runs, strict=True))
        wall = median([one.wall / run.wall for one, run in turns])
        cpu = median([one.cpu / run.cost.all for one, run in turns])
        goal, met = ("", None) if self.goal is None else (f"≥ {self.goal:.3g}x", wall >= self.goal)
        theirs, ours = median([one.wall for one in self.alone]), median([one.wall for one in self.runs])
        say(
            f"  {self.title:<44} Terraform {theirs:8.3f} s   platform {ours:8.3f} s   {wall:7.2f}x   "
            f"(processor {median([one.cpu for one in self.alone]):.2f} / "
            f"{median([one.cost.all for one in self.runs]):.2f} s: {cpu:.2f}x){told(goal, met=met)}"
        )
        REPORT.rows.append(Row(REPORT.part, f"{self.size}: {self.title}", wall, "x", goal, met, theirs, ours, cpu))
        shown = sorted(self.runs, key=lambda run: run.wall)[len(self.runs) // 2]
        say(f"      {shown.phases}")
        say(f"      {shown.cost}")
        say(f"      largest so far: runner {self.runner:.0f} MiB, API {self.api:.0f} MiB")

    @property
    def runner(self) -> float:
        """MiB of the largest runner."""
        return max(run.cost.runner_peak for run in self.runs)

    @property
    def api(self) -> float:
        """MiB of the API, at most."""
        return max(run.cost.api_peak for run in self.runs)


@dataclass
class Stage:
    """A platform with one stack, and the same code for Terraform alone."""

    caller: Caller
    meter: Meter
    watched: Watched
    repository: Repository
    code: Code
    alone: Terraform
    state: str = ""

    def move(self, *, leaf: bool) -> None:
        self.code.move(self.alone.folder, leaf=leaf)
        self.code.write(self.repository.tree)

    def pushed(self, status: "runs_pb2.RunStatus") -> Ran:
        """The tree as it is, from the delivery until the run that it makes has ended."""
        commit, deliver = self.repository.commit("as it is")
        request = runs_service_pb2.WatchRunsRequest(parent=f"{ACCOUNT}/stackStates/-")
        watch = self.caller.runs.WatchRuns(request, metadata=self.caller.signed, timeout=_LONG)
        watch.initial_metadata()

        def begun() -> str:
            deliver()
            return next(seen.run.name for seen in watch if seen.HasField("run") and seen.run.to_commit == commit)

        try:
            return self._ran(begun, status)
        finally:
            watch.cancel()

    def created(self, status: "runs_pb2.RunStatus", variables: Mapping[str, str] | None = None) -> Ran:
        """From CreateRun until the run has ended."""
        return self._ran(lambda: self.caller.create(self.state, auto_apply=True, variables=variables).name, status)

    def _ran(self, begun: Callable[[], str], status: "runs_pb2.RunStatus") -> Ran:
        self.watched.take()
        with self.meter.measuring() as cost:
            began, at = time.monotonic(), time.time()
            name = begun()
            run = self.caller.wait(name, runs_service_pb2.WAIT_UNTIL_DONE, status, _LONG)
            wall = time.monotonic() - began
            time.sleep(_AFTER)
        self.state = name.partition("/runs/")[0]
        return Ran(wall, cost, Phases.of(at, run, self.caller.steps(name), self.watched.take()))

    def check(self) -> None:
        """Refuse figures unless plain Terraform says "No changes" of the state that the platform has."""
        (self.alone.folder / LEFT[0]).write_bytes(self.caller.state(self.state))
        self.alone.check()


def measure(modules: int, resources: int, rounds: int, goal: Callable[[float], float | None], scratch: Path) -> None:
    """One stack of that size, on a platform of its own; its first apply, then nothing and one leaf changed, each both ways."""
    watched = Watched.at(scratch / "watched")
    path = f"{watched.program.parent}:{environment(scratch, {})['PATH']}"
    with started(scratch / "home", free_base(), path) as installed, signed_in(installed) as caller:
        stage = _stage(installed, caller, watched, Code(modules, resources), scratch)
        say(f"the platform, fan-out {stage.code} of terraform_data, engine = auto")
        scenes = [_from_nothing(stage)]
        scenes[0].tell()
        for scene in _changes(stage, rounds, goal):
            scene.tell()
            scenes.append(scene)
        for title, most in (("runner", max(one.runner for one in scenes)), ("API", max(one.api for one in scenes))):
            words = REPORT.add(
                f"{stage.code}: memory of the {title}", most, "MiB", goal=f"≤ {_MEMORY:.0f}", met=most <= _MEMORY
            )
            say(f"  memory of the {title}, resident, at most {most:.0f} MiB{words}")
        stage.check()


def _stage(installed: Installed, caller: Caller, watched: Watched, code: Code, scratch: Path) -> Stage:
    repository = Repository.connect(installed, caller, manual=False, settings=_SETTINGS)
    (repository.tree / "main.tf").unlink()
    alone = Terraform(scratch / "alone", environment(scratch, {}))
    alone.folder.mkdir()
    stage = Stage(caller, Meter(installed.home), watched, repository, code, alone)
    stage.move(leaf=False)
    alone.init()
    return stage


def _from_nothing(stage: Stage) -> Scene:
    scene = Scene(str(stage.code), "from nothing, push → applied")
    scene.runs.append(stage.pushed(_APPLIED))
    scene.alone.append(stage.alone.apply())
    return scene


def _changes(stage: Stage, rounds: int, goal: Callable[[float], float | None]) -> list[Scene]:
    """In turns; who is first changes with each."""
    size, least = str(stage.code), goal(40.0)
    nothing = Scene(size, "nothing changed, CreateRun → finished"), Scene(size, "nothing changed, push → planned")
    leaf = Scene(size, "one leaf, push → applied", least), Scene(size, "one leaf, CreateRun → applied", least)
    for turn in range(rounds):
        _turn(nothing, turn, stage.alone.plan, lambda: stage.created(_NOTHING), lambda: _comment(stage))
        stage.move(leaf=True)
        _turn(
            leaf, turn, stage.alone.apply, lambda: stage.pushed(_APPLIED), partial(stage.created, _APPLIED, _word(turn))
        )  # fmt: skip
        stage.created(_APPLIED)  # the variable is what it was, so that the next turn finds nothing changed
    return [*nothing, *leaf]


def _turn(
    scenes: tuple[Scene, Scene], turn: int, terraform: Callable[[], Spent], one: Callable[[], Ran], other: Callable[[], Ran]
) -> None:  # fmt: skip
    """Both ways of the same change beside one turn of Terraform."""

    def alone() -> None:
        spent = terraform()
        for scene in scenes:
            scene.alone.append(spent)

    def ours() -> None:
        for scene, run in zip(scenes, (one, other), strict=True):
            scene.runs.append(run())

    for side in (alone, ours) if turn % 2 == 0 else (ours, alone):
        side()


def _word(turn: int) -> Mapping[str, str]:
    return {"word": f'"turn {turn}"'}


def _comment(stage: Stage) -> Ran:
    stage.move(leaf=False)
    return stage.pushed(_NOTHING)
