"""`python -m stackly_engine`: the command."""

import os
import sys


def run() -> None:
    """The entry point `stackly-engine`."""
    import gc

    from stackly_engine.command.main import main

    gc.disable()  # a short life that makes a million small things and drops none: collecting them takes a third of it
    code = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # whoever read it has gone; Python says that in its own way
        sys.exit(code)
    os._exit(
        code
    )  # everything is closed by now: to let go of a large root thing by thing would take a tenth of the time


if __name__ == "__main__":
    run()
