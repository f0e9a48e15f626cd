"""One run of the command from end to end: whole or in units, planned, shown, applied."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from stackly_engine.command import executable, inspection
from stackly_engine.command.absorbing import absorb
from stackly_engine.command.batch import Shell
from stackly_engine.command.glance import Glance
from stackly_engine.command.inspection import Options, RunsWholeError
from stackly_engine.command.project import OWN, Project
from stackly_engine.command.store import Store
from stackly_engine.command.tool import Processes, Tool, ToolError, environment
from stackly_engine.command.variables import NONE, Given
from stackly_engine.driving.chain import Chain, plan_chain
from stackly_engine.driving.known import Known
from stackly_engine.source import Kind, Whole

_REMOTE = frozenset({"backend", "cloud"})


class Session:
    """A root that is being worked on; one at a time, held by a lock that dies with the process."""

    def __init__(self, shell: Shell, store: Store, glance: Glance | None = None) -> None:
        self.shell, self.store = shell, store
        self._prepared = False
        self._glance = glance
        self._skipped: int | None = None

    @property
    def project(self) -> Project:
        return self.shell.project

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
        _beside(self.project.root)
        chain = plan_chain(known)
        if not chain.pieces and not chain.errors:
            self._skipped = None if options.replace or options.refresh else len(known.graph.units)
        return known, chain

    def close(self) -> None:
        """Leave the mark that all units are skipped as things are. Not of those that run always: they were planned."""
        self.store.close()
        if self._glance is not None and self._skipped is not None:
            self._glance.leave(self._skipped, self.shell.tool.said)

    @property
    def whole(self) -> tuple[Whole, ...]:
        """Why this root cannot be cut; empty when it can."""
        self.prepare()
        return self.project.configuration.whole


@contextlib.contextmanager
def session(
    root: Path,
    tool: Tool,
    processes: Processes,
    given: Given = NONE,
    outer: Mapping[str, str] | None = None,
    tell: Callable[[str], None] = lambda _: None,
    glance: Glance | None = None,
    each: int = 0,
) -> Iterator[Session]:
    """Lock the root and take in what an earlier process left behind. `tell` is told what the user should know.

    `each` is how many operations each Terraform does at once. With a `glance` its folders are not read again, and the mark for the next one is left where nothing had to run.
    """
    root = root.resolve()
    if not root.is_dir():
        raise ToolError(f"{root} is no folder")
    told = os.environ if outer is None else outer
    if told.get("TF_DATA_DIR"):
        raise ToolError("TF_DATA_DIR is set; this command works with the folder .terraform of the root only")
    shell = Shell(
        Project(root, tool.product, glance.folders if glance is not None else None), tool, processes, environment(told), given,
        asked_workspace=told.get("TF_WORKSPACE", ""), each=each,
    )  # fmt: skip
    with _locked(root):
        executable.remember(str(root), tool.identity, tool.said)
        store = Store(root, tell)
        one = Session(shell, store, glance)
        try:
            with processes.unbroken():
                absorb(shell, store)
            yield one
        finally:
            one.close()


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
                if block.type in _REMOTE and block.attributes.keys() & {"path", "workspace_dir"}:
                    raise ToolError(
                        f"{node.block.file}: the local backend keeps the state in another place; this command knows"
                        " only terraform.tfstate in the root"
                    )


def _beside(root: Path) -> None:
    """A batch lies in a folder beside the root, or it would see other paths than the root; else the root runs whole."""
    if root.parent == root:
        raise RunsWholeError((Whole("place", "there is no place beside this folder for those of batches"),))
    if not os.access(root.parent, os.W_OK | os.X_OK):
        raise RunsWholeError(
            (Whole("place", f"no folder can be made in {root.parent}, where those of batches belong"),)
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
