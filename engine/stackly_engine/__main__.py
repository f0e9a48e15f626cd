"""`python -m stackly_engine`: the command."""

import sys


def run() -> None:
    """The entry point `stackly-engine`."""
    from stackly_engine.command.main import main

    sys.exit(main())


if __name__ == "__main__":
    run()
