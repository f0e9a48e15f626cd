"""Two ways to run the same root: plain Terraform in one folder, the engine by units in another."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from oracle import cuts
from oracle.cases import Files, Place
from provider.cloud import Cloud, Entry
from provider.serving import reattached
from stackly_engine import exact
from stackly_engine.command import showing
from stackly_engine.command.inspection import Options, RunsWholeError
from stackly_engine.command.running import Session, session
from stackly_engine.command.tool import Done, Processes, Tool, find
from stackly_engine.command.variables import Given
from stackly_engine.command.workspace import create, fill
from stackly_engine.cutting import cut
from stackly_engine.driving.carrying import Apply, Ended
from stackly_engine.driving.chain import Chain
from stackly_engine.driving.known import Known
from stackly_engine.pricing import Price

_KEPT = (".terraform", ".stackly", "terraform.tfstate", ".terraform.lock.hcl", "cloud.db", "plan.bin")
ROUNDS = 6  # a run that was deferred in part is planned again; more often than this it hangs
BATCHES = Price(
    fixed=0.001, resource=0.05, bend=1e9
)  # as if processes cost nothing: always cut, two batches side by side


VALIDATING = bool(os.environ.get("ORACLE_VALIDATE"))  # else only what is planned is, by the plan
_INIT = re.compile(r"(?:terraform|tofu)\s+init")


@dataclass(frozen=True)
class Ran:
    """One run: what was to change, how it ended, what it did to the cloud. `altered` tells of bytes that must be others."""

    good: bool
    output: str
    plans: tuple[Mapping[str, Any], ...] = ()
    prefix: str = ""
    whole: tuple[str, ...] = ()
    ledger: tuple[Entry, ...] = ()
    deferred: bool = False
    processes: int = 0
    batches: int = 0
    skipped: int = 0
    reasons: Mapping[str, str] = field(default_factory=dict)
    cuts: int = 0
    altered: tuple[str, ...] = ()


@dataclass
class World:
    """A folder in which a root lives through its edits."""

    folder: Path
    environment: Mapping[str, str]
    cloud: Cloud

    def put(self, files: Files) -> None:
        """The root's files are these now, all others are gone; what the tools keep stays."""
        for entry in self.folder.iterdir():
            if not entry.name.startswith(_KEPT):
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())

    @property
    def place(self) -> Place:
        return Place(self.folder, self.cloud, lambda *arguments: self.terraform(*arguments).output)

    def terraform(self, *arguments: str) -> Done:
        done = subprocess.run(
            [TOOL.path, *arguments], cwd=self.folder, env=dict(self.environment), capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout + done.stderr)

    def planned(self, *arguments: str) -> Done:
        """A plan; `init` first where the tool asks for it."""
        done = self.terraform("plan", "-input=false", "-no-color", *arguments)
        if done.code == 1 and _INIT.search(done.output):
            done = self.terraform("init", "-input=false", "-no-color")
            return done if done.code else self.terraform("plan", "-input=false", "-no-color", *arguments)
        return done

    def state(self) -> dict[str, Any]:
        path = self.folder / "terraform.tfstate"
        found: dict[str, Any] = exact.loads(path.read_bytes()) if path.exists() else {}
        return _plain(exact.dumps(found).decode())

    def stray(self) -> list[str]:
        """Folders of batches that were not put away."""
        return sorted(entry.name for entry in self.folder.parent.glob(".stackly-*"))


def run_whole(world: World, variables: Sequence[str], replace: Sequence[str], targets: Sequence[str]) -> Ran:
    """Where it is due init, then plan, show, apply, as by hand."""
    given = [f"-var={one}" for one in variables]
    before = len(world.cloud.ledger) if world.cloud.path.exists() else 0
    if targets:
        world.terraform("init", "-input=false", "-no-color")
        world.terraform("apply", "-auto-approve", "-no-color", *given, *(f"-target={one}" for one in targets))
    wanted = [*given, *(f"-replace={one}" for one in replace)]
    done = world.planned("-out=plan.bin", *wanted)
    if done.code:
        return Ran(good=False, output=done.output)
    plan = _plain(world.terraform("show", "-json", "plan.bin").output)
    done = world.terraform("apply", "-input=false", "-no-color", "plan.bin")
    ledger = tuple(world.cloud.ledger[before:]) if world.cloud.path.exists() else ()
    return Ran(done.code == 0, done.output, (plan,), ledger=ledger)


