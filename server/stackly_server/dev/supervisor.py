"""Starts the parts in the order they need each other, keeps them running, stops them all, and leaves no process."""

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from stackly_server.dev import kernel
from stackly_server.dev.keeper import Halt, Happening, Keeper, Report, Tell
from stackly_server.dev.part import Part
from stackly_server.dev.problems import PartFailed

STOP_SECONDS = 9.0  # of the ten that are promised
_HURRY_SECONDS = 1.0
_LOOK_SECONDS = 1.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """`start()` until all are ready, `wait()` until someone wants it to end, `stop()` in any case. From the main thread."""

    def __init__(self, parts: Sequence[Part], tell: Tell) -> None:
        self._halt = Halt()
        self._tell = tell
        self._keepers = {part.name: Keeper(part, tell, self._halt) for part in parts}
        for keeper in self._keepers.values():
            keeper.connect(self._keepers)
        self._zombies: set[int] = set()

    def start(self) -> None:
        """Start all; returns when each is ready. PartFailed (the first) after stopping the rest; returns early when halted."""
        kernel.adopt_orphans()
        for keeper in self._keepers.values():
            keeper.begin()
        while not all(keeper.ready.is_set() for keeper in self._keepers.values()):
            if failed := next((keeper for keeper in self._keepers.values() if keeper.failure), None):
                self.stop()
                raise _as_part_failed(failed)
            if self._halt.wanted.wait(0.02):
                return

    def wait(self, seconds: float | None = None) -> bool:
        """Watch until it is halted (True) or `seconds` have passed (False); collects dead orphans meanwhile."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while deadline is None or time.monotonic() < deadline:
            left = _LOOK_SECONDS if deadline is None else min(_LOOK_SECONDS, max(0.0, deadline - time.monotonic()))
            if self._halt.wanted.wait(left):
                return True
            self._reap()
        return False

    @property
    def halted(self) -> bool:
        return self._halt.wanted.is_set()

    def halt(self, seconds: float = STOP_SECONDS) -> None:
        """Ask for the end; safe in a signal handler and from any thread."""
        self._halt.ask(seconds)
        for keeper in self._keepers.values():
            keeper.part.cancel()

    def stop(self) -> None:
        """Stop everything within `STOP_SECONDS`, then kill and name whatever is still there."""
        self.halt()
        for orphan in self._orphans():
            _signal(orphan, signal.SIGTERM)  # a runner whose agent died: it ends Terraform properly
        for keeper in self._keepers.values():
            keeper.join()
        self._kill_survivors()

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Within it Ctrl-C, SIGTERM and a closed terminal mean: stop; a second Ctrl-C means: at once."""

        def handle(_number: int, _frame: FrameType | None) -> None:
            self.halt(_HURRY_SECONDS if self._halt.wanted.is_set() else STOP_SECONDS)

        before = {number: signal.signal(number, handle) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _part_pids(self) -> set[int]:
        processes = (getattr(keeper.part, "process", None) for keeper in self._keepers.values())
        return {process.pid for process in processes if process and process.pid}

    def _orphans(self) -> list[int]:
        return [pid for pid in kernel.children(os.getpid()) if pid not in self._part_pids()]

    def _reap(self) -> None:
        """Only what was dead a look ago already: a helper of ours that just ended is about to be waited for."""
        seen = set(kernel.dead_children()) - self._part_pids()
        for pid in seen & self._zombies:
            kernel.collect(pid)
        self._zombies = seen

    def _kill_survivors(self) -> None:
        """What is left below us after all parts have ended; on Linux that includes orphans, as we adopt them."""
        deadline = time.monotonic() + _HURRY_SECONDS
        while survivors := self._orphans():
            patience_over = time.monotonic() > deadline
            for pid in survivors:
                if patience_over:
                    self._tell(
                        Report(
                            f"process {pid}",
                            Happening.DIED,
                            text=f"killed at the end: {kernel.command_line(pid)[:160]}",
                        )
                    )
                _signal(pid, signal.SIGKILL if patience_over else signal.SIGTERM)
            threading.Event().wait(0.1)
        for pid in kernel.dead_children():
            kernel.collect(pid)


def _as_part_failed(keeper: Keeper) -> PartFailed:
    failure = keeper.failure
    return failure if isinstance(failure, PartFailed) else PartFailed(keeper.part.name, f"cannot start: {failure!r}")


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
