"""The two sides of each ratio: whole-root Terraform as a person would type it, and the engine's command. Both on the same code."""

import os
import resource
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SECONDS = 3600.0  # the longest that one command may take
# the command in a Python that writes down each process that it starts
_HEARING = """
import runpy, sys
ledger = sys.argv.pop(1)
def hear(event, arguments):
    if event in {"subprocess.Popen", "os.posix_spawn", "os.fork", "os.exec", "os.system"}:
        with open(ledger, "a") as file:
            file.write(f"{event} {arguments[:1]}\\n")
sys.addaudithook(hear)
runpy.run_module("stackly_engine", run_name="__main__", alter_sys=True)
"""
LEFT = ("terraform.tfstate", "terraform.tfstate.backup", ".stackly")


class BenchError(RuntimeError):
    """A command failed, or a root did not come out as it must: figures of it would mean nothing."""


@dataclass(frozen=True)
class Spent:
    """What a command took: seconds of wall clock, and of processor time, its own children's too.

    On a machine that does other things the second says more.
    """

    wall: float
    cpu: float

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.wall + other.wall, self.cpu + other.cpu)


@dataclass(frozen=True)
class Terraform:
    """Terraform in a folder with a local state, initialized once.

    With `shown` an apply has a `show -json` of its plan, as all have that look at a plan before they apply it; `shows`
    is what those took.
    """

    folder: Path
    env: Mapping[str, str]
    shown: bool = False
    shows: list[Spent] = field(default_factory=list)

    def init(self) -> None:
        run((tool(), "init", "-input=false"), self.folder, self.env)

    def plan(self) -> Spent:
        return spent((tool(), "plan", "-input=false", "-out=plan.bin"), self.folder, self.env)

    def apply(self) -> Spent:
        """Plan, perhaps show, and apply of that plan."""
        planned = self.plan()
        if self.shown:
            self.shows.append(spent((tool(), "show", "-json", "plan.bin"), self.folder, self.env))
            planned += self.shows[-1]
        return planned + spent((tool(), "apply", "-input=false", "plan.bin"), self.folder, self.env)

    def forget(self) -> None:
        """As if nothing had ever been applied; what was installed stays."""
        _remove(self.folder)

    def check(self) -> None:
        """Refuse to go on unless Terraform says "No changes"."""
        run((tool(), "plan", "-input=false", "-detailed-exitcode"), self.folder, self.env)


@dataclass(frozen=True)
class Engine:
    """`python -m stackly_engine` on a folder; the start of Python is part of the time. `said` is what it printed, by run."""

    folder: Path
    env: Mapping[str, str]
    tool: Path | None = None
    said: list[str] = field(default_factory=list)
    heard: Path | None = None

    def init(self) -> None:
        """What the first run of a root does once: `terraform init`."""
        self._run("graph")

    def forget(self) -> None:
        """As if nothing had ever been applied, or planned; what was installed stays."""
        _remove(self.folder)
        self.init()

    def plan(self) -> Spent:
        return self._run("plan")

    def apply(self, workers: int = 2, parallelism: int = 0) -> Spent:
        """`parallelism` is that of each Terraform; 0: what one has by itself is shared by all that run side by side."""
        more = (f"--parallelism={parallelism}",) if parallelism else ()
        return self._run("apply", "--yes", f"--workers={workers}", *more)

    def processes(self) -> list[str]:
        """What was started since the last time this was asked; only with `heard`, a file in which it is written down."""
        if self.heard is None or not self.heard.exists():
            return []
        begun = self.heard.read_text().splitlines()
        self.heard.unlink()
        return begun

    def _run(self, command: str, *options: str) -> Spent:
        named = (f"--tool={self.tool}",) if self.tool else ()
        module = ("-m", "stackly_engine") if self.heard is None else ("-c", _HEARING, str(self.heard))
        argv = (sys.executable, *module, command, str(self.folder), *options, *named)
        before = _now()
        self.said.append(run(argv, self.folder, self.env))
        return _since(before)


