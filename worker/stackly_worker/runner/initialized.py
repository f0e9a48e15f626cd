"""When the last `init` of a place is still good, so that the next plan need not make it again.

Only when nothing can have moved since: code of which an `init` reads the same, the same root, engine and settings; modules
of the tree alone; providers that a lock file of the tree pins, or none at all; and no provider that only the state knows.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from stackly_worker.runner import limits, terraform
from stackly_worker.runner.terraform import Engine, Settings

_PROVIDER = re.compile(r'^provider "([^"]+)"', re.MULTILINE)
_IN_STATE = re.compile(r'provider\["([^"]+)"\]')
_BUILT_IN = "terraform.io/builtin/"


@dataclass(frozen=True)
class Initialization:
    """What an `init` was made for, and the lock file it was made by; empty without one."""

    code: str  # as of `init_reads.digest`
    root: str
    engine: tuple[str, ...]
    settings: str
    lock_sha256: str

    @classmethod
    def of(
        cls, code: str, root: str, engine: Engine, settings: Settings, environment: Mapping[str, str], lock: Path
    ) -> "Initialization":
        """As the tree is before `init`. Where the place lies does not matter: `init` keeps no path of the machine."""
        declared = sorted((name, value) for name, value in environment.items() if name not in terraform.OF_THE_PLACE)
        words = json.dumps([settings.mirrors.config(), declared])
        return cls(
            code=code,
            root=root,
            engine=(*engine.command, engine.name),
            settings=sha256(words.encode()).hexdigest(),
            lock_sha256=sha256(lock.read_bytes()).hexdigest() if lock.is_file() else "",
        )

    def to_text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)


def pinned(data: Path, lock: Path, *, locked: bool) -> bool:
    """Whether another `init` of the same would give the same, after one; `locked`: the lock file is the tree's own."""
    return _own_modules(data / "modules" / "modules.json") and (locked or not _providers(lock))


def covered(state: Mapping[str, Any] | None, lock: Path) -> bool:
    """Whether the providers of a state (of `slices.parse`) are those of the lock file, or built in."""
    if state is None:
        return True
    written = {str(each.get("provider", "")) for each in state.get("resources") or []}
    used = {name for each in written for name in _IN_STATE.findall(each)}
    return {name for name in used if not name.startswith(_BUILT_IN)} <= _providers(lock)


def portable(lock: Path) -> bool:
    """Whether what `init` left is good in other places too: no providers but built-in ones."""
    return not _providers(lock)


def light(state: bytes | None, lock: Path) -> bool:
    """Whether Terraform has little to keep in memory: built-in providers alone, and at most 1 MiB of state."""
    return len(state or b"") <= limits.MIB and portable(lock)


def _own_modules(manifest: Path) -> bool:
    """Whether each module is the root or lies in the tree: others are fetched anew by each `init`."""
    try:
        modules = json.loads(manifest.read_text(encoding="utf-8")).get("Modules") or []
    except FileNotFoundError:
        return True
    return all(each.get("Source", "?").startswith(("./", "../")) for each in modules if each.get("Key"))


def _providers(lock: Path) -> set[str]:
    return set(_PROVIDER.findall(lock.read_text(encoding="utf-8"))) if lock.is_file() else set()
