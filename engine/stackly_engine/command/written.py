"""Files that a provider writes or removes in the folder of a batch: they belong into the root itself, as without batches."""

import contextlib
import threading
from collections.abc import Collection
from pathlib import Path

_MOVING = threading.Lock()  # two batches may have made the same folder


def give_back(folder: Path, root: Path, own: Collection[str], linked: Collection[str]) -> None:
    """Move what is new in the folder to the root, and remove there what was removed here.

    `own` are the names of the batch's own entries, `linked` of those that stood for the root's.
    """
    with _MOVING:
        for name in sorted(linked):
            here, there = folder / name, root / name
            if not here.is_symlink() and not here.exists() and (there.is_file() or there.is_symlink()):
                there.unlink()
        for entry in sorted(folder.iterdir()):
            if entry.name not in own and not entry.is_symlink():
                _move(entry, root / entry.name)
                entry.symlink_to(root / entry.name)


def catch_up(folder: Path, root: Path, names: Collection[str]) -> None:
    """Link what others have written into the root since."""
    for name in sorted(names):
        with contextlib.suppress(FileExistsError):
            (folder / name).symlink_to(root / name)


def _move(source: Path, target: Path) -> None:
    if not (source.is_dir() and target.is_dir()):
        source.replace(target)
        return
    for entry in sorted(source.iterdir()):
        _move(entry, target / entry.name)
    source.rmdir()
