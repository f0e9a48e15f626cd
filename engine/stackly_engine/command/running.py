"""One run of the command from end to end: whole or in units, planned, shown, applied."""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from stackly_engine import slices
from stackly_engine.command import inspection, statefile
from stackly_engine.command.batch import Shell
from stackly_engine.command.inspection import Options, settled_key
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


class Session:
    """A root that is being worked on; one at a time, held by a lock that dies with the process."""

    def __init__(self, shell: Shell, store: Store) -> None:
        self.shell, self.store = shell, store
        self._prepared = False

    @property
    def project(self) -> Project:
        return self.shell.project

    def unchanged(self, options: Options) -> int | None:
        """How many units a run would skip, when every byte is as it was when all of them were; None: look closer.

        Nothing is parsed and nothing started. Units that always run, or after some time, leave no such mark.
        """
        found = self.store.facts().get("settled", b"").decode()
        key, _, units = found.partition(" ")
        return int(units) if key and key == settled_key(self.shell, self.store, options) else None

    def prepare(self) -> None:
        """Install what the code asks for; once."""
        if self._prepared:
            return
        self._prepared = True
        if inspection.initialized(self.shell, self.store):
            self.shell = replace(self.shell, project=Project(self.project.root, self.project.product))

    def known(self, options: Options) -> Known:
        """Read everything; RunsWholeError when the root is not cut."""
        self.prepare()
        return inspection.known(self.shell, self.store, options)

    def plan(self, options: Options) -> tuple[Known, Chain]:
        known = self.known(options)
        chain = plan_chain(known)
        if not chain.pieces and not chain.errors:
            self.settled(options, len(known.graph.units))
        return known, chain

    def settled(self, options: Options, units: int) -> None:
        """Leave the mark that all units are skipped as things are."""
        key = settled_key(self.shell, self.store, options)
        self.store.learn(facts={"settled": f"{key} {units}".encode() if key else b""})

    @property
    def whole(self) -> tuple[Whole, ...]:
        """Why this root cannot be cut; empty when it can."""
        self.prepare()
        return self.project.configuration.whole


@contextlib.contextmanager
def session(
    root: Path, tool: Tool, processes: Processes, given: Given = NONE, outer: Mapping[str, str] | None = None
) -> Iterator[Session]:
    """Lock the root and take in what an earlier process left behind."""
    root = root.resolve()
    if not root.is_dir():
        raise ToolError(f"{root} is no folder")
    env = environment(os.environ if outer is None else outer)
    shell = Shell(Project(root, tool.product), tool, processes, env, given)
    with _locked(root):
        store = Store(root)
        try:
            _absorb(shell, store)
            yield Session(shell, store)
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
