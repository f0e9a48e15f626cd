"""Large objects in a directory: versions kept for ever, conditional put, atomic on the file system."""

import asyncio
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from stackly_server.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")

_REMEMBERED = 10_000
_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


class DirectoryBlobs:
    """Each key is a folder, each version of it a file `<number>` that never changes once it is there.

    A version appears whole or not at all: it is written aside, synced, and linked to its name, which fails when the
    name exists. Errors of the file system (disk full, say) are Unavailable BLOBS_UNAVAILABLE.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._durable: set[Path] = set()  # folders whose names are on the disk

    async def put(self, key: str, data: bytes) -> int:
        """Stores a new version and gives its number, from 1."""
        return await self._run(self._put, key, data)

    async def put_new(self, key: str, data: bytes) -> bool:
        """Stores the first version; False when the key is there already, and nothing is written."""
        return await self._run(self._put_new, key, data)

    async def get(self, key: str, version: int | None = None) -> bytes:
        """The bytes of a version, by default the newest; KeyError when there is none."""
        return await self._run(self._get, key, version)

    async def versions(self, key: str) -> list[int]:
        """The numbers of all versions, oldest first; empty when the key is unknown."""
        return await self._run(self._versions, key)

    @staticmethod
    async def _run(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await asyncio.to_thread(work, *args, **kwargs)
        except OSError as error:
            raise Unavailable("BLOBS_UNAVAILABLE", "The store of large objects does not answer.") from error

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key of a blob")
        return self._folder / key

    def _versions(self, key: str) -> list[int]:
        try:
            return sorted(int(file.name) for file in self._path(key).iterdir() if file.name.isdigit())
        except FileNotFoundError:
            return []

    def _get(self, key: str, version: int | None) -> bytes:
        folder = self._path(key)
        try:
            return (folder / str(version or self._newest(folder, key))).read_bytes()
        except FileNotFoundError:
            raise KeyError(key) from None

    def _newest(self, folder: Path, key: str) -> int:
        """Most keys have one version only: no folder is listed for those. A run asks for hundreds."""
        return max(self._versions(key)) if (folder / "2").exists() else 1

    def _put(self, key: str, data: bytes) -> int:
        number = max(self._versions(key), default=0) + 1
        while not self._link(key, number, data):
            number += 1
        return number

    def _put_new(self, key: str, data: bytes) -> bool:
        return not (self._path(key) / "1").exists() and self._link(key, 1, data)

    def _link(self, key: str, number: int, data: bytes) -> bool:
        folder = self._path(key)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, aside = tempfile.mkstemp(prefix=".new-", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.link(aside, folder / str(number))
        except FileExistsError:
            return False
        finally:
            Path(aside).unlink()
        self._sync(folder)
        return True

    def _sync(self, folder: Path) -> None:
        """Makes the new names durable, up to the top, or to a folder that was made so before: none is ever removed."""
        made = []
        for each in (folder, *folder.parents):
            handle = os.open(each, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
            made.append(each)
            if each == self._folder or each in self._durable:
                break
        if len(self._durable) > _REMEMBERED:
            self._durable.clear()
        self._durable.update(made)
