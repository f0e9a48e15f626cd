"""The program that the supervisor's tests start, watch and kill: the embedded parts of STACKLY_HOME, and one more."""

import json
import os
import sys
from dataclasses import astuple
from pathlib import Path

from stackly_server.dev.console import Console
from stackly_server.dev.home import lock_home
from stackly_server.dev.installation import check_before_start, install
from stackly_server.dev.ports import Ports
from stackly_server.dev.problems import PartFailed
from stackly_server.dev.programs import Program, file_answers
from stackly_server.dev.settings import DevSettings
from stackly_server.dev.supervisor import Supervisor

# a program that leaves a grandchild behind which ignores polite words
_STUBBORN = "trap '' TERM INT; echo $$ > {pid}; while :; do sleep 0.1; done"


def main(descriptors: str, ports: str) -> int:
    installation = install(DevSettings(), Path(descriptors), Ports(*json.loads(ports)))
    root = installation.home.root
    leaver = (
        f'(setsid sh -c "{_STUBBORN.format(pid=root / "orphan.pid")}" &) ; touch {root}/leaver.ready; exec sleep 1000'
    )
    program = Program(
        "leaver",
        installation.home,
        ("/bin/sh", "-c", leaver),
        {},
        file_answers(root / "leaver.ready"),
        needs=("envoy",),
    )
    with lock_home(installation.home):
        check_before_start(installation)
        supervisor = Supervisor((*installation.parts, program), Console(sys.stdout))
        with supervisor.signals():
            try:
                supervisor.start()
                sys.stdout.write(f"UP {os.getpid()} {astuple(installation.ports)}\n")
                sys.stdout.flush()
                supervisor.wait()
            finally:
                supervisor.stop()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except PartFailed as failure:
        sys.stdout.write(f"{failure}\n")
        sys.exit(1)
