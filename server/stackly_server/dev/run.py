"""The whole life of the development platform in one call: lock, checks, start, watch, stop."""

from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TextIO

from stackly_server.dev.console import Console
from stackly_server.dev.home import lock_home
from stackly_server.dev.installation import Installation, check_before_start, install
from stackly_server.dev.part import Part
from stackly_server.dev.ports import Ports
from stackly_server.dev.problems import PartFailed
from stackly_server.dev.settings import DevSettings
from stackly_server.dev.supervisor import Supervisor

Programs = Callable[[Installation], Sequence[Part]]
WhenUp = Callable[[Installation, Supervisor], None]


def run_platform(
    settings: DevSettings, programs: Programs, when_up: WhenUp, out: TextIO, *, ports: Ports | None = None
) -> int:
    """Run until interrupted; the exit code: 0, or 1 after a clear message when something could not start.

    `when_up` is called once all parts are ready, in the main thread; for a single pass it calls `supervisor.halt()`.
    Call it from the main thread of the process: it takes over SIGINT, SIGTERM and SIGHUP.
    """
    console = Console(out)
    try:
        installation = install(settings, descriptors(), ports)
        with lock_home(installation.home):
            ours = programs(installation)
            check_before_start(installation, ours)
            supervisor = Supervisor((*installation.parts, *ours), console)
            with supervisor.signals():
                try:
                    supervisor.start()
                    if not supervisor.halted:
                        when_up(installation, supervisor)
                    supervisor.wait()
                finally:
                    supervisor.stop()
    except PartFailed as failure:
        out.write(f"{failure}\n")
        return 1
    return 0


def descriptors() -> Path:
    """The descriptor set of our wire, as it was generated with the messages."""
    return Path(str(files("stackly"))) / "descriptors.binpb"
