"""What every part is: something with a name that starts, becomes ready, and stops."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from stackly_server.dev.home import Home
from stackly_server.dev.problems import PartFailed
from stackly_server.dev.process import ChildProcess, Command

_POLL_SECONDS = 0.03


class Part(Protocol):
    """An address, or something we start. Calls for one part come from one thread."""

    @property
    def name(self) -> str: ...
    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the parts that must be ready first."""

    def start(self) -> None:
        """Prepare and spawn; does not wait. PartFailed with the log's end when it cannot."""

    def ready(self) -> None:
        """Wait until it can be used and bring it into the wanted shape; PartFailed when it dies or takes too long."""

    def cancel(self) -> None:
        """From any thread, once: `ready()` shall give up waiting, now and later."""

    def tend(self) -> None:
        """Called every few seconds while it runs: renew what expires. May raise; the next call tries again."""

    def stop_leftover(self) -> None:
        """Stop what an earlier supervisor of this home left running."""

    def died(self) -> PartFailed | None:
        """The failure to tell, if a started part has ended by itself."""

    def stop(self, patience: float = 8.0) -> None:
        """Ask it to end, then kill it after `patience` seconds. Harmless when it does not run."""


class LocalPart(ABC):
    """A part that is one child process of ours."""

    needs: tuple[str, ...] = ()
    ready_seconds: float = 30.0

    def __init__(self, name: str, home: Home) -> None:
        self.name = name
        self.home = home
        self._cancelled = threading.Event()
        self.process = ChildProcess(name, log=home.logs / f"{name}.log", pid_file=home.pids / f"{name}.pid")

    @property
    def log(self) -> Path:
        return self.process.log

    @abstractmethod
    def command(self) -> Command:
        """Make what the process needs on disk and say how to run it."""

    @abstractmethod
    def answers(self) -> bool:
        """One quick question to the running process (well under a second)."""

    def settle(self) -> None:  # noqa: B027  (a part may have nothing to settle)
        """Bring a process that answers into the wanted shape; must be safe to repeat."""

    def tend(self) -> None:  # noqa: B027  (as above)
        """Nothing that expires."""

    def start(self) -> None:
        try:
            command = self.command()
        except OSError as error:
            raise PartFailed(self.name, f"cannot be prepared: {error}", log=self.log) from error
        self.process.start(command)

    def ready(self) -> None:
        self.wait_until(self.answers, self.ready_seconds)
        self.settle()

    def wait_until(self, answers: Callable[[], bool], seconds: float, what: str = "") -> None:
        """Poll until it is so; PartFailed when the process dies meanwhile, or after `seconds`, or when cancelled."""
        wait_until(answers, self.died, self._cancelled, f"{self.name}{what}", seconds, self.log)

    def cancel(self) -> None:
        self._cancelled.set()

    def stop_leftover(self) -> None:
        self.process.stop_leftover()

    def died(self) -> PartFailed | None:
        code = self.process.exit_code()
        return None if code is None else PartFailed(self.name, f"ended by itself ({_ending(code)})", log=self.log)

    def stop(self, patience: float = 8.0) -> None:
        self.process.stop(patience)


class ExternalPart:
    """A part that somebody else runs: only asked whether it answers."""

    def __init__(self, name: str, address: str, answers: Callable[[], bool], needs: tuple[str, ...] = ()) -> None:
        self.name = name
        self.address = address
        self.needs = needs
        self._answers = answers
        self._cancelled = threading.Event()

    def start(self) -> None:
        """Nothing to start."""

    def ready(self) -> None:
        wait_until(self._answers, lambda: None, self._cancelled, f"{self.name} at {self.address}", 10.0, None)

    def cancel(self) -> None:
        self._cancelled.set()

    def tend(self) -> None:
        """Not ours to tend."""

    def stop_leftover(self) -> None:
        """Nothing of ours."""

    def died(self) -> PartFailed | None:
        return None

    def stop(self, patience: float = 8.0) -> None:
        """Not ours to stop."""


def bring_up(part: Part) -> None:
    """Start and wait; what a test fixture wants. A part that does not become ready is stopped again."""
    part.start()
    try:
        part.ready()
    except BaseException:
        part.stop()
        raise


def wait_until(
    answers: Callable[[], bool],
    died: Callable[[], PartFailed | None],
    cancelled: threading.Event,
    name: str,
    seconds: float,
    log: Path | None,
) -> None:
    """Poll `answers` until it is True; PartFailed as soon as the process has died, when cancelled, or after `seconds`."""
    deadline = time.monotonic() + seconds
    while not answers():
        if failure := died():
            raise failure
        if time.monotonic() > deadline:
            raise PartFailed(name, f"does not answer after {seconds:.0f} s", log=log)
        if cancelled.wait(_POLL_SECONDS):
            raise PartFailed(name, "was stopped before it was ready")


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
