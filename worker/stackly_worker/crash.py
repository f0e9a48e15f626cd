"""Named points where a test may kill the process; in production each is a no-op."""

import os
import signal

_NAMED = frozenset(os.environ.get("STACKLY_CRASH", "").split(","))


def crash_point(name: str) -> None:
    """Kills the process with SIGKILL when STACKLY_CRASH names this point."""
    if name in _NAMED:
        os.kill(os.getpid(), signal.SIGKILL)
