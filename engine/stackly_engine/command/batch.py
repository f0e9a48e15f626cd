"""One batch through Terraform: its folder, its plan, its apply. What comes out is read, nothing is decided here."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stackly_engine import exact, mangling, slices
from stackly_engine.command.places import workspace_of
from stackly_engine.command.project import Project
from stackly_engine.command.standing import Standing
from stackly_engine.command.store import Begun, Store, to_bytes
from stackly_engine.command.tool import Done, Processes, Tool
from stackly_engine.command.variables import NONE, Given
from stackly_engine.command.workspace import Workspace, create, fill, write_secret
from stackly_engine.driving.ports import Job, Outcome, Planned
from stackly_engine.exports import Recorded, to_document
from stackly_engine.records import Record

CHANGES = 2  # exit code of `plan -detailed-exitcode`
_SMALL = 2**20  # bytes of state


@dataclass(frozen=True)
class Shell:
    """How commands of one run are started.

    `parallelism` is the run's budget, divided among what runs side by side; with `each` every Terraform has that for itself.
    """

    project: Project
    tool: Tool
    processes: Processes
    env: Mapping[str, str]
    given: Given = NONE
    cwd: Path = field(default_factory=Path.cwd)
    parallelism: int = 10
    each: int = 0
    asked_workspace: str = ""  # by TF_WORKSPACE

    @property
    def terraform_workspace(self) -> str:
        """The workspace of TF_WORKSPACE, or that of `terraform workspace select`: `terraform.workspace` in the code."""
        return workspace_of(str(self.project.root), self.asked_workspace)

    def operations(self, width: int) -> str:
        """The argument for a Terraform beside which others run, `width` in all."""
        return f"-parallelism={self.each or max(1, self.parallelism // max(1, width))}"

    def run(self, folder: Path, command: str, *arguments: str, state: int | None = None) -> Done:
        """From the real root, with -chdir: `path.cwd` comes out as in the root. `state` is its size, when it is of a batch."""
        env = {**self._brisk(state), **self.env, "TF_WORKSPACE": self.terraform_workspace}
        argv = [self.tool.path, f"-chdir={folder}", command, *arguments]
        return self.processes.run(argv, self.project.root, env)

    def _brisk(self, state: int | None) -> dict[str, str]:
        """Let Go collect no garbage before there are 256 MiB, which a batch does not reach: a third less processor time.

        Only where nothing is loaded that would take much memory: no provider, no large state.
        """
        small = state is not None and state <= _SMALL
        quick = small and not (self.project.root / ".terraform" / "providers").is_dir()
        return {"GOGC": "off", "GOMEMLIMIT": "256MiB"} if quick else {}


class LocalHands:
    """The port of a run on this machine: folders beside the root, the state beside the code, a store for the rest."""

    def __init__(self, shell: Shell, store: Store, standing: Standing) -> None:
        self.shell, self.store, self.standing = shell, store, standing

    @property
    def stopping(self) -> bool:
        return self.shell.processes.stopping

    def plan(self, job: Job) -> Planned:
        """Make the folder and plan in it; the folder stays for the apply."""
        shell = self.shell
        space = create(shell.project.root, _name(job.units), shell.terraform_workspace)
        try:
            return self._planned(job, space)
        except BaseException:
            space.remove()
            raise

    def _planned(self, job: Job, space: Workspace) -> Planned:
        shell, began = self.shell, time.monotonic()
        fill(space, shell.project.root, job.cut)
        state = space.state_file(shell.terraform_workspace)
        state.parent.mkdir(parents=True, exist_ok=True)
        write_secret(state, job.state)
        size = len(job.state)
        done = shell.run(space.folder, "plan", *_plan_arguments(shell, job, space), state=size)
        space.give_back(shell.project.root)  # some data sources write
        if done.code not in {0, CHANGES}:
            said = mangling.unmangled(job.cut.prefix, done.output.strip())
            return Planned(job, {}, b"", said or f"exit code {done.code}", space)
        shown = shell.run(space.folder, "show", "-no-color", "-json", str(space.plan_file), state=size)
        if shown.code:
            return Planned(job, {}, b"", f"the plan cannot be shown:\n{shown.output}", space)
        space.seconds = time.monotonic() - began
        return Planned(job, exact.loads(shown.output.encode()), space.plan_file.read_bytes(), place=space)

    def apply(self, planned: Planned, width: int) -> Outcome:
        """Apply the saved plan; Terraform writes the state in the batch's folder at each resource."""
        shell, space = self.shell, planned.place
        space.note(shell.terraform_workspace, to_bytes(planned.job.share))
        self.store.begin(Begun(space.folder, space.aside, planned.job.share), planned.job.units)
        arguments = ("-input=false", "-no-color", "-lock=false", shell.operations(width), str(space.plan_file))
        space.catch_up(shell.project.root)
        began = time.monotonic()
        done = shell.run(space.folder, "apply", *arguments, state=len(planned.job.state))
        space.give_back(shell.project.root)
        self.store.observe(
            len(planned.document.get("resource_changes") or []), space.seconds + time.monotonic() - began
        )
        path = space.state_file(shell.terraform_workspace)
        left = slices.parse(path.read_bytes()) if path.exists() else None
        return Outcome(done.code == 0, mangling.unmangled(planned.job.cut.prefix, done.output), left)

    def keep(self, document: Mapping[str, Any]) -> None:
        self.standing.keep(document)

    def learn(self, records: Mapping[str, Record], exports: Recorded) -> None:
        documents = {
            (address, name): exact.dumps(to_document({address: {name: export}}))
            for address, named in exports.items()
            for name, export in named.items()
        }
        self.store.learn(records={unit: one.to_bytes() for unit, one in records.items()}, exports=documents)

    def discard(self, planned: Planned) -> None:
        self.store.end(planned.place.folder)
        planned.place.remove()


def _plan_arguments(shell: Shell, job: Job, space: Workspace) -> list[str]:
    return [
        "-input=false", "-no-color", "-lock=false", "-detailed-exitcode", f"-out={space.plan_file}",
        shell.operations(job.width), *shell.given.arguments(shell.cwd, job.declared), f"-var-file={space.values_file}",
        *(f"-replace={address}" for address in job.replace),
    ]  # fmt: skip


def _name(units: Sequence[str]) -> str:
    """A part of a folder's name: for people who look at it."""
    first = "".join(letter if letter.isalnum() or letter in "_-" else "-" for letter in units[0])[:40]
    return first if len(units) == 1 else f"{first}-and-{len(units) - 1}"
