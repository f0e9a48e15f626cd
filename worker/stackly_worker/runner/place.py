"""A stack's fixed place on this machine: work tree, state file, private home; and its lock."""

import asyncio
import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from stackly_worker.runner import limits
from stackly_worker.runner.statewatch import StateVersion


class DiskFullError(Exception):
    """Too little room for the state to be written safely; said before an apply, never after."""


@dataclass(frozen=True)
class Place:
    """The same absolute path for each run of a stack: `path.cwd` and `abspath` in its code stay what they were."""

    folder: Path

    @property
    def tree(self) -> Path:
        return self.folder / "tree"

    @property
    def state(self) -> Path:
        return self.folder / "state" / "terraform.tfstate"

    @property
    def kept(self) -> Path:
        """The last whole state version, for the case that Terraform died while it wrote the state file."""
        return self.folder / "state" / "last-whole.tfstate"

    @staticmethod
    def errored(root: Path) -> Path:
        """Where Terraform writes the state when it could not write it where it should: the root module's folder."""
        return root / "errored.tfstate"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @asynccontextmanager
    async def locked(self, between: Callable[[], Awaitable[None]] | None = None) -> AsyncIterator[int]:
        """Hold the place; waits for whoever has it, a Terraform whose runner died included. Gives the lock's file.

        `between` is awaited before each further try; what it raises ends the wait.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if between is None:
                await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
            else:
                while not _taken(lock):
                    await between()
            yield lock
        finally:
            os.close(lock)

    def put_state(self, document: bytes | None) -> None:
        """Lay the state of the control plane down; a document found here that nobody accepted is set aside, not lost."""
        folder = self.state.parent
        folder.mkdir(mode=0o700, exist_ok=True)
        for found in (self.state, self.kept):
            self.set_aside(found)
        self.state.with_name("terraform.tfstate.backup").unlink(missing_ok=True)
        if document is not None:
            write_atomically(self.state, document)
            self.accepted(sha256(document).hexdigest())

    def keep(self, version: StateVersion) -> None:
        write_atomically(self.kept, version.document)

    def accepted(self, digest: str) -> None:
        """Remember that the control plane has this document."""
        write_atomically(self.folder / "state" / "accepted", digest.encode())

    def forget_accepted(self) -> None:
        """Leave no state behind on this machine, unless it is nowhere else."""
        for found in (self.state, self.kept):
            if found.is_file() and not found.is_symlink() and self._is_accepted(_digest(found)):
                found.unlink()
        self.state.with_name("terraform.tfstate.backup").unlink(missing_ok=True)

    def require_room(self) -> None:
        """DiskFullError unless three times the state and 64 MiB are free."""
        size = self.state.stat().st_size if self.state.exists() else 0
        needed, free = 3 * size + limits.DISK_RESERVE, shutil.disk_usage(self.folder).free
        if free < needed:
            raise DiskFullError(f"{free} bytes are free at {self.folder}, an apply needs {needed}")

    def stamp(self) -> str:
        """What the tree and Terraform's data folder were last prepared for; empty while they are being changed."""
        note = self.folder / "prepared"
        return note.read_text(encoding="utf-8") if note.exists() else ""

    def set_stamp(self, stamp: str) -> None:
        write_atomically(self.folder / "prepared", stamp.encode())

    def initialization(self) -> str:
        """What the last `init` here was made for, if that still holds; empty otherwise."""
        note = self.folder / "initialized"
        return note.read_text(encoding="utf-8") if note.exists() else ""

    def set_initialization(self, text: str) -> None:
        write_atomically(self.folder / "initialized", text.encode())

    def sources(self) -> frozenset[str] | None:
        """The paths of all source files, as `set_sources` was told since the tree was prepared; None when it was not."""
        note = self.folder / "sources"
        return frozenset(map(os.fsdecode, note.read_bytes().split(b"\0"))) if note.exists() else None

    def set_sources(self, paths: Iterable[str]) -> None:
        """Before anything of the code runs: what it writes beside them is no source."""
        write_atomically(self.folder / "sources", b"\0".join(map(os.fsencode, paths)))

    def forget_sources(self) -> None:
        (self.folder / "sources").unlink(missing_ok=True)

    def set_aside(self, found: Path) -> None:
        """Clear the path; a document there that the control plane has not accepted moves to `state/unsent-…`."""
        if found.is_symlink() or not found.is_file():
            shutil.rmtree(found) if found.is_dir() and not found.is_symlink() else found.unlink(missing_ok=True)
            return
        digest = _digest(found)
        if self._is_accepted(digest):
            found.unlink()
        else:
            found.rename(self.state.with_name(f"unsent-{digest[:16]}.tfstate"))

    def _is_accepted(self, digest: str) -> bool:
        note = self.folder / "state" / "accepted"
        return note.exists() and note.read_text(encoding="utf-8") == digest


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Replace the file in one step; 0600."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    part.replace(path)
