"""Finds the stack roots of a commit, and what each of them depends on inside the repository. Blocking."""

from __future__ import annotations

import hashlib
import posixpath
import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

from stackly_server import limits
from stackly_server.git import allow
from stackly_server.git.links import TARGET_BYTES
from stackly_server.git.model import Mode, StackRoot, TreeLimitError, TreeLimits
from stackly_server.git.objects import Objects
from stackly_server.git.tree import TreeReader

STACK_FILE = "stackly.hcl"
TERRAFORM_BYTES = 4 * 2**20
"""A larger Terraform file is not searched for the paths that it names: any change in it counts, what it names does not."""

STEPS_LIMIT = 2_000_000
"""Folders looked at for all roots together, one counted once for each root that depends on it."""

_SOURCES = (".tf", ".tofu", ".tf.json", ".tofu.json")
_RELATIVE = re.compile(rb"(?<![\w.])(\.{1,2}/[^\"'\s${}()\[\],*?]*)")
_AFTER_MODULE_PATH = re.compile(rb"\$\{path\.(?:module|root)\}/([^\"'\s${}()\[\],*?]*)")
_Entries = dict[str, tuple[int, str]]


def named_paths(source: bytes) -> frozenset[str]:
    """The relative paths that a Terraform file names, as `./x`, `../x` or `${path.module}/x`: too many rather than too few."""
    raw = {*_RELATIVE.findall(source), *_AFTER_MODULE_PATH.findall(source)}
    return frozenset(posixpath.normpath(path.decode("utf-8", errors="replace")) for path in raw)


def find_roots(reader: TreeReader, commit: str, bounds: TreeLimits | None = None) -> tuple[StackRoot, ...]:
    """Every folder of a commit that holds a file `stackly.hcl`, sorted by path.

    Folders that reach no worker (`.git…`, `.terraform`, …) are not looked into; links and submodules are not followed.

    Raises:
        GitMissingError: no such commit.
        TreeLimitError: larger than the limits.
    """
    search = _Search(reader.objects(), bounds or TreeLimits())
    top = reader.folder(commit)
    search.walk(top)
    return tuple(search.root(path) for path in sorted(search.stack_folders))