def _plain(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


# Small roots: collecting garbage costs an eighth of the processor time and saves nothing.
_BRISK = {"GOGC": "off", "GOMEMLIMIT": "256MiB"}


class Counted(Processes):
    """Processes that know how many there were."""

    started = 0

    def run(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Done:
        self.started += 1
        return super().run(argv, cwd, env)


def run_units(world: World, tool: Tool, variables: Sequence[str], options: Options) -> Ran:
    """The engine until nothing is left to ask; `plans` are those of the first round."""
    processes = Counted()
    before = len(world.cloud.ledger) if world.cloud.path.exists() else 0
    given = Given(tuple(("var", one) for one in variables))
    rounds = _Rounds()
    try:
        with session(world.folder, tool, processes, given, world.environment) as one:
            if one.whole:
                return Ran(good=True, output="", whole=tuple(reason.code for reason in one.whole))
            rounds.run(one, options)
    except RunsWholeError as error:
        return Ran(good=True, output="", whole=tuple(reason.code for reason in error.reasons))
    except ValueError as error:
        return Ran(good=False, output=str(error), processes=processes.started)
    except RuntimeError as error:
        return Ran(good=False, output=str(error), processes=processes.started)
    ledger = tuple(world.cloud.ledger[before:]) if world.cloud.path.exists() else ()
    return replace(rounds.ran(), ledger=ledger, processes=processes.started)


@dataclass
class _Rounds:
    """What came of planning and applying, and again when something was deferred."""

    chains: list[Chain] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    cuts: int = 0
    good: bool = False

    def run(self, one: Session, options: Options) -> None:
        again = True
        while again and len(self.chains) < ROUNDS:
            known, chain = one.plan(options)
            self.chains.append(chain)
            self.altered += _altered_plans(known, chain)
            try:
                self.good, again = _applied(known, chain, self.said)
            finally:
                chain.close(known.hands)
            if self.good:
                self.cuts = len(known.graph.units)
                self.altered += _altered_units(one, known, validate=VALIDATING and bool(chain.pieces))

    def ran(self) -> Ran:
        first = self.chains[0]
        planned = [piece.planned for chain in self.chains for piece in chain.pieces if piece.planned is not None]
        decisions = first.outcome.decisions
        return Ran(
            self.good, "\n".join(self.said),
            tuple(_jsonable(piece.document) for piece in first.pieces if piece.planned is not None),
            next((one.cut.prefix for one in planned), ""),
            deferred=any(piece.planned is None for piece in first.pieces),
            batches=len(first.pieces), skipped=sum(not one.run for one in decisions.values()),
            reasons={unit: "; ".join(map(str, one.reasons)) for unit, one in decisions.items()},
            cuts=self.cuts, altered=tuple(self.altered),
        )  # fmt: skip


def _altered_plans(known: Known, chain: Chain) -> Iterator[str]:
    for piece in chain.pieces:
        if piece.planned is not None:
            yield from cuts.altered(known.graph, piece.units, piece.planned.cut)


def _altered_units(one: Session, known: Known, *, validate: bool) -> Iterator[str]:
    """Each unit by itself, whether it ran or not, with what is recorded now."""
    shell = replace(one.shell, processes=Processes())  # not counted
    for unit in known.graph.units:
        made = cut(known.graph, [unit], known.exports)
        yield from cuts.altered(known.graph, [unit], made)
        if validate:
            space = create(shell.project.root, "validated", shell.terraform_workspace)
            try:
                fill(space, shell.project.root, made)
                done = shell.run(space.folder, "validate", "-no-color")
            finally:
                space.remove()
            if done.code:
                yield f"validate: the cut of {unit} is refused\n{done.output[-1500:]}"


def _applied(known: Any, chain: Chain, said: list[str]) -> tuple[bool, bool]:
    said.extend(chain.errors.values())
    if chain.errors:
        return False, False

    def tell(ended: Ended) -> None:
        said.append(showing.ended(ended) + ended.output)

    work = Apply(known, chain, tell)
    good = work.run()
    return good, not good and work.asks


def _jsonable(document: Mapping[str, Any]) -> dict[str, Any]:
    return _plain(exact.dumps(document).decode())


@contextmanager
def world(folder: Path, *, cloud: bool) -> Iterator[World]:
    """A fresh folder `root` below this one, with its cloud when the root has one."""
    (folder / "root").mkdir(parents=True)
    plain = {"PATH": os.environ["PATH"], "HOME": str(folder), "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1", **_BRISK}
    made = Cloud(folder / "cloud.db")
    if not cloud:
        yield World(folder / "root", plain, made)
        return
    with reattached(made) as found:
        yield World(folder / "root", {**plain, **found}, made)


TOOL = find(os.environ.get("ORACLE_TOOL", "terraform"))  # tofu too
