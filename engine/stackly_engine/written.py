"""Files that a provider writes or removes in the folder of a batch: they belong into the root itself, as without batches."""

import contextlib
import errno
import os
import threading
from collections.abc import Collection, Iterator
from pathlib import Path

_MOVING = threading.Lock()  # two batches may have made the same folder
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def give_back(folder: Path, root: Path, own: Collection[str], linked: Collection[str]) -> None:
    """Move what is new in the folder to the root, and remove there what was removed here.

    `own` are the names of the batch's own entries, `linked` of those that stood for the root's. OSError where something
    else is in the way there.
    """
    with _MOVING:
        for name in sorted(linked):
            here, there = folder / name, root / name
            if not here.is_symlink() and not here.exists() and (there.is_file() or there.is_symlink()):
                there.unlink()
        with _opened(folder) as source, _opened(root) as target:
            for entry in sorted(folder.iterdir()):
                if entry.name not in own and not entry.is_symlink():
                    _move(source, target, entry.name)
                    entry.symlink_to(root / entry.name)


def catch_up(folder: Path, root: Path, names: Collection[str]) -> None:
    """Link what others have written into the root since."""
    for name in sorted(names):
        with contextlib.suppress(FileExistsError):
            (folder / name).symlink_to(root / name)


def _move(source: int, target: int, name: str) -> None:
    """Into what is there already, when both are folders; no link is followed, wherever it was put."""
    try:
        os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
        with _opened(name, source) as inner, _opened(name, target) as outer:
            for one in sorted(os.listdir(inner)):  # noqa: PTH208 - no path leads there
                _move(inner, outer, one)
        os.rmdir(name, dir_fd=source)


@contextlib.contextmanager
def _opened(path: Path | str, below: int | None = None) -> Iterator[int]:
    handle = os.open(path, _FOLDER, dir_fd=below)
    try:
        yield handle
    finally:
        os.close(handle)
