"""What an earlier process left behind: states of batches that it began are taken in, the rest is cleared away."""

import contextlib
import shutil
from pathlib import Path

from stackly_engine import slices
from stackly_engine.command import statefile, workspace
from stackly_engine.command.batch import Shell
from stackly_engine.command.project import OWN
from stackly_engine.command.store import Begun, Store, from_bytes
from stackly_engine.command.tool import ToolError
from stackly_engine.command.workspace import Found, Workspace
from stackly_engine.driving import state


def absorb(shell: Shell, store: Store) -> None:
    """Take in the state of batches whose process died: what Terraform made stands in there, and nowhere else."""
    root = shell.project.root
    notes = {found.space.folder: found for found in workspace.left_behind(root)}
    for begun in _begun(store, notes):
        if _in_use(begun.folder):
            raise ToolError(f"a Terraform of an earlier run still works in {begun.folder}; wait until it has ended")
        found = notes.pop(begun.folder, None)
        _take_in(shell, begun, shell.terraform_workspace if found is None else found.terraform_workspace)
        space = Workspace(begun.folder, begun.aside)
        if begun.folder.is_dir():
            space.give_back(root)
        store.end(begun.folder)
        space.remove()
    for found in notes.values():  # they were only planned
        if not _in_use(found.space.folder):
            found.space.remove()
    for folder in (root / OWN).glob("whole-*"):
        shutil.rmtree(folder, ignore_errors=True)


def _begun(store: Store, notes: dict[Path, Found]) -> list[Begun]:
    """By the journal; where that was forgotten, by what lies beside the batches."""
    try:
        journal = store.journal()
    except (ValueError, TypeError) as error:
        journal = []
        store.forget(f"its journal is not understood: {error}")
    if store.forgotten:
        journal += [
            Begun(folder, found.space.aside, from_bytes(found.share)) for folder, found in notes.items() if found.share
        ]
    return journal


def _take_in(shell: Shell, begun: Begun, terraform_workspace: str) -> None:
    left = begun.folder / statefile.path_of(Path(), terraform_workspace)
    if not left.exists():
        return
    found = slices.parse(left.read_bytes())
    target = statefile.path_of(shell.project.root, terraform_workspace)
    document = statefile.load(target, shell.tool.version, found["lineage"])
    statefile.keep(target, slices.document_bytes(state.merged(document, begun.share, found)))


def _in_use(folder: Path) -> bool:
    """Whether a process was started in or for a folder: our batches are named on the command line."""
    proc = Path("/proc")
    for entry in proc.iterdir() if proc.is_dir() else ():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and f"-chdir={folder}".encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                return True
    return False
