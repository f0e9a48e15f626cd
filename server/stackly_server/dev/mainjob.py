"""The main job, in view: push with real git, then follow, approve and read the run with the public SDK, as a user would."""

import os
import sys
import threading
import time
from pathlib import Path

from stackly_sdk import Run, Stack, Stackly, StacklyError
from stackly_sdk.config import Settings, config_path, write_profile
from stackly_server.dev.home import open_home
from stackly_server.dev.problems import PartFailed
from stackly_server.dev.repository import BRANCH, EXTERNAL_ID, FULL_NAME, DevRepository

STACK = "hello-dev"
_REGISTERED_SECONDS = 60.0
_TIMEOUT = "10m"


def main() -> int:
    """0 when the stack is applied and its outputs are there."""
    key = Path(os.environ["STACKLY_DEV_API_KEY_FILE"]).read_text(encoding="ascii").strip()
    try:
        with Stackly(api_key=key) as client:
            _keep_profile(key)
            stack, pushed = _push(client)
            run = _run_of(client, stack, pushed)
            _carry_out(run)
            _show(run)
    except (StacklyError, PartFailed, TimeoutError) as error:
        _say(f"the main job failed: {error}")
        return 1
    return 0


def _keep_profile(key: str) -> None:
    """So that the CLI finds this platform by STACKLY_CONFIG alone."""
    environment = os.environ
    settings = Settings(
        environment["STACKLY_ENDPOINT"], environment["STACKLY_ACCOUNT"], key, Path(environment["STACKLY_CA_FILE"])
    )
    write_profile(config_path(), "dev", settings)


def _push(client: Stackly) -> tuple[Stack, bool]:
    """Pushes the examples and waits until their stacks are registered; whether the push brought something new."""
    repository = DevRepository(open_home(Path(os.environ["STACKLY_HOME"])))
    repository.make()
    if not repository.connected:
        answer = client.repositories.connect(
            repository.clone_url, full_name=FULL_NAME, external_id=EXTERNAL_ID, default_ref=BRANCH
        )
        url = f"{os.environ['STACKLY_ENDPOINT']}/v1/webhooks/github"
        repository.connect(url, Path(os.environ["STACKLY_CA_FILE"]), answer.webhook_secret)
        _say(f"connected {FULL_NAME} ({repository.clone_url})")
    repository.deliver()
    before = repository.head()
    commit = repository.push(Path(os.environ["STACKLY_DEV_EXAMPLES"]), "The examples of Stackly")
    _say(f"pushed {commit[:12]} to {BRANCH}" if commit != before else f"{BRANCH} is at {commit[:12]} already")
    stack = _registered(client, commit)
    _say(f"{STACK} is registered: {stack.status.name.lower()}, {stack.raw.desired_commit[:12]}")
    return stack, commit != before


def _registered(client: Stackly, commit: str) -> Stack:
    deadline = time.monotonic() + _REGISTERED_SECONDS
    while True:
        try:
            stack = client.stacks.get(STACK)
        except StacklyError as error:
            if error.reason != "NOT_FOUND":
                raise
        else:
            if stack.raw.desired_commit == commit:
                return stack
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"{STACK} is not registered after {_REGISTERED_SECONDS:.0f} seconds; see logs/orchestrate.log"
            )
        time.sleep(0.1)


def _run_of(client: Stackly, stack: Stack, pushed: bool) -> Run:  # noqa: FBT001
    """The run that the push made; when nothing was new, one of our own."""
    deadline = time.monotonic() + _REGISTERED_SECONDS
    while pushed and time.monotonic() < deadline:
        for message in client.runs.list(stack=STACK).limit(1):
            if message.to_commit == stack.raw.desired_commit:
                return client.runs.get(message.name)
        time.sleep(0.1)
    return stack.deploy(message="make dev")


def _carry_out(run: Run) -> None:
    """Follows the log, and confirms the plan when people are asked."""
    _say(f"{run.name}")
    reader = threading.Thread(target=_print_log, args=(run,), daemon=True)
    reader.start()
    run.wait("planned", _TIMEOUT, approval="wait")
    if not run.done and run.status.name == "AWAITING_APPROVAL":
        summary = run.raw.plan_summary
        counts = f"{summary.add} to add, {summary.change} to change, {summary.destroy} to destroy" if summary else ""
        _say(f"the plan {run.plan_digest[:12]} waits for approval: {counts}")
        run.approve(comment="make dev")
        _say("approved")
    run.wait("done", _TIMEOUT)
    reader.join(10)


def _print_log(run: Run) -> None:
    for line in run.logs():
        sys.stdout.write(f"          | {line}\n")
        sys.stdout.flush()


def _show(run: Run) -> None:
    _say(f"{run.id} ended: {run.status.name.lower()}")
    for name, value in run.outputs.items():
        _say(f"output {name} = {value!r}")


def _say(text: str) -> None:
    sys.stdout.write(f"          {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
