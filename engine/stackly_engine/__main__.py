"""`python -m stackly_engine`: the command."""

import sys


def run() -> None:
    """The entry point `stackly-engine`."""
    import gc

    from stackly_engine.command.main import main

    gc.disable()  # a short life that makes a million small things and drops none: collecting them takes a third of it
    sys.exit(main())


if __name__ == "__main__":
    run()
