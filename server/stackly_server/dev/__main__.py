"""`stackly-server dev`: the whole platform on this machine, and the main job in view."""

import argparse
import subprocess
import sys
from collections.abc import Sequence

from stackly_server.dev.installation import Installation
from stackly_server.dev.ours import CLI_CONFIG, child_environment, ours
from stackly_server.dev.programs import python_module
from stackly_server.dev.run import run_platform
from stackly_server.dev.settings import DevSettings
from stackly_server.dev.supervisor import Supervisor

_ABOUT = """Starts Postgres, OpenBao, Temporal, Envoy, the API, the orchestrator and one worker, pushes the examples with
real git, and takes the stack `hello-dev` from the push to applied infrastructure. Everything lies in STACKLY_HOME (default
~/.local/share/stackly/dev): delete that folder to begin anew. Ports: seven from STACKLY_PORT_BASE (default 8750)."""


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0; 1 when a part did not start or the main job failed."""
    parser = argparse.ArgumentParser(prog="stackly-server dev", description=_ABOUT)
    parser.add_argument("--once", action="store_true", help="end after the main job, with its exit code")
    parser.add_argument("--no-main-job", action="store_true", help="only start the platform")
    options = parser.parse_args(arguments)
    job = MainJob(once=options.once, skip=options.no_main_job)
    started = run_platform(DevSettings(), ours, job, sys.stdout)
    return started or job.exit_code


class MainJob:
    """Runs the main job once the platform is up, in a process of its own: it uses the public SDK, as a user would."""

    def __init__(self, *, once: bool, skip: bool) -> None:
        self._once = once
        self._skip = skip
        self.exit_code = 0

    def __call__(self, installation: Installation, supervisor: Supervisor) -> None:
        """Called by the supervisor; a Ctrl-C meanwhile ends the job too."""
        if not self._skip:
            self.exit_code = self._run(installation, supervisor)
        if self._once:
            supervisor.halt()
        elif not supervisor.halted:
            sys.stdout.write(_next_steps(installation))
            sys.stdout.flush()

    @staticmethod
    def _run(installation: Installation, supervisor: Supervisor) -> int:
        argv = python_module("stackly_server.dev.mainjob")
        job = subprocess.Popen(argv, env=child_environment(installation))
        while True:
            try:
                return job.wait(0.1)
            except subprocess.TimeoutExpired:
                if supervisor.halted:
                    job.terminate()


def _next_steps(installation: Installation) -> str:
    config = installation.home.root / CLI_CONFIG
    return f"""
Stackly is up.
  address   {installation.envoy.public_url}   (its CA: {installation.envoy.ca})
  API key   {installation.home.secrets / "api-key"}
  logs      {installation.home.logs}

Try, in a second terminal (the programs are in .venv/bin):
  export STACKLY_CONFIG={config}
  stackly stacks list
  stackly run fleet-eu --follow
  stackly plan show hello-dev/run-1
  stackly outputs hello-dev
  stackly events --follow
Ctrl-C stops everything; the next start finds it as it was.
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
