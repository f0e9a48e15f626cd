"""Terraform or OpenTofu as a process: which one, which version, one command in one folder."""

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from stackly_engine.command import executable
from stackly_engine.driving.ports import StoppedError
from stackly_engine.source import Product

# Set by Terraform's own automation or by an outer run: they would change what our commands do or where they look.
_VERSION = re.compile(r"(Terraform|OpenTofu) v(\S+)")
FOREIGN = ("TF_CLI_ARGS", "TF_DATA_DIR", "TF_INPUT", "TF_WORKSPACE")


class ToolError(RuntimeError):
    """No usable Terraform or OpenTofu, or one of its commands failed; the message is for the user."""


@dataclass(frozen=True)
class Tool:
    """One executable: its path, the product and its exact version."""

    path: str
    product: Product
    version: str
    identity: tuple[object, ...] = ()  # of the program that said so, when it was asked just now

    @property
    def said(self) -> executable.Version:
        return self.product.value, self.version


@dataclass(frozen=True)
class Done:
    """How a command ended: exit code, what it printed (both streams, in order)."""

    code: int
    output: str


@dataclass
class Processes:
    """The commands that run now; `interrupt` lets each finish what it has in hand.

    `stopped_by` is the number of the signal that ended the work, 0 while there was none. While `applying`, this process
    must come to its own end too: what Terraform made is to be written down.
    """

    _live: set["subprocess.Popen[bytes]"] = field(default_factory=set)
    _lock: "threading.RLock" = field(default_factory=threading.RLock)  # a signal may find this thread holding it
    stopped_by: int = 0
    applying: bool = False

    @property
    def stopping(self) -> bool:
        return self.stopped_by != 0

    @contextlib.contextmanager
    def unbroken(self) -> Iterator[None]:
        """What is done in here is not left before its end."""
        before, self.applying = self.applying, True
        try:
            yield
        finally:
            self.applying = before

    def run(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Done:
        """Run to the end. The child has a session of its own: Ctrl-C of the terminal does not reach it by itself."""
        with tempfile.TemporaryFile() as output:
            process = self._start(argv, cwd, env, output)
            try:
                code = process.wait()
            finally:
                with self._lock:
                    self._live.discard(process)
            output.seek(0)
            return Done(code, output.read().decode(errors="replace"))

    def _start(
        self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], output: IO[bytes]
    ) -> "subprocess.Popen[bytes]":
        """Into a file, not a pipe: when this process dies, Terraform goes on and writes its state."""
        with self._lock:
            if self.stopping:
                raise StoppedError("stopped before the next step was begun")
            process = subprocess.Popen(
                argv, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
            self._live.add(process)
            if self.stopped_by:  # the signal came in the lines above
                process.send_signal(signal.SIGINT)
            return process

    def interrupt(self, number: int) -> None:
        """One SIGINT to each: Terraform finishes the resources in flight and writes its state.

        Where nothing runs and nothing is being applied there is nothing to wait for: StoppedError.
        """
        with self._lock:
            self.stopped_by = self.stopped_by or number
            for process in self._live:
                process.send_signal(signal.SIGINT)
            if not self._live and not self.applying:
                raise StoppedError("stopped")


def find(name: str = "", root: Path | None = None) -> Tool:
    """The tool of that name or path; without one, `terraform`, else `tofu`, on PATH.

    With `root` a program that was asked in it before is not asked again.
    """
    path = executable.found(name, os.environ)
    if path is None:
        missing = f"{name} is not there" if name else "neither terraform nor tofu is on PATH"
        raise ToolError(f"{missing}; say which one with --tool PATH")
    identity = executable.identity(path)
    known = None if root is None else executable.remembered(str(root), identity)
    product, version = known or _asked(path)
    return Tool(path, Product(product), version, () if known else tuple(identity))


def environment(outer: Mapping[str, str]) -> dict[str, str]:
    """The environment of each command: the caller's, without what would steer our own use of Terraform."""
    kept = {name: value for name, value in outer.items() if not name.startswith("TF_CLI_ARGS") and name not in FOREIGN}
    config = kept.get("TF_CLI_CONFIG_FILE")
    if config is not None and not Path(config).exists():
        del kept["TF_CLI_CONFIG_FILE"]  # Terraform only warns about it, on every command
    return {**kept, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}


def _asked(path: str) -> executable.Version:
    done = subprocess.run([path, "version"], capture_output=True, env=environment(os.environ), check=False, timeout=60)
    found = _VERSION.match(done.stdout.decode(errors="replace"))
    if found is None:
        raise ToolError(f"{path} does not answer `version` as Terraform and OpenTofu do")
    return ("tofu" if found[1] == "OpenTofu" else "terraform"), found[2]
