"""Memory of each part at rest, with all its processes."""

import time

from bench.figures import say
from bench.installed import Installed
from bench.parts import PARTS, part_pid
from bench.processes import family, pss_bytes

_REST_SECONDS = 5.0


def measure(installed: Installed) -> None:
    """Prints PSS in MiB: memory that processes share is counted once."""
    time.sleep(_REST_SECONDS)
    say("memory at rest (PSS)")
    total = 0
    for part in PARTS:
        processes = family(part_pid(installed.home, part))
        used = sum(pss_bytes(pid) for pid in processes)
        total += used
        say(f"  {part:<12} {used / 2**20:5.0f} MiB in {len(processes)} processes")
    say(f"  {'all':<12} {total / 2**20:5.0f} MiB")
