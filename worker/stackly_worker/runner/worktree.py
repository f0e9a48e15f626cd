"""Rebuilds a stack's source tree from files as they arrive; trusts neither their names nor their sizes."""

import json
import os
import stat
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from stackly_engine import exact
from stackly_worker.runner import leftover, limits
from stackly_worker.runner.leftover import Leftover

OVERRIDE = "zzzz_stackly_override.tf"
LOCK_FILE = ".terraform.lock.hcl"
# Never part of a tree: what Terraform would run, obey or migrate although nobody reviewed it as code.
_LEFT_OUT_ANYWHERE = {".git", ".terraform", "terraform.d", ".terraformrc", "terraform.rc"}
_LEFT_OUT_IN_ROOT = {"terraform.tfstate", "terraform.tfstate.backup", "terraform.tfstate.d", "errored.tfstate"}
_OVERRIDE_ENDS = ("_override.tf", "_override.tf.json", "_override.tofu", "_override.tofu.json")
_SUBMODULE = 0o160000
_FEW = 2  # a file of fewer messages is held against what lies there before it is written


class TreeRefusedError(Exception):
    """The source tree breaks a rule or a limit; the message names path and rule."""


@dataclass(frozen=True)
class SourceFile:
    """One entry of a git tree: `mode` as git has it (100644, 100755, 120000); a link's content is its target."""

    path: str
    mode: int
    chunks: AsyncIterable[bytes]


@dataclass
class TreeReport:
    """What was built, and the paths that were left out on purpose."""

    entries: int = 0
    bytes: int = 0
    left_out: list[str] = field(default_factory=list)


async def rebuild(tree: Path, files: AsyncIterator[SourceFile], *, root: str, state: Path) -> TreeReport:
    """Make `tree` hold `files` and nothing else, put the backend override into the root module's folder `root`.

    A file that lies there as it comes is left alone: most do not change from run to run.
    Terraform's state will be the local file `state` whatever backend or cloud block the code has. Folders are 0700.
    TreeRefusedError for a path or link that leaves the tree, a limit passed, no folder `root`, an override file that
    would beat ours.
    """
    build = _Build(tree, clean(root) if root not in {"", "."} else PurePosixPath(), leftover.of(tree))
    async for file in files:
        await build.add(file)
    build.old.remove()
    build.link()
    _override(tree / build.root, state)
    return build.report


def write_variables(path: Path, variables: Mapping[str, Any]) -> None:
    """The run's variables as a 0600 variable file, numbers in the digits they came with; the caller removes it when Terraform is done."""
    _write_private(path, exact.dumps(dict(variables)))


def root_folder(tree: Path, root: str) -> Path:
    return tree if root in {"", "."} else tree / clean(root)


