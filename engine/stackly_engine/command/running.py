"""One run of the command from end to end: whole or in units, planned, shown, applied."""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stackly_engine import slices
from stackly_engine.command import inspection, statefile
from stackly_engine.command.batch import Shell
from stackly_engine.command.inspection import Options
from stackly_engine.command.project import OWN, Project
from stackly_engine.command.store import Store
from stackly_engine.command.tool import Processes, Tool, ToolError, environment
from stackly_engine.command.variables import NONE, Given
from stackly_engine.command.workspace import Workspace
from stackly_engine.driving import state
from stackly_engine.driving.chain import Chain, plan_chain
from stackly_engine.driving.known import Known
from stackly_engine.source import Kind, Whole

_REMOTE = frozenset({"backend", "cloud"})


@dataclass(frozen=True)
class Session:
    """A root that is being worked on; one at a time, held by a lock that dies with the process."""

    shell: Shell
    store: Store

    @property
    def project(self) -> Project:
        return self.shell.project

    def known(self, options: Options) -> Known:
        """Read everything; `whole` of the configuration must be empty."""
        return inspection.known(self.shell, self.store, options)

    def plan(self, options: Options) -> tuple[Known, Chain]:
        known = self.known(options)
        return known, plan_chain(known)

    @property
    def whole(self) -> tuple[Whole, ...]:
        """Why this root cannot be cut; empty when it can."""
        return self.project.configuration.whole


@contextlib.contextmanager
def session(
    root: Path, tool: Tool, processes: Processes, given: Given = NONE, outer: Mapping[str, str] | None = None
) -> Iterator[Session]:
    """Lock the root, take in what an earlier process left behind, initialize it."""
    root = root.resolve()
    if not root.is_dir():
        raise ToolError(f"{root} is no folder")
    env = environment(os.environ if outer is None else outer)
    project = Project(root, tool.product)
    shell = Shell(project, tool, processes, env, given)
    with _locked(root):
        store = Store(root)
        try:
            _absorb(shell, store)
            inspection.initialized(shell, store)
            yield Session(Shell(Project(root, tool.product), tool, processes, env, given), store)
        finally:
            store.close()


def own_state(project: Project) -> None:
    """Refuse roots whose state is elsewhere: this command would plan against an empty one."""
    for node in project.configuration.root.nodes.values():
        if node.kind is Kind.TERRAFORM:
            for block in node.block.blocks:
                if block.type in _REMOTE and block.labels != ("local",):
                    where = " ".join((block.type, *block.labels))
                    raise ToolError(
                        f"{node.block.file}: the state is kept by {where!r}; this command works on local state only"
                    )


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[None]:
    (root / OWN).mkdir(mode=0o700, exist_ok=True)
    with (root / OWN / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ToolError(f"another stackly-engine works on {root}; wait until it has ended") from None
        yield


def _absorb(shell: Shell, store: Store) -> None:
    """Take in the state of batches whose process died: what Terraform made stands in there, and nowhere else."""
    target = statefile.path_of(shell.project.root, shell.terraform_workspace)
    for begun in store.journal():
        if _in_use(begun.folder):
            raise ToolError(f"a Terraform of an earlier run still works in {begun.folder}; wait until it has ended")
        left = begun.folder / statefile.path_of(Path(), shell.terraform_workspace)
        if left.exists():
            found = slices.parse(left.read_bytes())
            document = statefile.load(target, shell.tool.version, found["lineage"])
            statefile.keep(target, state.merged(document, begun.share, found))
        store.end(begun.folder)
        Workspace(begun.folder, begun.aside).remove()


def _in_use(folder: Path) -> bool:
    """Whether a process was started in or for a folder: our batches are named on the command line."""
    proc = Path("/proc")
    for entry in proc.iterdir() if proc.is_dir() else ():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and f"-chdir={folder}".encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                return True
    return False
