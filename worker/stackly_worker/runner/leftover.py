"""What an earlier run left in a source tree: what of it is as it has to be, and the rest, which goes."""

import os
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path

_OTHERS_WRITE = 0o022


@dataclass
class Leftover:
    """Plain files of ours in folders of ours, by their paths in the tree. Code may have put anything there: nothing of it is trusted."""

    tree: Path
    files: set[str] = field(default_factory=set)
    folders: list[str] = field(default_factory=list)  # each before those in it
    _used: set[str] = field(default_factory=set)

    def keeps(self, path: str, data: bytes, mode: int) -> bool:
        """Whether the file lies there to the byte, with this mode; otherwise its place is free afterwards."""
        if path not in self.files:
            return False
        self.files.remove(path)
        place = f"{self.tree}/{path}"
        if self._is(place, data, mode):
            self.uses(os.path.dirname(path) or ".")  # noqa: PTH120 - thousands
            return True
        os.unlink(place)  # noqa: PTH108
        return False

    def uses(self, folder: str) -> None:
        """The folder stays, and those above it."""
        while folder not in self._used:
            self._used.add(folder)
            folder = os.path.dirname(folder) or "."  # noqa: PTH120

    def frees(self, path: str) -> None:
        """What lies in the way of a new file goes: a file or an unused folder of its name, a file where its folder is to be."""
        if path in self.folders and path not in self._used:
            shutil.rmtree(self.tree / path)
            self.folders = [one for one in self.folders if one != path and not one.startswith(f"{path}/")]
            self.files = {one for one in self.files if not one.startswith(f"{path}/")}
        while path and path not in self._used:
            if path in self.files:
                self.files.remove(path)
                os.unlink(f"{self.tree}/{path}")  # noqa: PTH108
            path = os.path.dirname(path)  # noqa: PTH120

    def remove(self) -> None:
        """All that was not asked for."""
        for path in self.files:
            os.unlink(f"{self.tree}/{path}")  # noqa: PTH108
        for folder in reversed(self.folders):
            if folder not in self._used:
                os.rmdir(f"{self.tree}/{folder}")  # noqa: PTH106

    @staticmethod
    def _is(place: str, data: bytes, mode: int) -> bool:
        handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(handle)
            alone = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
            fits = alone and stat.S_IMODE(found.st_mode) == mode and found.st_size == len(data)
            return fits and file.read() == data


def of(tree: Path) -> Leftover:
    """Of a tree with links, or anything else that the builder of trees does not make, nothing is left: it is emptied."""
    left = Leftover(tree)
    if tree.is_dir() and not tree.is_symlink() and _plain(left, ""):
        return left
    if tree.is_symlink() or tree.is_file():
        tree.unlink()
    elif tree.exists():
        shutil.rmtree(tree)
    tree.mkdir(mode=0o700, parents=True)
    return Leftover(tree)


def _plain(left: Leftover, folder: str) -> bool:
    """Take in what lies in a folder; False as soon as something is not ours alone."""
    there = f"{left.tree}/{folder}"
    found = os.lstat(there)
    if found.st_uid != os.geteuid() or found.st_mode & _OTHERS_WRITE:
        return False
    with os.scandir(there) as entries:
        listed = [
            (entry.name, entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False)) for entry in entries
        ]
    below = []
    for name, is_folder, is_file in listed:
        path = f"{folder}/{name}" if folder else name
        if is_folder:
            left.folders.append(path)
            below.append(path)
        elif is_file:
            left.files.add(path)
        else:
            return False
    return all(_plain(left, path) for path in below)
