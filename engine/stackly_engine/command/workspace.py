"""The folder of one batch, beside the root: the cut files, everything else of the root as links, its slice of state."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stackly_engine import exact
from stackly_engine.command import written
from stackly_engine.command.places import OWN, state_of
from stackly_engine.cutting import Cut

PRIVATE = 0o700
_SECRET = 0o600
_NOTE = "batch.json"
# What Terraform itself leaves in a folder.
_TOOLS = frozenset({".terraform", ".terraform.lock.hcl", "terraform.tfstate.d", "errored.tfstate", "crash.log"})
_REPLACED = (".tf", ".tofu", ".tf.json", ".tofu.json")


@dataclass
class Workspace:
    """One batch's folder and, outside of it, a folder for what must not lie in a root: the plan and the values."""

    folder: Path
    aside: Path
    seconds: float = 0.0  # that its plan took
    own: frozenset[str] = frozenset()  # entries of the folder that are no links to the root's
    linked: frozenset[str] = frozenset()  # those that are

    @property
    def plan_file(self) -> Path:
        return self.aside / "plan"

    @property
    def values_file(self) -> Path:
        return self.aside / "values.tfvars.json"

    def state_file(self, terraform_workspace: str) -> Path:
        """Where Terraform's local backend keeps the state of a workspace."""
        return Path(state_of(str(self.folder), terraform_workspace))

    def note(self, terraform_workspace: str, share: bytes = b"") -> None:
        """Write down, for whoever comes back after a crash, where the batch is; with `share` its apply is begun."""
        write_secret(self.aside / _NOTE, exact.dumps([str(self.folder), terraform_workspace, share.decode()]))

    def give_back(self, root: Path) -> None:
        """Put what a provider wrote here into the root, as if it had run there."""
        kept = {entry.name for entry in self.folder.iterdir() if _replaced(entry.name)}
        if self.own:  # else nobody knows any more which code is the batch's
            kept = {name for name in kept if not _is_code(name)}
        written.give_back(self.folder, root, self.own | kept | _TOOLS, self.linked)

    def catch_up(self, root: Path) -> None:
        """Link what was written into the root since the folder was made."""
        names = {entry.name for entry in root.iterdir() if not _replaced(entry.name)} - self.linked
        written.catch_up(self.folder, root, names)
        self.linked |= names

    def remove(self) -> None:
        """Only after everything in it was absorbed."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.aside, ignore_errors=True)


@dataclass(frozen=True)
class Found:
    """A batch of an earlier run whose folders are still there; `share` is empty when it was only planned."""

    space: Workspace
    terraform_workspace: str
    share: bytes


def create(root: Path, name: str, terraform_workspace: str) -> Workspace:
    """A folder beside the root: `path.module`, `../shared` and links come out as in the root itself."""
    own = root / OWN
    own.mkdir(mode=PRIVATE, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=own))
    space = Workspace(Path(tempfile.mkdtemp(prefix=f"{OWN}-{name}-", dir=root.parent)), aside)
    space.note(terraform_workspace)
    return space


def left_behind(root: Path) -> Iterator[Found]:
    """The batches that an earlier process did not clear away."""
    for note in sorted((root / OWN).glob(f"*/{_NOTE}")):
        try:
            folder, terraform_workspace, share = map(str, exact.loads(note.read_bytes()))
        except ValueError:
            continue  # none of ours
        place = Path(folder)
        if place.parent == root.parent and place.name.startswith(OWN + "-"):
            yield Found(Workspace(place, note.parent), terraform_workspace, share.encode())


def fill(space: Workspace, root: Path, cut: Cut) -> None:
    """Write the cut root; other entries of the root become links."""
    space.catch_up(root)
    for name, data in cut.files.items():
        (space.folder / name).write_bytes(data)
    if cut.generated:
        (space.folder / cut.generated_name).write_bytes(cut.generated)
    write_secret(space.values_file, cut.variables)
    _link_installed(space.folder, root, cut.modules)
    space.own = frozenset((*cut.files, cut.generated_name))


def write_secret(path: Path, data: bytes) -> None:
    """Bytes that may hold secrets: only the owner reads them, and a reader never sees half of them."""
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, _SECRET)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _replaced(entry: str) -> bool:
    state = entry.endswith((".tfstate", ".tfstate.backup")) or ".tfstate.lock" in entry
    return (
        _is_code(entry) or entry in {".terraform", "terraform.tfstate.d", OWN} or entry.startswith(OWN + "-") or state
    )


def _is_code(entry: str) -> bool:
    return entry.endswith(_REPLACED)


def _link_installed(folder: Path, root: Path, modules: bytes) -> None:
    """No `init` per batch: providers are linked, the module list holds the batch's entries, the lock file is a copy."""
    installed = root / ".terraform"
    (folder / ".terraform" / "modules").mkdir(parents=True)
    _link_all(installed, folder / ".terraform", skip={"modules", "terraform.tfstate", "environment"})
    _link_all(installed / "modules", folder / ".terraform" / "modules", skip={"modules.json"})
    (folder / ".terraform" / "modules" / "modules.json").write_bytes(modules)
    lock = folder / ".terraform.lock.hcl"
    if lock.is_symlink():
        lock.unlink()
        shutil.copyfile(root / ".terraform.lock.hcl", lock)


def _link_all(source: Path, target: Path, skip: set[str]) -> None:
    for entry in source.iterdir() if source.is_dir() else ():
        if entry.name not in skip:
            (target / entry.name).symlink_to(entry)
