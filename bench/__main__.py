"""`python -m bench [name…]`: measures a platform of its own, or the one at --home and --port."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench import many, memory, one_resource, pushing, rpcs, starting
from bench.figures import machine, say
from bench.installed import Installed, platform

MEASUREMENTS: Mapping[str, Callable[[Installed], None]] = {
    "memory": memory.measure,
    "one-resource": one_resource.measure,
    "many": many.measure,
    "push": pushing.measure,
    "rpcs": rpcs.measure,
    "start": starting.measure,
}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", nargs="*", choices=[*MEASUREMENTS, []], help="default: all")
    parser.add_argument("--home", type=Path, help="STACKLY_HOME of a platform that runs")
    parser.add_argument("--port", type=int, help="its STACKLY_PORT_BASE")
    options = parser.parse_args(arguments)
    say(machine())
    names = options.name or list(MEASUREMENTS)
    with platform(options.home, options.port) as installed:
        for name in names:
            say()
            MEASUREMENTS[name](installed)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
