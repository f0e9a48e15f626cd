"""The files of module folders, each read and hashed once; light, since the quickest answer of the command needs them."""

import hashlib
import os
from collections.abc import Iterable, Iterator

from stackly_engine.command.places import OWN

_SOURCES = (".tf", ".tofu", ".tf.json", ".tofu.json")
_NO_SOURCE = frozenset({".git", ".hg", ".svn", ".terraform", OWN})
_CHUNK = 1 << 16


class Folders:
    """Folders below one root as they were when they were first asked for, by the directories of modules.json."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._files: dict[str, tuple[str, bytes | None]] = {}  # path → hash; bytes of what may be Terraform's
        self._trees: dict[str, dict[str, str]] = {}
        self._digests: dict[tuple[frozenset[str], tuple[bytes, ...]], str] = {}

    def hashes(self, directory: str) -> dict[str, str]:
        """Path inside → SHA-256 of each file below that is source; a link counts by where it points."""
        found = self._trees.get(directory)
        if found is None:
            folder = self.path(directory)
            found = {path[len(folder) + 1 :]: self._read(entry, path)[0] for path, entry in _files(folder)}
            self._trees[directory] = found
        return found

    def sources(self, directory: str) -> dict[str, bytes]:
        """File name → bytes, of the files directly in a folder whose names say Terraform."""
        folder = self.path(directory)
        names = (path for path in self.hashes(directory) if "/" not in path)
        found = ((name, self._files[f"{folder}/{name}"][1]) for name in names)
        return {name: data for name, data in sorted(found) if data is not None}

    def digest(self, directories: Iterable[str], *others: bytes) -> str:
        """One hash over every file of these folders, and over other bytes that say what they are."""
        key = frozenset(directories), others
        if key not in self._digests:
            parts = hashlib.sha256(b"\0".join(others))
            for directory in sorted(key[0]):
                for path, value in sorted(self.hashes(directory).items()):
                    parts.update(f"{directory}\0{path}\0{value}\n".encode())
            self._digests[key] = parts.hexdigest()
        return self._digests[key]

    def path(self, directory: str) -> str:
        return self.root if directory == "." else f"{self.root}/{directory}"

    def _read(self, entry: "os.DirEntry[str]", path: str) -> tuple[str, bytes | None]:
        found = self._files.get(path)
        if found is None:
            is_file = entry.is_file()
            data = _content(path) if is_file else b""
            link = b"link\0" + os.fsencode(os.readlink(path)) + b"\0" if entry.is_symlink() else b""  # noqa: PTH115
            kept = data if is_file and path.endswith(_SOURCES) else None
            found = self._files[path] = (hashlib.sha256(link + data).hexdigest(), kept)
        return found


def _files(folder: str) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    """Every file below a folder, folders in their order; what a link to a folder above shows is there already."""
    seen: set[str] = set()
    waiting = [(folder, os.path.realpath(folder))]
    while waiting:
        base, real = waiting.pop()
        if real in seen:
            continue
        seen.add(real)
        inside = []
        for entry in _entries(base):
            path = f"{base}/{entry.name}"
            if not _is_folder(entry):
                if not _written(entry.name):
                    yield path, entry
            elif entry.name not in _NO_SOURCE and not entry.name.startswith(OWN + "-"):
                inside.append((path, os.path.realpath(path) if entry.is_symlink() else f"{real}/{entry.name}"))
        waiting.extend(reversed(inside))


def _entries(folder: str) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=_name)
    except OSError:
        return []  # it cannot be read, by Terraform neither


def _name(entry: "os.DirEntry[str]") -> str:
    return entry.name


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _written(name: str) -> bool:
    """State files are written by the runs themselves."""
    return name.endswith((".tfstate", ".tfstate.backup")) or ".tfstate.lock" in name or name == ".terraform.lock.hcl"


def _content(path: str) -> bytes:
    """Without a file object: there are thousands of small ones."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while data := os.read(descriptor, _CHUNK):
            parts.append(data)
        return b"".join(parts)
    finally:
        os.close(descriptor)
