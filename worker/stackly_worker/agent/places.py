"""Work places of stacks that nobody ran here for long: providers and trees are big, and made again when needed."""

import fcntl
import os
import shutil
import time
from pathlib import Path

KEPT_SECONDS = 30 * 24 * 3600.0


def prune(work: Path, now: float | None = None) -> list[str]:
    """Remove places untouched for 30 days, unless somebody holds one or a state in it was never accepted; their names."""
    before = (time.time() if now is None else now) - KEPT_SECONDS
    places = sorted(work.iterdir()) if work.exists() else []
    return [place.name for place in places if place.is_dir() and _touched(place) < before and _removed(place)]


def _touched(place: Path) -> float:
    marks = (place, place / "state", place / "prepared")
    return max(mark.stat().st_mtime for mark in marks if mark.exists())


def _removed(place: Path) -> bool:
    if any(place.glob("state/unsent-*")) or any(place.glob("state/*.tfstate")):
        return False
    lock = os.open(place / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(place)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
