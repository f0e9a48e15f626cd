"""The program that the supervisor's tests start, watch and kill: the embedded parts of STACKLY_HOME, and one more."""

import json
import sys
from collections.abc import Sequence

from stackly_server.dev.installation import Installation
from stackly_server.dev.part import Part
from stackly_server.dev.ports import Ports
from stackly_server.dev.programs import Program, ReadyFile
from stackly_server.dev.run import run_platform
from stackly_server.dev.settings import DevSettings
from stackly_server.dev.supervisor import Supervisor

# a program that leaves a grandchild behind which ignores polite words
# its own process id, not that of the shell around it: the dollars are escaped for that one
_STUBBORN = r"trap '' TERM INT; echo \$\$ > {root}/orphan.pid; while :; do sleep 0.1; done"
_LEAVER = '(setsid sh -c "{stubborn}" &) ; touch {root}/leaver.ready; exec sleep 1000'
_STUCK = "touch {root}/stuck.started; exec sleep 1000"


def programs(installation: Installation, *, stuck: bool) -> Sequence[Part]:
    root = installation.home.root
    script = (_STUCK if stuck else _LEAVER).format(root=root, stubborn=_STUBBORN.format(root=root))
    leaver = Program(
        "leaver",
        installation.home,
        ("/bin/sh", "-c", script),
        dict,
        ReadyFile(root / "leaver.ready"),
        needs=("envoy",),
    )
    return [leaver]


def when_up(_installation: Installation, _supervisor: Supervisor) -> None:
    sys.stdout.write("UP\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _ports, *_flags = sys.argv[1:]
    sys.exit(
        run_platform(
            DevSettings(),
            lambda installation: programs(installation, stuck="--stuck" in _flags),
            when_up,
            sys.stdout,
            ports=Ports(*json.loads(_ports)),
        )
    )
