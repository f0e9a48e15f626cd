"""The folder of one batch of units: cut files beside the root, secrets and journals in the batch's private folder."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from stackly_engine import exact, written
from stackly_engine.cutting import Cut
from stackly_worker.runner.journal import write_new
from stackly_worker.runner.units_source import FETCHED, is_code
from stackly_worker.runner.worktree import LOCK_FILE

PREFIX = ".stackly-"  # of the folders beside a root; nothing in them is source
SHARE = "share.json"
WHOLE = "whole.tfstate"  # in UNITS: the whole document that the apply began with
OUTLINED = "outlined"  # in UNITS: what WHOLE says of slices that no batch touches has no contents
SUSPECTS = "suspects.json"
UNITS = "units"  # below the run's private folder: one folder for each Terraform process that plans or applies
_STATES = ("terraform.tfstate", "terraform.tfstate.backup", "errored.tfstate")
_TOOLS = frozenset({"terraform.tfstate.d", "crash.log"})  # what else Terraform itself may leave
_NAME_LENGTH = 12


@dataclass(frozen=True)
class UnitFolder:
    """`tree` is what Terraform takes for the root: always the same for the same units. `aside` is private.

    `code` are the names of the batch's own code, `linked` of entries that stand for the root's.
    """

    tree: Path
    aside: Path
    code: set[str] = field(default_factory=set)
    linked: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, root: Path, folder: Path, number: int, units: tuple[str, ...]) -> "UnitFolder":
        name = sha256("\0".join(units).encode()).hexdigest()[:_NAME_LENGTH]
        return cls(root.parent / f"{PREFIX}{name}", folder / UNITS / f"{number:04}")

    @property
    def plan_file(self) -> Path:
        return self.aside / "plan.bin"

    @property
    def values_file(self) -> Path:
        """Values of other units' exports."""
        return self.aside / "values.tfvars.json"

    @property
    def variables_file(self) -> Path:
        """Those of the run's variables that the batch declares."""
        return self.aside / "variables.tfvars.json"

    @property
    def state(self) -> Path:
        return self.aside / _STATES[0]

    @property
    def errored(self) -> Path:
        return self.aside / _STATES[2]

    @property
    def kept(self) -> Path:
        """The last whole version, for the case that Terraform dies while it writes one."""
        return self.aside / "last-whole.tfstate"

    @property
    def data(self) -> Path:
        """Terraform's data folder."""
        return self.tree / ".terraform"

    def fill(self, root: Path, installed: Path, cut: Cut, state: bytes) -> None:
        """Write the cut root and its part of the state; other entries of the root become links.

        The state lies apart: a tree may be rebuilt at any time, a state that nobody has taken in must not go with it.
        """
        self.tree.mkdir(mode=0o700, exist_ok=True)
        self.aside.mkdir(mode=0o700, parents=True)
        _clear(self.tree)
        self.catch_up(root)
        for name, data in (*cut.files.items(), (cut.generated_name, cut.generated)):
            if data:
                (self.tree / name).write_bytes(data)
                self.code.add(name)
        for name in _STATES:
            (self.tree / name).symlink_to(self.aside / name)
        write_new(self.state, state)
        write_new(self.values_file, cut.variables)
        self._install(root, installed, cut.modules)

    def catch_up(self, root: Path) -> None:
        """Link what was written into the root since the folder was made."""
        names = {entry.name for entry in root.iterdir() if not _own(entry.name)} - self.linked
        written.catch_up(self.tree, root, names)
        self.linked.update(names)

    def give_back(self, root: Path) -> None:
        """Put what a provider wrote here into the root, as if it had run there: others read it. OSError when it cannot be."""
        kept = {entry.name for entry in self.tree.iterdir() if _own(entry.name) and not is_code(entry.name)}
        written.give_back(self.tree, root, self.code | kept | _TOOLS, self.linked)

    def announce(self, share: bytes) -> None:
        """Before an apply: what whoever comes back needs to take in the state that it leaves; durable."""
        write_new(self.aside / SHARE, share, synced=True)

    def suspect(self, suspects: Mapping[str, str]) -> None:
        """The batch did not end well: what may exist without being in the state, for whoever comes back."""
        write_new(self.aside / SUSPECTS, json.dumps(dict(suspects)).encode(), synced=True)

    def absorbed(self) -> None:
        """Nobody needs its state: only the journals stay."""
        for path in (self.aside / SHARE, self.kept, *(self.aside / name for name in _STATES)):
            path.unlink(missing_ok=True)
        self.forget_secrets()

    def forget_secrets(self) -> None:
        for path in (self.plan_file, self.values_file, self.variables_file):
            path.unlink(missing_ok=True)

    def _install(self, root: Path, installed: Path, modules: bytes) -> None:
        """No `init` for a batch: providers are linked, the module list holds the batch's calls, the lock file is a copy."""
        shutil.rmtree(self.data, ignore_errors=True)
        (self.data / "modules").mkdir(mode=0o700, parents=True)
        (self.data / "providers").symlink_to(installed / "providers")
        listed = exact.loads(modules)
        for entry in listed["Modules"]:
            if entry["Dir"].startswith(FETCHED):  # as in a run of the whole root, so that path.module is the same
                entry["Dir"] = str(installed / "modules" / entry["Dir"].removeprefix(FETCHED))
        (self.data / "modules" / "modules.json").write_bytes(exact.dumps(listed))
        if (root / LOCK_FILE).is_file():
            shutil.copyfile(root / LOCK_FILE, self.tree / LOCK_FILE)


def asides(folder: Path) -> list[Path]:
    """The private folder of each Terraform of a run's folder, in the order in which they were made."""
    return sorted(path for path in (folder / UNITS).glob("[0-9]*") if path.is_dir())


def forget_secrets(folder: Path) -> None:
    """Of a run that ended: plans and values of all its batches."""
    for aside in asides(folder):
        UnitFolder(folder, aside).forget_secrets()


def forget_states(folder: Path) -> None:
    """Of a run whose state the control plane has."""
    (folder / UNITS / WHOLE).unlink(missing_ok=True)
    for aside in asides(folder):
        UnitFolder(folder, aside).absorbed()


def clear_beside(root: Path) -> None:
    """Drop the folders of earlier batches of this root."""
    for path in root.parent.glob(f"{PREFIX}*"):
        shutil.rmtree(path, ignore_errors=True)


def _clear(tree: Path) -> None:
    for entry in tree.iterdir():
        if entry.is_symlink() or is_code(entry.name) or entry.name == LOCK_FILE:
            entry.unlink()


def _own(name: str) -> bool:
    """Entries of the root that a batch does not see, or has its own of."""
    own = is_code(name) or name in {*_STATES, ".terraform", LOCK_FILE}
    return own or name.startswith(PREFIX) or ".tfstate.lock" in name
