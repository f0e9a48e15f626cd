"""What an `init` left, for other places: stack states of one commit need not each make the same one.

Only of code without providers, whose `init` leaves but two small files without a path of this machine: which backend it
knew, and which modules of the tree. Providers are programs: those of one stack are never run by another.
"""

import contextlib
import json
import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from stackly_worker.runner import limits
from stackly_worker.runner.initialized import Initialization
from stackly_worker.runner.place import write_atomically

_LEFT = ("terraform.tfstate", "modules/modules.json")
_KEPT = 100  # initializations; the oldest go first


@dataclass(frozen=True)
class Shelf:
    """A folder of this machine, one file for each initialization."""

    folder: Path

    def put(self, made: Initialization, data: Path) -> None:
        """Keeps what lies in Terraform's data folder after an `init` that any other of the same would repeat."""
        left = {name: (data / name).read_text(encoding="utf-8") for name in _LEFT if (data / name).is_file()}
        if sum(map(len, left.values())) > limits.MIB or _LEFT[0] not in left:
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self.folder / f"{os.getpid()}.part"  # of one name for each runner: they may keep the same at once
        part.write_text(json.dumps(left), encoding="utf-8")
        part.replace(self._of(made))
        for old in sorted(self.folder.glob("*.json"), key=_age)[:-_KEPT]:
            old.unlink(missing_ok=True)

    def lay(self, wanted: Initialization, data: Path) -> bool:
        """Lays the same into another data folder; False when there is nothing."""
        try:
            left = json.loads(self._of(wanted).read_text(encoding="utf-8"))
            texts = {name: str(left[name]) for name in _LEFT if name in left}
        except (FileNotFoundError, ValueError, TypeError):
            return False
        for name, text in texts.items():
            (data / name).parent.mkdir(mode=0o700, exist_ok=True)
            write_atomically(data / name, text.encode())
        return _LEFT[0] in texts

    def _of(self, initialization: Initialization) -> Path:
        return self.folder / f"{sha256(initialization.to_text().encode()).hexdigest()}.json"


def _age(path: Path) -> float:
    with contextlib.suppress(FileNotFoundError):  # another runner was faster
        return path.stat().st_mtime
    return 0.0
