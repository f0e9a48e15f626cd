"""A root module on disk: its files, its module tree, the hash of everything that a unit can read."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from stackly_engine.configuration import Call, Configuration, calls, configure
from stackly_engine.source import Product

OWN = ".stackly"  # our folder inside the root; nothing in it is source
_SOURCES = (".tf", ".tofu", ".tf.json", ".tofu.json")
_NO_SOURCE = frozenset({".git", ".hg", ".svn", ".terraform", OWN})


@dataclass(frozen=True)
class Project:
    """A root module's folder with its `.terraform` in place; read once, then unchanging."""

    root: Path
    product: Product

    @cached_property
    def calls(self) -> tuple[Call, ...]:
        """Every module of the tree and where it lies, as `init` wrote it down; the root alone when it wrote nothing."""
        return calls(self.modules_json)

    @cached_property
    def modules_json(self) -> bytes:
        path = self.root / ".terraform" / "modules" / "modules.json"
        return path.read_bytes() if path.exists() else b'{"Modules":[{"Key":"","Source":"","Dir":"."}]}'

    @cached_property
    def sources(self) -> dict[str, dict[str, bytes]]:
        """Directory of modules.json → file name → bytes, of the files that may be Terraform's."""
        return {call.directory: sources(self.root / call.directory) for call in self.calls}

    @cached_property
    def configuration(self) -> Configuration:
        return configure(self.sources, self.modules_json, self.product)

    @cached_property
    def trees(self) -> dict[str, dict[str, str]]:
        """Directory of modules.json → path inside → SHA-256 of each file in that module's folder."""
        return {call.directory: hashes(self.root / call.directory) for call in self.calls}

    @cached_property
    def lock_file(self) -> bytes:
        path = self.root / ".terraform.lock.hcl"
        return path.read_bytes() if path.exists() else b""

    @cached_property
    def digest(self) -> str:
        """One hash over every file of every module folder, the module list and the lock file."""
        parts = hashlib.sha256(self.modules_json + b"\0" + self.lock_file)
        for directory, tree in sorted(self.trees.items()):
            for path, value in sorted(tree.items()):
                parts.update(f"{directory}\0{path}\0{value}\n".encode())
        return parts.hexdigest()


def sources(folder: Path) -> dict[str, bytes]:
    """The files of one folder whose names say Terraform."""
    if not folder.is_dir():
        return {}
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.name.endswith(_SOURCES) and entry.is_file())
    return {name: (folder / name).read_bytes() for name in names}


def hashes(folder: Path) -> dict[str, str]:
    """Path inside the folder → SHA-256 of each file below it that is source; a link counts by where it points."""
    return {str(path.relative_to(folder)): _hash(path) for path in _files(folder)}


def _files(folder: Path) -> Iterator[Path]:
    seen: set[str] = set()
    for base, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(base)
        if real in seen:
            folders.clear()  # a link to a folder above: its files are here already
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if name not in _NO_SOURCE and not name.startswith(OWN + "-"))
        yield from (Path(base, name) for name in sorted(names) if not _written(name))


def _written(name: str) -> bool:
    """State files are written by the runs themselves."""
    return name.endswith((".tfstate", ".tfstate.backup")) or ".tfstate.lock" in name or name == ".terraform.lock.hcl"


def _hash(path: Path) -> str:
    if path.is_symlink():
        return hashlib.sha256(b"link\0" + str(path.readlink()).encode() + b"\0" + _content(path)).hexdigest()
    return hashlib.sha256(_content(path)).hexdigest()


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