@dataclass(frozen=True)
class Watched:
    """A Terraform that writes down when it was started and when it ended."""

    program: Path
    ledger: Path

    @classmethod
    def at(cls, folder: Path) -> "Watched":
        folder.mkdir(parents=True, exist_ok=True)
        made = cls(folder / "terraform", folder / "ledger")
        name, ledger = shlex.quote(tool()), shlex.quote(str(made.ledger))
        made.program.write_text(
            f'#!/bin/sh\nbegan=$(date +%s%N)\n{name} "$@"\ncode=$?\n'
            f'echo "$began $(date +%s%N) $*" >>{ledger}\nexit $code\n'
        )
        made.program.chmod(0o755)
        return made

    def take(self) -> list["Started"]:
        """What was started since the last time this was asked."""
        lines = self.ledger.read_text().splitlines() if self.ledger.exists() else []
        self.ledger.write_text("")
        return [_started(*line.split(" ", 2)) for line in lines]


@dataclass(frozen=True)
class Started:
    """One command of Terraform: seconds of one clock, its name."""

    began: float
    ended: float
    command: str


def covered(commands: list[Started]) -> float:
    """Seconds in which at least one of these ran."""
    total, until = 0.0, 0.0
    for one in sorted(commands, key=lambda one: one.began):
        total += max(0.0, one.ended - max(one.began, until))
        until = max(until, one.ended)
    return total


@dataclass(frozen=True)
class Pair:
    """The same root twice: one for Terraform alone, one for the engine."""

    terraform: Terraform
    engine: Engine

    @classmethod
    def at(
        cls,
        folder: Path,
        more: Sequence[Mapping[str, str]] = ({}, {}),
        program: Path | None = None,
        *,
        shown: bool = False,
    ) -> "Pair":
        """Empty folders; `more` is added to the environment of each, `program` is what the engine takes for Terraform."""
        alone, cut = (environment(folder, added) for added in more)
        for name in ("alone", "cut"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        return cls(Terraform(folder / "alone", alone, shown), Engine(folder / "cut", cut, program))

    @property
    def folders(self) -> tuple[Path, Path]:
        return self.terraform.folder, self.engine.folder

    @property
    def engine_as_terraform(self) -> Terraform:
        """Plain Terraform in the engine's folder."""
        return Terraform(self.engine.folder, self.engine.env)

    def init(self) -> None:
        self.terraform.init()
        self.engine.init()

    def share(self) -> None:
        """Give Terraform alone the state that the engine made: it need not make its own first."""
        shutil.copyfile(self.engine.folder / LEFT[0], self.terraform.folder / LEFT[0])


def environment(folder: Path, more: Mapping[str, str]) -> dict[str, str]:
    """A declared environment: nothing of the caller's but PATH."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    config = home / "terraform.rc"
    config.write_text("disable_checkpoint = true\n")
    return {
        "PATH": os.environ["PATH"], "HOME": str(home), "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1",
        "TF_CLI_CONFIG_FILE": str(config), **more,
    }  # fmt: skip


def tool() -> str:
    """Terraform, or OpenTofu where there is none; BenchError where there is neither."""
    found = shutil.which("terraform") or shutil.which("tofu")
    if found is None:
        raise BenchError("neither terraform nor tofu is on PATH")
    return found


def run(argv: tuple[str, ...], folder: Path, env: Mapping[str, str]) -> str:
    """What a command printed; BenchError with its last lines when it failed."""
    done = subprocess.run(
        argv, cwd=folder, env=dict(env), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        timeout=SECONDS,
    )  # fmt: skip
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        raise BenchError(f"{' '.join(argv)} ended with {done.returncode}:\n{said}")
    return done.stdout


def _remove(folder: Path) -> None:
    for name in LEFT:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def spent(argv: tuple[str, ...], folder: Path, env: Mapping[str, str]) -> Spent:
    """What a command took; BenchError when it failed."""
    before = _now()
    run(argv, folder, env)
    return _since(before)


def _now() -> Spent:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)  # of those that have ended
    return Spent(time.monotonic(), children.ru_utime + children.ru_stime)


def _since(before: Spent) -> Spent:
    now = _now()
    return Spent(now.wall - before.wall, now.cpu - before.cpu)


def _started(began: str, ended: str, arguments: str) -> Started:
    words = [word for word in arguments.split() if not word.startswith("-")]
    return Started(int(began) / 1e9, int(ended) / 1e9, words[0] if words else "")
