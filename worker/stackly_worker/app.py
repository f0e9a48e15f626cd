"""Puts the agent together from its settings; the command line of `stackly-worker run`."""

import argparse
import asyncio
import fcntl
import logging
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stackly_worker.agent.agent import Agent
from stackly_worker.agent.batches import Batches, Equipment
from stackly_worker.agent.engines import Engines
from stackly_worker.agent.enrolment import CannotJoinError, Enrolment
from stackly_worker.agent.identity import Facts, IdentityStore
from stackly_worker.agent.joinfile import JoinFile, JoinFileError
from stackly_worker.agent.line import BannedError, Line
from stackly_worker.agent.pool import Pool
from stackly_worker.agent.trust import TrustError, UnreachableError
from stackly_worker.config import WorkerSettings
from stackly_worker.runner.clock import SystemClock
from stackly_worker.runner.terraform import EngineMissingError, Mirrors

_EXPECTED = (CannotJoinError, JoinFileError, TrustError, UnreachableError, EngineMissingError, BannedError)
_SECRET_NAMES = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|KEY|CREDENTIAL", re.IGNORECASE)
_log = logging.getLogger(__name__)


class HomeInUseError(Exception):
    """Another agent works in this home."""


def main(arguments: Sequence[str]) -> int:
    """0: left as asked; 1: cannot work, and the message says why; 2: wrong settings."""
    try:
        settings = WorkerSettings(**_parsed(arguments))
    except ValidationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    _log.info("settings: %s", settings.model_dump_json())
    try:
        return asyncio.run(_run(settings))
    except (*_EXPECTED, HomeInUseError) as error:
        _log.error("%s", error)
        return 1


async def _run(settings: WorkerSettings) -> int:
    home = settings.home.expanduser().absolute()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _locked(home)
    try:
        agent = _agent(settings, home)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, agent.stop)
        return await agent.run()
    finally:
        os.close(lock)


def _agent(settings: WorkerSettings, home: Path) -> Agent:
    folder = settings.engines_dir.expanduser().absolute() if settings.engines_dir else None
    engines, clock = Engines(settings.engines, folder), SystemClock()
    store = IdentityStore(home / "identity")
    environment = {name: os.environ[name] for name in settings.pass_environment if name in os.environ}
    equipment = Equipment(
        engines=engines.look(),
        sandbox=settings.sandbox,
        mirrors=Mirrors(tuple(path.absolute() for path in settings.provider_mirrors), settings.provider_direct),
        environment=environment,
        secrets=_secrets(environment),
    )
    pool = Pool(home, settings.warm)

    def batches(line: Line, facts: Facts, ca: bytes) -> Batches:
        return Batches(home, line, pool, clock, equipment, facts.public_url, ca.decode(), settings.slots)

    if settings.ready_file is not None:
        settings.ready_file.unlink(missing_ok=True)
    enrolment = Enrolment(
        store=store,
        join=_join_file(settings, store),
        engines=engines,
        labels=settings.labels,
        sandbox=settings.sandbox,
        clock=clock,
    )
    return Agent(store, enrolment, clock, settings.slots, settings.drain_seconds, batches, settings.ready_file)


def _secrets(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Values of variables whose names say that they are secret."""
    return tuple(value for name, value in environment.items() if _SECRET_NAMES.search(name))


def _join_file(settings: WorkerSettings, store: IdentityStore) -> JoinFile | None:
    """None where it is not needed: a spent join file may be deleted once the worker has joined."""
    if settings.join_token_file is None or (store.usable() and not settings.join_token_file.exists()):
        return None
    join = JoinFile.read(settings.join_token_file)
    return replace(join, server=settings.server) if settings.server else join


def _locked(home: Path) -> int:
    lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise HomeInUseError(f"another agent works in {home}") from None
    return lock


def _parsed(arguments: Sequence[str]) -> dict[str, Any]:
    """Only what the command line says; the rest comes from the environment."""
    parser = argparse.ArgumentParser(prog="stackly-worker", description="Runs Terraform for a Stackly control plane.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("runner", help="one batch; started by the agent, reads its task from standard input")
    run = commands.add_parser("run", help="join, and work", argument_default=argparse.SUPPRESS)
    run.add_argument("--join-token-file", type=Path, help="the join file")
    run.add_argument("--server", help="https://host:port, in place of the join file's")
    run.add_argument("--home", type=Path, help="where the worker keeps its key, certificate and work")
    run.add_argument(
        "--label", dest="labels", action="append", type=_label, metavar="KEY=VALUE", help="may be repeated"
    )
    run.add_argument("--engine", dest="engines", action="append", metavar="PATH", help="may be repeated")
    run.add_argument("--engines-dir", type=Path, help="a folder with Terraform and OpenTofu in several versions")
    run.add_argument("--slots", type=int, help="batches at a time")
    run.add_argument("--warm", type=int, help="runner processes that wait for work")
    run.add_argument("--ready-file", type=Path, help="written once the worker polls")
    found = vars(parser.parse_args(list(arguments)))
    found.pop("command")
    if "labels" in found:
        found["labels"] = dict(found["labels"])
    return found


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value
