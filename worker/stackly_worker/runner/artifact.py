"""What a run's code is beyond its commit's tree, as bytes: every module that `init` fetched, and a lock file that it made.

The bytes are a function of names, modes and contents alone, so their SHA-256 is the name of what they hold: two clones of
one commit are equal. Equal contents are held once.
"""

import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path, PurePosixPath

from stackly_engine import exact
from stackly_worker.runner import limits
from stackly_worker.runner.units_source import FETCHED, NO_SOURCE
from stackly_worker.runner.worktree import TreeRefusedError, clean

MAGIC = b"stackly artifact 1\n"
_MANIFEST = "modules.json"
_FILE, _PROGRAM, _LINK = 0o100644, 0o100755, 0o120000


class ArtifactRefusedError(Exception):
    """What was fetched cannot be kept, or is not what was kept; the message says which module and why."""


@dataclass(frozen=True)
class Artifact:
    """`entries`: path below `modules/` of Terraform's data folder → mode of git and SHA-256 of its content (a link's target).

    `modules` is Terraform's list of them, by paths of no machine; empty without any. `lock` is None when the lock file is
    the tree's own, or there is none.
    """

    entries: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    contents: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    modules: bytes = b""
    lock: bytes | None = None

    def __bool__(self) -> bool:
        return bool(self.modules) or self.lock is not None

    def pack(self) -> bytes:
        """ArtifactRefusedError when that is more than may be kept."""
        head = {
            "entries": [[path, mode, digest] for path, (mode, digest) in sorted(self.entries.items())],
            "contents": [[digest, len(data)] for digest, data in sorted(self.contents.items())],
            "modules": self.modules.decode(),
            "lock": None if self.lock is None else self.lock.decode(),
        }
        text = json.dumps(head, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
        data = b"".join([MAGIC, text, b"\n", *(data for _, data in sorted(self.contents.items()))])
        if len(data) > limits.ARTIFACT_BYTES:
            raise ArtifactRefusedError(f"the modules that were fetched need more than {limits.ARTIFACT_BYTES} bytes")
        return data

    @classmethod
    def unpack(cls, data: bytes) -> "Artifact":
        """ArtifactRefusedError for anything that `pack` did not make."""
        head_line, _, body = data.removeprefix(MAGIC).partition(b"\n")
        try:
            head, at, contents = json.loads(head_line), 0, {}
            for digest, size in head["contents"]:
                contents[digest] = body[at : at + size]
                at += size
            entries = {path: (int(mode), str(digest)) for path, mode, digest in head["entries"]}
            lock = None if head["lock"] is None else head["lock"].encode()
            found = cls(entries, contents, head["modules"].encode(), lock)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ArtifactRefusedError("what the code of this run was resolved to cannot be read") from None
        if not data.startswith(MAGIC) or any(sha256(part).hexdigest() != name for name, part in contents.items()):
            raise ArtifactRefusedError("what the code of this run was resolved to was altered")
        return found

    def lay(self, data: Path) -> None:
        """Put the modules into Terraform's data folder, in place of whatever is there."""
        folder = data / "modules"
        shutil.rmtree(folder, ignore_errors=True)
        if not self.modules:
            return
        folder.mkdir(mode=0o700, parents=True)
        files = {path: mode for path, (mode, _) in self.entries.items() if mode != _LINK}
        for path, mode in sorted(files.items()):
            _write(folder / _inside(path), self._content(path), 0o755 if mode == _PROGRAM else 0o644)
        _link(folder, {path: self._content(path) for path, (mode, _) in self.entries.items() if mode == _LINK})
        listed = exact.loads(self.modules)
        for one in listed["Modules"]:
            if one["Dir"].startswith(FETCHED):
                one["Dir"] = str(folder / _inside(one["Dir"].removeprefix(FETCHED)))
        _write(folder / _MANIFEST, exact.dumps(listed), 0o600)

    def _content(self, path: str) -> bytes:
        try:
            return self.contents[self.entries[path][1]]
        except KeyError:
            raise ArtifactRefusedError(f"{path!r} has no content") from None


def resolved(data: Path, lock: Path, *, locked: bool) -> Artifact:
    """What an `init` left in Terraform's data folder beyond the tree; `locked`: the lock file is the tree's own."""
    made = None if locked or not lock.is_file() else lock.read_bytes()
    modules, fetched = _listed(data / "modules")
    if not fetched:
        return Artifact(lock=made)
    found = _Found(data / "modules")
    for name in sorted(fetched):
        found.take(name)
    return Artifact(found.entries, found.contents, modules, made)


@dataclass
class _Found:
    """Packages as they are collected; a package that is itself a link (a folder of this machine) is taken as what it leads to."""

    folder: Path
    entries: dict[str, tuple[int, str]] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    laid: int = 0  # bytes
    held: int = 0

    def take(self, package: str) -> None:
        top = Path(os.path.realpath(self.folder / package))
        for path in _walk(top):
            mode, data = _read(path, top)
            digest = sha256(data).hexdigest()
            self.entries[f"{package}/{path.relative_to(top).as_posix()}"] = mode, digest
            self.held += 0 if digest in self.contents else len(data)
            self.contents[digest] = data
            self.laid += len(data)
            self._bounded()

    def _bounded(self) -> None:
        for what, found, most in (
            ("files", len(self.entries), limits.ARTIFACT_ENTRIES),
            ("bytes", self.laid, limits.ARTIFACT_LAID_BYTES),
            ("bytes of different files", self.held, limits.ARTIFACT_BYTES),
        ):
            if found > most:
                raise ArtifactRefusedError(f"the modules that were fetched have more than {most} {what}{self._largest}")

    @property
    def _largest(self) -> str:
        """The packages that have most, as far as they were read."""
        sizes: dict[str, int] = {}
        for path, (_, digest) in self.entries.items():
            name = path.partition("/")[0]
            sizes[name] = sizes.get(name, 0) + len(self.contents[digest])
        most = sorted(((size, name) for name, size in sizes.items()), reverse=True)[:3]
        return ": most in " + ", ".join(f"module.{name} ({size // limits.KIB} KiB)" for size, name in most)


def _listed(folder: Path) -> tuple[bytes, set[str]]:
    """Terraform's list in order of keys, by paths of no machine; and the packages that were fetched."""
    try:
        listed = exact.loads((folder / _MANIFEST).read_bytes())
    except FileNotFoundError:
        return b"", set()
    fetched, own = set(), f"{folder}/"
    for one in listed.get("Modules") or []:
        if str(one.get("Dir", "")).startswith(own):
            below = one["Dir"].removeprefix(own)
            fetched.add(below.partition("/")[0])
            one["Dir"] = FETCHED + below
    listed["Modules"] = sorted(listed.get("Modules") or [], key=lambda one: str(one.get("Key", "")))
    return exact.dumps(listed), fetched


def _walk(top: Path) -> Iterator[Path]:
    """Every file and link below, but what version control keeps beside the code."""
    for base, folders, names in os.walk(top):
        links = [name for name in folders if Path(base, name).is_symlink()]
        folders[:] = sorted(name for name in folders if name not in NO_SOURCE and name not in links)
        yield from (Path(base, name) for name in sorted([*names, *links]) if name not in NO_SOURCE)


def _read(path: Path, top: Path) -> tuple[int, bytes]:
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        if not Path(os.path.realpath(path)).is_relative_to(top):
            raise ArtifactRefusedError(f"in a module that was fetched the link {path.relative_to(top)} leads out of it")
        return _LINK, os.fsencode(_target(path))
    if not stat.S_ISREG(found.st_mode):
        raise ArtifactRefusedError(f"in a module that was fetched {path.relative_to(top)} is neither file nor link")
    return _PROGRAM if found.st_mode & stat.S_IXUSR else _FILE, path.read_bytes()


def _target(link: Path) -> str:
    """As it is; of an absolute one, which would mean something else elsewhere, what it is from here."""
    target = os.readlink(link)  # noqa: PTH115 - as text: a Path would drop "./" and a slash at its end
    return os.path.relpath(os.path.realpath(link), link.parent) if target.startswith("/") else target


def _inside(path: str) -> PurePosixPath:
    try:
        return clean(path)
    except TreeRefusedError as error:
        raise ArtifactRefusedError(f"in a module that was fetched {error}") from None


def _write(path: Path, data: bytes, mode: int) -> None:
    """With this mode whatever the machine's mask: archives that are made of a module hold it. The data folder is private."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, mode)
        file.write(data)


def _link(folder: Path, links: Mapping[str, bytes]) -> None:
    """After all files, so that none is written through one; then see where each really leads."""
    paths = {_inside(path): os.fsdecode(target) for path, target in sorted(links.items())}
    for path, target in paths.items():
        (folder / path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / path).symlink_to(target)
    top = os.path.realpath(folder)
    for path in paths:
        if not Path(os.path.realpath(folder / path)).is_relative_to(Path(top, path.parts[0])):
            raise ArtifactRefusedError(f"the link {path} leads out of its module")
