"""stackly-server serve | orchestrate | migrate | dev | admin. Each loads only what it needs."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from stackly_server.config import MigrateSettings, Settings
from stackly_server.errors import StacklyError

Run = Callable[[argparse.Namespace], int]
S = TypeVar("S", bound=BaseSettings)


def main() -> NoReturn:
    """Leaves without finalisers: the native runtimes of Temporal and gRPC may crash in theirs."""
    code = run(sys.argv[1:])
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run(arguments: Sequence[str]) -> int:
    """Runs one program; the exit code: 0, or 1 for a failure said in words. Wrong words exit with 2."""
    if arguments[:1] == ["dev"]:
        from stackly_server.dev.__main__ import main as dev

        return dev(arguments[1:])
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except StacklyError as error:
        return _fail(f"{error.message} ({error.reason})")
    except ValidationError as error:
        return _fail("; ".join(f"STACKLY_{part['loc'][0]}: {part['msg']}".upper() for part in error.errors()))
    except OSError as error:
        return _fail(str(error))
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="stackly-server", description="Stackly's control plane.")
    programs = parser.add_subparsers(required=True, metavar="PROGRAM")
    _add(programs, "serve", "the gRPC API", serve)
    _add(programs, "orchestrate", "workflows, the relay and the sweeps", orchestrate)
    _add(programs, "migrate", "bring the database's schema to this release", migrate)
    programs.add_parser("dev", help="the whole platform on embedded parts", add_help=False)  # reads its own words
    admin = programs.add_parser("admin", help="what only the operator of the server may").add_subparsers(required=True)
    account = admin.add_parser("account", help="accounts").add_subparsers(required=True)
    create = _add(account, "create", "make an account with its owner and first API key", create_account)
    create.add_argument("name", help="the account's id: lower-case letters, digits, hyphens")
    create.add_argument("--owner", required=True, metavar="LOGIN", help="the login of its first member")
    create.add_argument("--api-key-file", type=Path, metavar="PATH", help="write the key here (0600), not to stdout")
    return parser


def _add(
    programs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str, run: Run
) -> argparse.ArgumentParser:
    parser = programs.add_parser(name, help=text, description=text)
    parser.set_defaults(run=run)
    return parser


def serve(_options: argparse.Namespace) -> int:
    """The API, until SIGTERM or SIGINT."""
    from stackly_server.app import serving

    settings = _settings(Settings)

    async def until_stopped() -> None:
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        async with serving(settings, drain=settings.drain_seconds):
            logging.getLogger("stackly").info("serving", extra={"facts": _shown(settings)})
            await stopped.wait()

    _run(settings, until_stopped())
    return 0


def orchestrate(_options: argparse.Namespace) -> int:
    """Workflows, the relay and the sweeps, until SIGTERM or SIGINT."""
    from stackly_server.app import orchestrating

    settings = _settings(Settings)
    _run(settings, orchestrating(settings))
    return 0


def migrate(_options: argparse.Namespace) -> int:
    """Applies the migrations that are missing."""
    from stackly_server.migrate import MigrationError
    from stackly_server.migrate import migrate as apply

    try:
        applied = apply(_settings(MigrateSettings).database_owner_url.get_secret_value())
    except MigrationError as error:
        return _fail(str(error))
    sys.stdout.write(f"applied: {', '.join(applied)}\n" if applied else "nothing to apply\n")
    return 0


def create_account(options: argparse.Namespace) -> int:
    """Makes an account; its first API key goes to a new file, or once to stdout."""
    from stackly_server.accounts.founding import found
    from stackly_server.app import ground

    settings = _settings(Settings)
    file: Path | None = options.api_key_file
    # made before the account is, so that no key is lost for want of a place
    handle = None if file is None else os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    async def make() -> str:
        async with ground(settings) as on:
            return (await found(on.database, on.keys, on.clock, options.name, options.owner)).api_key

    try:
        key = asyncio.run(make())
    except BaseException:
        if file is not None:
            file.unlink(missing_ok=True)
        raise
    if handle is None:
        sys.stdout.write(f"{key}\n")
        return 0
    with os.fdopen(handle, "w", encoding="ascii") as out:
        out.write(f"{key}\n")
    return 0


def _run(settings: Settings, program: Coroutine[Any, Any, None]) -> None:
    import uvloop

    from stackly_server.app import log_handler

    logging.basicConfig(level=settings.log_level.upper(), handlers=[log_handler()])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(program)


def _settings(kind: type[S]) -> S:
    from_environment: dict[str, Any] = {}
    return kind(**from_environment)


def _shown(settings: Settings) -> dict[str, Any]:
    """The settings for the log: the address of the database may hold a password."""
    return settings.model_dump(mode="json", exclude={"database_url"})


def _fail(text: str) -> int:
    sys.stderr.write(f"stackly-server: {text}\n")
    return 1


if __name__ == "__main__":
    main()
