"""The program `stackly`; needs the extra `cli`. Nothing is imported until a command asks for it."""

import sys


def main() -> None:
    """Runs the program with the arguments of the process and ends it with an exit code."""
    try:
        import click  # noqa: F401
    except ModuleNotFoundError:
        sys.exit("stackly: the command line needs more: pip install 'stackly-sdk[cli]'")
    from stackly_sdk.cli.program import run

    sys.exit(run())
