"""A provider cache that places share (TF_PLUGIN_CACHE_DIR): Terraform does not guard it, so one `init` at a time writes there."""

import fcntl
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

VARIABLE = "TF_PLUGIN_CACHE_DIR"


@asynccontextmanager
async def held(environment: Mapping[str, str], between: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Hold the cache of this environment, if it names one; `between` is awaited before each further try, and may raise.

    The lock is on the folder itself and of the whole machine: other workers with the same cache wait too.
    """
    named = environment.get(VARIABLE)
    if not named:
        yield
        return
    folder = _opened(Path(named))
    try:
        while not _taken(folder):
            await between()
        yield
    finally:
        os.close(folder)


def _opened(folder: Path) -> int:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _taken(folder: int) -> bool:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
