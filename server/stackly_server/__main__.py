"""stackly-server serve | orchestrate | migrate | dev | admin. Each loads only what it needs."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one program; the exit code: 0, 1 for a failure said in words, 2 for wrong words."""
    if (arguments or sys.argv[1:])[:1] == ["dev"]:
        from stackly_server.dev.__main__ import main as dev

        return dev(list(arguments or sys.argv[1:])[1:])
    options = _parser().parse_args(arguments)
    return _told(options.run, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="stackly-server", description="Stackly's control plane.")
    programs = parser.add_subparsers(required=True, metavar="PROGRAM")
    _program(programs, "serve", "the gRPC API", serve)
    _program(programs, "orchestrate", "workflows, the relay and the sweeps", orchestrate)
    _program(programs, "migrate", "bring the database's schema to this release", migrate)
    programs.add_parser("dev", help="the whole platform on embedded parts")
    admin = programs.add_parser("admin", help="what only the operator of the server may").add_subparsers(required=True)
    account = admin.add_parser("account", help="accounts").add_subparsers(required=True)
    create = _program(account, "create", "make an account with its owner and first API key", create_account)
    create.add_argument("name", help="the account's id: lower-case letters, digits, hyphens")
    create.add_argument("--owner", required=True, metavar="LOGIN", help="the login of its first member")
    create.add_argument("--api-key-file", type=Path, metavar="PATH", help="write the key here (0600), not to stdout")
    return parser


def _program(
    programs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str, run: Command
) -> argparse.ArgumentParser:
    parser = programs.add_parser(name, help=text, description=text)
    parser.set_defaults(run=run)
    return parser


def _told(run: Command, options: argparse.Namespace) -> int:
    """Failures that an operator can mend are said in one line, without a trace."""
    from psycopg import OperationalError
    from pydantic import ValidationError

    from stackly_server.errors import StacklyError
    from stackly_server.migrate import MigrationError

    try:
        return run(options)
    except StacklyError as error:
        print(f"stackly-server: {error.message} ({error.reason})", file=sys.stderr)
    except ValidationError as error:
        missing = ", ".join(
            f"STACKLY_{str(problem['loc'][0]).upper()} ({problem['msg']})" for problem in error.errors()
        )
        print(f"stackly-server: settings: {missing}", file=sys.stderr)
    except (MigrationError, OperationalError, OSError) as error:
        print(f"stackly-server: {error}", file=sys.stderr)
    return 1


def serve(_options: argparse.Namespace) -> int:
    """The API, until SIGTERM or SIGINT."""
    import uvloop

    from stackly_server.app import serving
    from stackly_server.config import Settings

    settings = Settings()
    _log_as_json(settings.log_level)

    async def run() -> None:
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        async with serving(settings):
            logging.getLogger("stackly").info(
                "serving", extra={"facts": {"settings": settings.model_dump(mode="json")}}
            )
            await stopped.wait()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    return 0


def orchestrate(_options: argparse.Namespace) -> int:
    """Workflows, relay and sweeps."""
    from stackly_server.app import orchestrating
    from stackly_server.config import Settings

    settings = Settings()
    _log_as_json(settings.log_level)
    asyncio.run(orchestrating(settings))
    logging.shutdown()
    os._exit(0)  # temporalio can crash at interpreter exit


def migrate(_options: argparse.Namespace) -> int:
    """Applies the migrations that are missing."""
    from stackly_server.config import MigrateSettings
    from stackly_server.migrate import migrate as apply

    applied = apply(MigrateSettings().database_owner_url.get_secret_value())
    print(f"applied: {', '.join(applied)}" if applied else "nothing to apply")
    return 0


def create_account(options: argparse.Namespace) -> int:
    """Makes an account; its first API key goes to a file, or once to stdout."""
    from stackly_server.accounts.founding import found
    from stackly_server.app import ground
    from stackly_server.config import Settings

    target: Path | None = options.api_key_file
    if target is not None and target.exists():
        print(f"stackly-server: {target} exists; name a new file", file=sys.stderr)
        return 1

    async def run() -> str:
        async with ground(Settings()) as on:
            return (await found(on.database, on.keys, on.clock, options.name, options.owner)).api_key

    key = asyncio.run(run())
    if target is None:
        print(key)
    else:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(key + "\n")
    return 0


def _log_as_json(level: str) -> None:
    from stackly_server.app import json_lines

    handler = logging.StreamHandler()
    handler.setFormatter(json_lines())
    logging.basicConfig(level=level.upper(), handlers=[handler])


if __name__ == "__main__":
    sys.exit(main())