@dataclass
class _Build:
    tree: Path
    root: PurePosixPath
    old: Leftover
    report: TreeReport = field(default_factory=TreeReport)
    _links: dict[PurePosixPath, str] = field(default_factory=dict)

    async def add(self, file: SourceFile) -> None:
        self.report.entries += 1
        if self.report.entries > limits.TREE_ENTRIES:
            raise TreeRefusedError(f"the tree has more than {limits.TREE_ENTRIES} entries")
        path = clean(file.path)
        kind = stat.S_IFMT(file.mode)
        if self._left_out(path) or file.mode == _SUBMODULE:
            self.report.left_out.append(file.path)
        elif kind == stat.S_IFLNK:
            self._links[path] = await self._target(file)
        elif kind in {stat.S_IFREG, 0}:
            await self._write(path, file)
        else:
            raise TreeRefusedError(f"{file.path!r} is neither a file nor a link")

    def link(self) -> None:
        """Make the links last, so that no file is ever written through one; then see where each really leads."""
        for path, target in self._links.items():
            try:
                self._folder(path)
                (self.tree / path).symlink_to(target)
            except OSError:
                raise TreeRefusedError(f"{str(path)!r} is there twice, or below a file or link") from None
        inside = os.path.realpath(self.tree)
        for path in self._links:
            real = os.path.realpath(self.tree / path)
            if os.path.commonpath([inside, real]) != inside:
                raise TreeRefusedError(f"the link {str(path)!r} leads out of the tree")

    def _left_out(self, path: PurePosixPath) -> bool:
        in_root = path.is_relative_to(self.root) and path.relative_to(self.root).parts[:1]
        return bool(_LEFT_OUT_ANYWHERE.intersection(path.parts) or (in_root and in_root[0] in _LEFT_OUT_IN_ROOT))

    async def _target(self, file: SourceFile) -> str:
        data = b"".join([part async for part in self._metered(file)])
        target = data.decode("utf-8", "surrogateescape")
        if not target or target.startswith("/") or "\0" in target or len(data) > limits.PATH_BYTES * 2:
            raise TreeRefusedError(f"the link {file.path!r} leads out of the tree")
        return target

    async def _write(self, path: PurePosixPath, file: SourceFile) -> None:
        mode = 0o700 if file.mode & stat.S_IXUSR else 0o600
        parts = self._metered(file)
        begin = [part async for part in _first(parts, _FEW)]
        if len(begin) < _FEW and self.old.keeps(str(path), b"".join(begin), mode):
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self.old.frees(str(path))
        try:
            self._folder(path)
            handle = os.open(self.tree / path, flags, mode)
        except OSError:
            raise TreeRefusedError(f"{file.path!r} is there twice, or below a file") from None
        with os.fdopen(handle, "wb") as out:
            out.writelines(begin)
            async for part in parts:
                out.write(part)

    async def _metered(self, file: SourceFile) -> AsyncIterator[bytes]:
        async for part in file.chunks:
            self.report.bytes += len(part)
            if self.report.bytes > limits.TREE_BYTES:
                raise TreeRefusedError(f"the tree has more than {limits.TREE_BYTES} bytes")
            yield part

    def _folder(self, path: PurePosixPath) -> None:
        self.old.uses(str(path.parent))
        (self.tree / path.parent).mkdir(mode=0o700, parents=True, exist_ok=True)


async def _first(parts: AsyncIterator[bytes], count: int) -> AsyncIterator[bytes]:
    """So many of them; the rest stays where it is."""
    for _ in range(count):
        part = await anext(parts, None)
        if part is None:
            return
        yield part


def clean(path: str) -> PurePosixPath:
    """The path, when it is relative, plain and within the limits; TreeRefusedError."""
    parts = path.split("/")
    if not path or "\0" in path or "\\" in path or any(part in {"", ".", ".."} for part in parts):
        raise TreeRefusedError(f"{path!r} is no path inside a tree")
    if len(path.encode("utf-8", "surrogateescape")) > limits.PATH_BYTES or len(parts) > limits.TREE_DEPTH:
        raise TreeRefusedError(f"{path[:80]!r}… is longer or deeper than a path may be")
    return PurePosixPath(path)


def _override(folder: Path, state: Path) -> None:
    if not folder.is_dir() or folder.is_symlink():
        raise TreeRefusedError("the root module's folder is not in the tree")
    later = sorted(
        entry.name for entry in folder.iterdir() if entry.name.endswith(_OVERRIDE_ENDS) and entry.name >= OVERRIDE
    )
    if later:
        raise TreeRefusedError(f"{later[0]} would override the backend after Stackly's own override file; rename it")
    # relative, as a saved plan keeps it: on another machine it has to mean that machine's place
    path = json.dumps(os.path.relpath(state.resolve(), folder.resolve()))
    text = f'# Written by Stackly: state is kept by the control plane.\nterraform {{\n  backend "local" {{\n    path = {path}\n  }}\n}}\n'
    _write_private(folder / OVERRIDE, text.encode())


def _write_private(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
