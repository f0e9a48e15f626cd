"""Starts the development platform on free ports, without the main job: `start.py HOME UP_FILE [NAME=VALUE for serve …]`.

The very programs of `stackly-server dev`, under its supervisor. UP_FILE gets the ports as JSON once all of it is up.
While HOME/serve.away exists, `serve` does not begin.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from stackly_server.dev.installation import Installation
from stackly_server.dev.ours import ours
from stackly_server.dev.part import Part
from stackly_server.dev.ports import free_ports
from stackly_server.dev.programs import Program
from stackly_server.dev.run import run_platform
from stackly_server.dev.settings import DevSettings
from stackly_server.dev.supervisor import Supervisor

_BEGIN = 'while [ -e "$1" ]; do sleep 0.1; done; shift; exec "$@"'


def main(home: str, up_file: str, *settings: str) -> int:
    extra = dict(each.split("=", 1) for each in settings)

    def programs(installation: Installation) -> Sequence[Part]:
        away = Path(home) / "serve.away"
        return [_changed(part, extra, away) if part.name == "serve" else part for part in ours(installation)]

    def when_up(installation: Installation, _supervisor: Supervisor) -> None:
        aside = Path(f"{up_file}.new")
        aside.write_text(json.dumps(asdict(installation.ports)))
        aside.rename(up_file)

    return run_platform(DevSettings(home=Path(home)), programs, when_up, sys.stdout, ports=free_ports())


def _changed(part: Part, extra: Mapping[str, str], away: Path) -> Part:
    """With more settings; waits before it begins as long as the file is there."""
    assert isinstance(part, Program)
    declared, argv = part._env, part._argv
    part._env = lambda: {**declared(), **extra}
    part._argv = ("/bin/sh", "-c", _BEGIN, "sh", str(away), *argv)
    return part


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
