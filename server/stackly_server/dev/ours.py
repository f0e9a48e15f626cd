"""Our own programs on this installation: migrations, the first account, API, orchestrator, and one worker that joins."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import stackly_server
from stackly_server.dev.home import private_dir
from stackly_server.dev.installation import Installation
from stackly_server.dev.part import Part
from stackly_server.dev.process import clean_environment
from stackly_server.dev.programs import (
    OneShot,
    Program,
    ReadyFile,
    found_by_path,
    migrate_program,
    orchestrate_program,
    python_module,
    serve_program,
    server_environment,
)
from stackly_server.dev.repository import DevRepository

ACCOUNT = "dev"
CLI_CONFIG = "config.toml"
_JOIN_FILE = "join.json"


def ours(installation: Installation) -> Sequence[Part]:
    """All of our programs, in no order: each names what it needs."""
    roots = (private_dir(DevRepository(installation.home).folder),)
    return (
        migrate_program(installation),
        *_first_account(installation),
        serve_program(installation, roots),
        _orchestrate(installation, roots),
        _join(installation),
        _worker(installation),
    )


def child_environment(installation: Installation) -> dict[str, str]:
    """What a client of this platform needs: the address, the CA, the key's file, and where the examples are."""
    home = installation.home
    return (
        clean_environment(home.root)
        | found_by_path()
        | {
            "STACKLY_HOME": str(home.root),
            "STACKLY_ENDPOINT": installation.envoy.public_url,
            "STACKLY_CA_FILE": str(installation.envoy.ca),
            "STACKLY_ACCOUNT": ACCOUNT,
            "STACKLY_DEV_API_KEY_FILE": str(home.secrets / "api-key"),
            "STACKLY_DEV_JOIN_FILE": str(home.secrets / _JOIN_FILE),
            "STACKLY_DEV_EXAMPLES": str(examples()),
            "STACKLY_CONFIG": str(home.root / CLI_CONFIG),
        }
    )


def examples() -> Path:
    """The stacks that are pushed: `examples/` of the source tree."""
    return Path(stackly_server.__file__).resolve().parents[2] / "examples"


def _first_account(installation: Installation) -> tuple[Part, ...]:
    key = installation.home.secrets / "api-key"
    if key.exists():
        return ()
    argv = python_module(
        "stackly_server", "admin", "account", "create", ACCOUNT, "--owner", "dev", "--api-key-file", str(key)
    )
    environment = partial(server_environment, installation, "api")
    return (OneShot("account", installation.home, argv, environment, needs=("migrate", "openbao")),)


def _orchestrate(installation: Installation, roots: tuple[Path, ...]) -> Program:
    ready = installation.home.runtime / "orchestrate.ready"
    return orchestrate_program(installation, ReadyFile(ready), roots, ready)


def _join(installation: Installation) -> OneShot:
    """A fresh join token for the worker: its certificate may have ended while the platform was off."""
    accounts = tuple(part.name for part in _first_account(installation))
    argv = python_module("stackly_server.dev.joining")
    needs = ("serve", "envoy", "orchestrate", *accounts)
    return OneShot("join", installation.home, argv, partial(child_environment, installation), needs=needs)


def _worker(installation: Installation) -> Program:
    home = installation.home
    ready = home.runtime / "worker.ready"
    environment = {
        "STACKLY_WORKER_HOME": str(private_dir(home.data("worker"))),
        "STACKLY_WORKER_JOIN_TOKEN_FILE": str(home.secrets / _JOIN_FILE),
        "STACKLY_WORKER_READY_FILE": str(ready),
    }
    argv = python_module("stackly_worker", "run")
    return Program("worker", home, argv, lambda: environment, ReadyFile(ready), needs=("join",))
