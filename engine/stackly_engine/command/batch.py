"""One batch through Terraform: its folder, its plan, its apply. What comes out is read, nothing is decided here."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stackly_engine import exact
from stackly_engine.command.project import Project
from stackly_engine.command.tool import Done, Processes, Tool, ToolError
from stackly_engine.command.variables import NONE, Given
from stackly_engine.command.workspace import Workspace, create, fill, write_secret
from stackly_engine.cutting import Cut

CHANGES = 2  # exit code of `plan -detailed-exitcode`


@dataclass(frozen=True)
class Shell:
    """How commands of one run are started; `parallelism` is the run's budget, divided among what runs side by side."""

    project: Project
    tool: Tool
    processes: Processes
    env: Mapping[str, str]
    given: Given = NONE
    cwd: Path = field(default_factory=Path.cwd)
    parallelism: int = 10

    @property
    def terraform_workspace(self) -> str:
        """The workspace chosen by `terraform workspace select`; its name is `terraform.workspace` in the code."""
        chosen = self.project.root / ".terraform" / "environment"
        return chosen.read_text().strip() if chosen.is_file() else "default"

    def run(self, folder: Path, command: str, *arguments: str) -> Done:
        """From the real root, with -chdir: `path.cwd` comes out as in the root."""
        env = {**self.env, "TF_WORKSPACE": self.terraform_workspace}
        argv = [self.tool.path, f"-chdir={folder}", command, *arguments]
        return self.processes.run(argv, self.project.root, env)


@dataclass(frozen=True)
class Planned:
    """A batch's plan: `document` is `show -json`; on failure it is empty and `error` is what Terraform said."""

    units: tuple[str, ...]
    space: Workspace
    cut: Cut
    document: Mapping[str, Any]
    error: str = ""

    @property
    def plan_bytes(self) -> bytes:
        return self.space.plan_file.read_bytes()


@dataclass(frozen=True)
class Job:
    """What to plan: the cut root, the state of its slices, addresses to replace, whether to refresh."""

    units: tuple[str, ...]
    cut: Cut
    state: bytes
    declared: Collection[str]
    replace: Sequence[str] = ()
    width: int = 1


def plan(shell: Shell, job: Job) -> Planned:
    """Make the folder and plan in it; the folder stays for the apply."""
    space = create(shell.project.root, _name(job.units))
    fill(space, shell.project.root, job.cut)
    state = space.state_file(shell.terraform_workspace)
    state.parent.mkdir(parents=True, exist_ok=True)
    write_secret(state, job.state)
    done = shell.run(space.folder, "plan", *_plan_arguments(shell, job, space))
    if done.code not in {0, CHANGES}:
        return Planned(job.units, space, job.cut, {}, done.output.strip() or f"exit code {done.code}")
    shown = shell.run(space.folder, "show", "-no-color", "-json", str(space.plan_file))
    if shown.code:
        raise ToolError(f"the plan of {', '.join(job.units)} cannot be shown:\n{shown.output}")
    return Planned(job.units, space, job.cut, exact.loads(shown.output.encode()))


def apply(shell: Shell, planned: Planned, width: int = 1) -> Done:
    """Apply the saved plan; Terraform writes the state in the batch's folder at each resource."""
    each = max(1, shell.parallelism // max(1, width))
    arguments = ("-input=false", "-no-color", "-lock=false", f"-parallelism={each}", str(planned.space.plan_file))
    return shell.run(planned.space.folder, "apply", *arguments)


def _plan_arguments(shell: Shell, job: Job, space: Workspace) -> list[str]:
    each = max(1, shell.parallelism // max(1, job.width))
    return [
        "-input=false", "-no-color", "-lock=false", "-detailed-exitcode", f"-out={space.plan_file}",
        f"-parallelism={each}", *shell.given.arguments(shell.cwd, job.declared), f"-var-file={space.values_file}",
        *(f"-replace={address}" for address in job.replace),
    ]  # fmt: skip


def _name(units: Sequence[str]) -> str:
    """A part of a folder's name: for people who look at it."""
    first = "".join(letter if letter.isalnum() or letter in "_-" else "-" for letter in units[0])[:40]
    return first if len(units) == 1 else f"{first}-and-{len(units) - 1}"
