"""The command stackly-worker: `run` is the agent, `runner` one batch, or (`--nursery`) what forks them."""

import os
import sys


def main() -> None:
    """`runner` imports nothing of the agent's: it is what stands between a task and Terraform's start."""
    arguments = sys.argv[1:]
    if arguments == ["runner", "--nursery"]:
        from stackly_worker.runner import nursery

        code = nursery.main()
    elif arguments[:1] == ["runner"]:
        from stackly_worker.runner import main as runner

        code = runner.main()
    else:
        from stackly_worker import app

        code = app.main(arguments)
    # temporalio and grpc can crash while the interpreter ends: the exit code is decided, so leave at once.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
