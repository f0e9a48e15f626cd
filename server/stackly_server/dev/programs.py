"""Our own programs as parts of the development platform: what they are called with and which settings they get."""

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from stackly_server.dev.home import Home
from stackly_server.dev.installation import Installation
from stackly_server.dev.part import LocalPart
from stackly_server.dev.parts.postgres import APP_ROLE, OWNER_ROLE
from stackly_server.dev.ports import LOOPBACK
from stackly_server.dev.problems import PartFailed
from stackly_server.dev.process import Command, clean_environment

_CONNECT_SECONDS = 0.5
Environment = Callable[[], Mapping[str, str]]
"""Asked for when the program starts: some settings are made by the parts that it needs."""


class Program(LocalPart):
    """Any process of ours: argv, the whole of its settings, a question that says it is ready.

    It is stopped by SIGTERM; where the kernel can, it also gets one when the supervisor is gone.
    """

    def __init__(
        self,
        name: str,
        home: Home,
        argv: tuple[str, ...],
        env: Environment,
        answers: Callable[[], bool],
        *,
        needs: tuple[str, ...] = (),
        ready_seconds: float = 60.0,
    ) -> None:
        super().__init__(name, home)
        self.needs = needs
        self.ready_seconds = ready_seconds
        self._argv = argv
        self._env = env
        self._answers = answers

    def command(self) -> Command:
        if isinstance(self._answers, ReadyFile):
            self._answers.starts()
        environment = clean_environment(self.home.root) | found_by_path() | dict(self._env())
        return Command(self._argv, environment, self.home.root, stop_signal=signal.SIGTERM)

    def answers(self) -> bool:
        return self._answers()


class OneShot(Program):
    """A program that has to end well before others may start: a migration. Afterwards it is neither watched nor restarted."""

    def __init__(
        self, name: str, home: Home, argv: tuple[str, ...], env: Environment, *, needs: tuple[str, ...] = ()
    ) -> None:
        super().__init__(name, home, argv, env, lambda: self.process.exit_code() == 0, needs=needs)
        self._done = False

    def settle(self) -> None:
        self._done = True

    def died(self) -> PartFailed | None:
        return None if self._done or self.process.exit_code() == 0 else super().died()


def python_module(module: str, *arguments: str) -> tuple[str, ...]:
    """The argv of a module of ours under this very interpreter."""
    return (sys.executable, "-m", module, *arguments)


def server_environment(
    installation: Installation, program: str, repository_roots: tuple[Path, ...] = ()
) -> dict[str, str]:
    """The STACKLY_* settings of `serve` or `orchestrate` (`program` is its AppRole: "api" or "orchestrate")."""
    role = installation.openbao.approles[program]
    ports = installation.ports
    return {
        "STACKLY_DATABASE_URL": installation.postgres.address.url(APP_ROLE),
        "STACKLY_TEMPORAL_TARGET": installation.temporal_target,
        "STACKLY_TEMPORAL_FRONT": installation.envoy.front_address,
        "STACKLY_VAULT_URL": installation.openbao.url,
        "STACKLY_VAULT_ROLE_ID": role.role_id,
        "STACKLY_VAULT_SECRET_ID_FILE": str(role.secret_id_file),
        "STACKLY_BLOBS_DIR": str(installation.home.data("blobs")),
        "STACKLY_MIRRORS_DIR": str(installation.home.data("mirrors")),
        "STACKLY_PUBLIC_SOCKET": str(installation.api_socket),
        "STACKLY_WORKER_LISTEN": f"{LOOPBACK}:{ports.worker}",
        "STACKLY_WORKER_ADDRESS": f"{LOOPBACK}:{ports.worker}",
        "STACKLY_PUBLIC_URL": installation.envoy.public_url,
        "STACKLY_TRUST_DOMAIN": installation.trust_domain,
        "STACKLY_DRAIN_SECONDS": "0",  # Envoy stops with it
        "STACKLY_DEV_REPOSITORY_ROOTS": _json_paths(repository_roots),
    }


def migrate_environment(installation: Installation) -> dict[str, str]:
    """For `migrate` alone: the role that owns the schema."""
    return {"STACKLY_DATABASE_OWNER_URL": installation.postgres.address.url(OWNER_ROLE)}


def migrate_program(installation: Installation) -> OneShot:
    """`stackly-server migrate`, before everything that reads the schema."""
    argv = python_module("stackly_server", "migrate")
    return OneShot("migrate", installation.home, argv, partial(migrate_environment, installation), needs=("postgres",))


def serve_program(installation: Installation, repository_roots: tuple[Path, ...] = ()) -> Program:
    """`stackly-server serve`, ready when its public socket is open. Envoy needs no start before it, nor it before Envoy."""
    return Program(
        "serve",
        installation.home,
        python_module("stackly_server", "serve"),
        lambda: server_environment(installation, "api", repository_roots) | {"STACKLY_DRAIN_SECONDS": "0"},
        socket_answers(installation.api_socket),
        needs=("migrate", "openbao", "temporal"),
    )


def orchestrate_program(
    installation: Installation, answers: Callable[[], bool], repository_roots: tuple[Path, ...], ready_file: Path
) -> Program:
    """`stackly-server orchestrate`; `answers` says when its Temporal workers poll, by the file that it writes then."""
    return Program(
        "orchestrate",
        installation.home,
        python_module("stackly_server", "orchestrate"),
        lambda: (
            server_environment(installation, "orchestrate", repository_roots) | {"STACKLY_READY_FILE": str(ready_file)}
        ),
        answers,
        needs=("migrate", "openbao", "temporal"),
    )


def socket_answers(path: Path) -> Callable[[], bool]:
    """Ready when somebody listens at a unix socket."""

    def answers() -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_CONNECT_SECONDS)
            return probe.connect_ex(str(path)) == 0

    return answers


class ReadyFile:
    """Ready when the program that runs now has written its ready file; one of an earlier process counts for nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> bool:
        return self._path.exists()

    def starts(self) -> None:
        """A new process is about to be started."""
        self._path.unlink(missing_ok=True)


def _json_paths(paths: tuple[Path, ...]) -> str:
    return json.dumps([str(path) for path in paths])


def found_by_path() -> dict[str, str]:
    """Git and terraform are found by PATH, which is the caller's; nothing else of its environment is passed on."""
    return {"PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin")}