@dataclass(slots=True)
class _Search:
    objects: Objects
    bounds: TreeLimits
    folders: dict[str, tuple[str, _Entries]] = field(default_factory=dict)
    stack_folders: dict[str, str] = field(default_factory=dict)
    named: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    sorted: list[str] = field(default_factory=list)
    steps: int = 0
    seen: int = 0
    searched: int = 0

    def walk(self, top: str) -> None:
        todo = [("", top, 1)]
        while todo:
            path, object_id, depth = todo.pop()
            if depth > self.bounds.depth:
                raise TreeLimitError(f"{path}: deeper than {self.bounds.depth} folders")
            entries = self._entries(path, object_id)
            self.folders[path] = (object_id, entries)
            self._note_stack(path, entries)
            below = ((posixpath.join(path, name), oid) for name, (mode, oid) in entries.items() if mode == Mode.FOLDER)
            todo += [(inner, oid, depth + 1) for inner, oid in below]
        self.sorted = sorted(self.folders)

    def _note_stack(self, path: str, entries: _Entries) -> None:
        mode, object_id = entries.get(STACK_FILE, (0, ""))
        if mode in {Mode.FILE, Mode.EXECUTABLE}:
            self.stack_folders[path] = object_id
        if len(self.stack_folders) > limits.STACK_ROOTS:
            raise TreeLimitError(f"more than {limits.STACK_ROOTS} folders hold a {STACK_FILE}")

    def _entries(self, path: str, object_id: str) -> _Entries:
        """What may reach a worker; `listing` says what is wrong with the rest."""
        entries: _Entries = {}
        for raw, mode, oid in self.objects.entries(object_id):
            self.seen += 1
            if self.seen > self.bounds.entries:
                raise TreeLimitError(f"more than {self.bounds.entries} files and folders (at {path or 'the top'})")
            if len(path.encode()) + len(raw) >= self.bounds.path_bytes:
                raise TreeLimitError(f"a path below {path} is longer than {self.bounds.path_bytes} bytes")
            name = allow.decoded(raw)
            if name is not None and allow.refusal(name) is None and allow.left_out(name) is None:
                entries[name] = (mode, oid)
        return entries

    def root(self, path: str) -> StackRoot:
        """The root with the digest of all that it depends on."""
        inside = self.folders[path][0]
        outside = sorted(self._reached(path))
        digest = hashlib.sha256(inside.encode())
        for each in outside:
            digest.update(f"\0{each}\0{self._object_at(each)}".encode())
        return StackRoot(path, self.stack_folders[path], digest.hexdigest())

    def _reached(self, root: str) -> set[str]:
        """The paths outside the root that its Terraform files name, and those that the folders among them name."""
        reached: set[str] = set()
        todo = self._below(root)
        done = set(todo)
        while todo:
            for path in self._named_by(todo.pop()):
                if _within(path, root) or self._object_at(path) is None:
                    continue
                reached.add(path)
                fresh = [] if path in done else [folder for folder in self._below(path) if folder not in done]
                todo += fresh
                done.update(fresh)
        return reached

    def _below(self, path: str) -> list[str]:
        """The folder and all in it; nothing for a file."""
        if not path:
            found = self.sorted
        else:
            start = bisect_left(self.sorted, f"{path}/")
            found = self.sorted[start : bisect_left(self.sorted, f"{path}0")]  # "0" is the character after "/"
            found += [path] if path in self.folders else []
        self.steps += len(found)
        if self.steps > STEPS_LIMIT:
            raise TreeLimitError(f"the stacks depend on more than {STEPS_LIMIT} folders together")
        return list(found)

    def _named_by(self, folder: str) -> frozenset[str]:
        found: set[str] = set()
        for name, (mode, object_id) in self.folders[folder][1].items():
            if mode in {Mode.FILE, Mode.EXECUTABLE} and name.endswith(_SOURCES):
                found |= self._named_in(folder, object_id)
            elif mode == Mode.LINK:
                found |= self._linked(folder, object_id)
        return frozenset(found)

    def _named_in(self, folder: str, object_id: str) -> frozenset[str]:
        key = (folder, object_id)
        if key not in self.named:
            size = self.objects.size(object_id)
            self.searched += size
            if self.searched > self.bounds.total_bytes:
                raise TreeLimitError(f"more than {self.bounds.total_bytes} bytes of Terraform files")
            source = self.objects.content(object_id, TERRAFORM_BYTES) if size <= TERRAFORM_BYTES else b""
            self.named[key] = _inside(folder, named_paths(source))
        return self.named[key]

    def _linked(self, folder: str, object_id: str) -> frozenset[str]:
        """Where a link in the folder leads; a target that is too long is none."""
        if self.objects.size(object_id) > TARGET_BYTES:
            return frozenset()
        target = (allow.decoded(self.objects.content(object_id, TARGET_BYTES)) or "/").split("\0")[0]
        return frozenset() if target.startswith("/") else _inside(folder, [target])

    def _object_at(self, path: str) -> str | None:
        if path in self.folders:
            return self.folders[path][0]
        folder, _, name = path.rpartition("/")
        if folder not in self.folders:
            return None
        return self.folders[folder][1].get(name, (0, None))[1]


def _within(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")


def _inside(folder: str, paths: Iterable[str]) -> frozenset[str]:
    """These paths, seen from the folder, as paths from the top; those that leave the repository are dropped."""
    joined = (posixpath.normpath(posixpath.join(folder, path)) for path in paths)
    return frozenset("" if path == "." else path for path in joined if path != ".." and not path.startswith("../"))
