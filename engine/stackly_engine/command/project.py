"""A root module on disk: its files, its module tree, the hash of everything that a unit can read."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from stackly_engine.command.folders import Folders
from stackly_engine.command.places import OWN
from stackly_engine.configuration import Call, Configuration, calls, configure
from stackly_engine.source import Product

__all__ = ["OWN", "Project"]


@dataclass(frozen=True)
class Project:
    """A root module's folder with its `.terraform` in place; read once, then unchanging."""

    root: Path
    product: Product
    read: Folders | None = None  # what was read of them before

    @cached_property
    def folders(self) -> Folders:
        return self.read or Folders(str(self.root))

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
        return {call.directory: self.folders.sources(call.directory) for call in self.calls}

    @cached_property
    def configuration(self) -> Configuration:
        return configure(self.sources, self.modules_json, self.product)

    @cached_property
    def trees(self) -> dict[str, dict[str, str]]:
        """Directory of modules.json → path inside → SHA-256 of each file in that module's folder."""
        return {call.directory: self.folders.hashes(call.directory) for call in self.calls}

    @cached_property
    def lock_file(self) -> bytes:
        path = self.root / ".terraform.lock.hcl"
        return path.read_bytes() if path.exists() else b""

    @cached_property
    def digest(self) -> str:
        """One hash over every file of every module folder, the module list and the lock file."""
        return self.folders.digest({call.directory for call in self.calls}, self.modules_json, self.lock_file)
