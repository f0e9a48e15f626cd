"""A prepared root module as the engine reads it: its code, its module tree, the hash of every file a unit can read."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from stackly_engine import exact
from stackly_engine.configuration import Call, Configuration, calls, configure
from stackly_engine.source import Product
from stackly_engine.syntax import SyntaxProblem, parse
from stackly_worker.runner.inspected import Inspections
from stackly_worker.runner.worktree import LOCK_FILE, OVERRIDE

FETCHED = (
    ".terraform/modules/"  # where modules that `init` fetched lie, as the engine is told; paths of this machine differ
)
_CODE = (".tf", ".tofu", ".tf.json", ".tofu.json")
NO_SOURCE = frozenset({".git", ".hg", ".svn", ".terraform"})
_PLACE = (b"path.cwd", b"abspath", b"pathexpand")
_ROOT_ALONE = b'{"Modules":[{"Key":"","Source":"","Dir":"."}]}'


def is_code(name: str) -> bool:
    return name.endswith(_CODE)


@dataclass(frozen=True)
class UnitSource:
    """`tree` is the whole source, `root` a folder in it, `data` Terraform's data folder after `init`; read once."""

    tree: Path
    root: Path
    data: Path
    product: Product
    inspections: Inspections | None = None  # of what was read before

    @cached_property
    def calls(self) -> tuple[Call, ...]:
        return calls(self._modules_json)

    @cached_property
    def configuration(self) -> Configuration:
        code = {call.directory: self._code(self._folder(call.directory)) for call in self.calls}
        if self.inspections is None:
            return configure(code, self._modules_json, self.product)
        with self.inspections.kept() as before:
            return configure(code, self._modules_json, self.product, before.read)

    @cached_property
    def trees(self) -> dict[str, dict[str, str]]:
        """Directory as in modules.json → path inside → SHA-256 of each source file below it."""
        return {call.directory: dict(self._hashes(self._folder(call.directory))) for call in self.calls}

    @cached_property
    def digest(self) -> str:
        """Over every file of the source and of each module that was fetched."""
        parts = sha256(self._modules_json)
        fetched = {call.directory for call in self.calls if call.directory.startswith(FETCHED)}
        whole = {"": dict(self._hashes(self.tree)), **{name: self.trees[name] for name in sorted(fetched)}}
        for directory, tree in whole.items():
            for path, value in sorted(tree.items()):
                parts.update(f"{directory}\0{path}\0{value}\n".encode())
        return parts.hexdigest()

    @cached_property
    def sees_its_place(self) -> bool:
        """Whether some code can tell where on this machine it lies."""
        for key, module in self.configuration.modules.items():
            fetched = self.configuration.calls[key].directory.startswith(FETCHED)
            words = (*_PLACE, b"path.module") if fetched else _PLACE
            if any(word in file.data for file in module.files.values() for word in words):
                return True
        return False

    @cached_property
    def variable_files(self) -> dict[str, bytes]:
        """Variable name → the bytes of its value in the files that Terraform reads by itself; only for comparing."""
        found: dict[str, bytes] = {}
        for path in _automatic(self.root):
            found |= _values(path)
        return found

    @cached_property
    def _modules_json(self) -> bytes:
        """As `init` wrote it, with fetched modules where any machine would have them."""
        path = self.data / "modules" / "modules.json"
        if not path.exists():
            return _ROOT_ALONE
        listed = exact.loads(path.read_bytes())
        own = f"{self.data / 'modules'}/"
        for entry in listed.get("Modules") or []:
            if str(entry.get("Dir", "")).startswith(own):
                entry["Dir"] = FETCHED + entry["Dir"].removeprefix(own)
        return exact.dumps(listed)

    def _folder(self, directory: str) -> Path:
        if directory.startswith(FETCHED):
            return self.data / "modules" / directory.removeprefix(FETCHED)
        return self.root / directory

    def _code(self, folder: Path) -> dict[str, bytes]:
        names = sorted(entry.name for entry in folder.iterdir() if is_code(entry.name)) if folder.is_dir() else []
        return {name: (folder / name).read_bytes() for name in names if name != OVERRIDE and (folder / name).is_file()}

    @cached_property
    def _known(self) -> dict[str, str]:
        return {}

    def _hashes(self, folder: Path) -> Iterator[tuple[str, str]]:
        """Path inside the folder and SHA-256 of each file; paths are texts here: there may be thousands."""
        start = len(str(folder)) + 1
        for path in _files(str(folder)):
            if path not in self._known:
                self._known[path] = _hash(path)
            yield path[start:], self._known[path]


def keyed_variables(source: UnitSource, given: Mapping[str, object]) -> dict[str, bytes]:
    """The bytes of each variable's value that counts: of the run, else of the root's own files."""
    return source.variable_files | {name: exact.dumps(value) for name, value in given.items()}


def _automatic(root: Path) -> list[Path]:
    named = [root / "terraform.tfvars", root / "terraform.tfvars.json"]
    auto = sorted(path for path in root.iterdir() if path.name.endswith((".auto.tfvars", ".auto.tfvars.json")))
    return [path for path in (*named, *auto) if path.is_file()]


def _values(path: Path) -> dict[str, bytes]:
    """A file that cannot be read as values counts as a whole: Terraform will say what is wrong with it."""
    data = path.read_bytes()
    try:
        if path.name.endswith(".json"):
            return {name: exact.dumps(value) for name, value in exact.loads(data).items()}
        read = parse(path.name, data)
    except (SyntaxProblem, exact.FormatError, AttributeError):
        return {f"({path.name})": data}
    return {name: read.tokens(item.value) for name, item in read.attributes.items()}


def _files(folder: str) -> Iterator[str]:
    seen: set[tuple[int, int]] = set()
    for base, folders, names in os.walk(folder, followlinks=True):
        there = os.stat(base)  # noqa: PTH116 - thousands
        if (there.st_dev, there.st_ino) in seen:
            folders.clear()  # a link to a folder above: its files are here already
            continue
        seen.add((there.st_dev, there.st_ino))
        folders[:] = sorted(name for name in folders if name not in NO_SOURCE and not name.startswith(".stackly-"))
        yield from (f"{base}/{name}" for name in sorted(names) if not _written(name))


def _written(name: str) -> bool:
    """What runs write themselves."""
    return name.endswith((".tfstate", ".tfstate.backup")) or ".tfstate.lock" in name or name in {LOCK_FILE, OVERRIDE}


def _hash(name: str) -> str:
    mode = os.lstat(name).st_mode
    path = Path(name)
    if stat.S_ISREG(mode):
        return sha256(path.read_bytes()).hexdigest()
    content = path.read_bytes() if path.is_file() else b""
    return sha256(b"link\0" + os.fsencode(path.readlink()) + b"\0" + content if stat.S_ISLNK(mode) else b"").hexdigest()
