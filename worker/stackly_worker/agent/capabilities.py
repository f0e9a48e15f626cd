"""What this machine can do: found, claimed, and proved by letting each engine compute."""

import logging
import os
import re
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

from stackly.v1 import worker_registry_pb2 as registry
from stackly.v1 import workers_pb2
from stackly_worker.runner import platform
from stackly_worker.runner.terraform import Engine

_NONCE = re.compile(r"[A-Za-z0-9_.=-]{1,256}")
_HEX = re.compile(r'"?([0-9a-f]{64})"?')
_SECONDS = 60
_log = logging.getLogger(__name__)


class ChallengeError(Exception):
    """The challenge asks for what this worker does not do."""


def claim(having: Sequence[Engine], labels: Mapping[str, str], sandbox: str) -> workers_pb2.Capabilities:
    return workers_pb2.Capabilities(
        features=sorted({engine.product for engine in having}),
        labels=dict(labels),
        cpus=os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        version=_version(),
        engines=[engine.name for engine in having],
        platform=platform.name(),
        sandbox=sandbox,
    )


def host() -> str:
    return socket.gethostname()[:253]


def answers(challenge: registry.Challenge, having: Sequence[Engine]) -> dict[str, str]:
    """By engine, what it says `sha256("<nonce>:<engine>")` is; without those that do not compute.

    Blocks: each engine is started once, in an empty folder. One that is not here any more has no answer either.
    The words of the challenge go into an expression, so anything but a plain nonce and an engine of ours is refused.
    """
    if not _NONCE.fullmatch(challenge.nonce):
        raise ChallengeError("the nonce of the challenge is no plain word")
    known = {engine.name: engine for engine in having}
    asked = (known[name] for name in challenge.engines if name in known)
    answered = ((engine.name, _computed(engine, f"{challenge.nonce}:{engine.name}")) for engine in asked)
    return {name: answer for name, answer in answered if answer is not None}


def _computed(engine: Engine, text: str) -> str | None:
    with tempfile.TemporaryDirectory(prefix="stackly-challenge-") as folder:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": folder,
            "TF_CLI_CONFIG_FILE": os.devnull,
            "CHECKPOINT_DISABLE": "1",
            "TF_IN_AUTOMATION": "1",
        }
        try:
            done = subprocess.run(
                [*engine.command, "console"], input=f'sha256("{text}")\n', cwd=folder, env=environment, text=True,
                capture_output=True, timeout=_SECONDS, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            _log.warning("%s does not run: %s", engine.name, error)
            return None
    found = _HEX.fullmatch(done.stdout.strip())
    if done.returncode or found is None:
        _log.warning("%s does not compute: %s", engine.name, done.stderr.strip()[:500])
        return None
    return found[1]


def _version() -> str:
    try:
        return version("stackly-worker")
    except PackageNotFoundError:
        return "0+source"  # run from the source tree, not installed
