"""Runner processes, some of them warm: imported, connected and waiting for their task on standard input."""

import asyncio
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stackly_worker.agent.nursery import Nursery
from stackly_worker.runner.journal import start_time
from stackly_worker.runner.nursery import Greeting
from stackly_worker.runner.task import Task

_PASSED = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV", "STACKLY_CRASH", "GRPC_VERBOSITY",
           "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY")  # fmt: skip
_SOON = 0.05  # seconds


@dataclass
class Runner:
    """A process of its own session that outlives this one once it has a task; without one it ends with this one.

    `pipe` is the open file of its standard input, -1 once it has its task. `process` is set for a child of this process.
    """

    pid: int
    pipe: int
    process: "subprocess.Popen[bytes] | None" = None
    _start: str | None = field(init=False)

    def __post_init__(self) -> None:
        self._start = start_time(self.pid)

    @property
    def lives(self) -> bool:
        if self.process is not None:
            return self.process.poll() is None
        return self._start is not None and start_time(self.pid) == self._start

    def give(self, task: Task) -> None:
        """The task, token included, goes over the pipe only. BrokenPipeError when the process is gone."""
        if self.pipe < 0:
            raise BrokenPipeError("this runner had its task")
        pipe, self.pipe = self.pipe, -1
        with os.fdopen(pipe, "wb") as file:
            file.write(task.to_line())

    def let_go(self) -> None:
        """Without a task it ends."""
        if self.pipe >= 0:
            os.close(self.pipe)
            self.pipe = -1


@dataclass
class Pool:
    """`warm` runners wait. Taking one starts the next, so a task never waits for an interpreter.

    `greeting` is where runners will call, once that is known: they connect before they have a task.
    """

    home: Path
    warm: int = 1
    greeting: Greeting = field(default_factory=Greeting)
    _nursery: Nursery | None = None
    _waiting: deque[Runner] = field(default_factory=deque)
    _given: list[Runner] = field(default_factory=list)

    def fill(self) -> None:
        self._given = [runner for runner in self._given if runner.lives]
        while len(self._waiting) < self.warm:
            self._waiting.append(self._start())

    def fill_soon(self) -> None:
        """The same a moment later: the one that was just taken has the processor to itself until Terraform runs."""
        asyncio.get_running_loop().call_later(_SOON, self.fill)

    def take(self) -> Runner:
        """A runner that lives; it has no task yet."""
        living = (runner for runner in self._drawn() if runner.lives)
        runner = next(living, None) or self._start()
        self._given.append(runner)
        return runner

    def _drawn(self) -> Iterator[Runner]:
        while self._waiting:
            yield self._waiting.popleft()

    def close(self) -> None:
        """End those that wait, and start none any more; those that work are left alone."""
        self.warm = 0
        for runner in self._waiting:
            runner.let_go()
        self._waiting.clear()
        self._close_nursery()

    def _close_nursery(self) -> None:
        if self._nursery is not None:
            self._nursery.close()
            self._nursery = None

    def _start(self) -> Runner:
        """Forked by the nursery where the kernel can watch a process that is no child; else an interpreter of its own."""
        log = os.open(self.home / "runners.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        task, pipe = os.pipe()
        try:
            return Runner(self._born(task, log), pipe)
        except OSError:
            self._close_nursery()  # it died, or cannot be here: the next runner tries a new one
            process = self._spawned(task, log)
            return Runner(process.pid, pipe, process)
        finally:
            os.close(task)
            os.close(log)

    def _born(self, task: int, log: int) -> int:
        if not hasattr(os, "pidfd_open"):
            raise OSError("no pidfd here")
        if self._nursery is None or self._nursery.greeting != self.greeting:
            self._close_nursery()
            self._nursery = Nursery(lambda mouth: self._spawned(mouth, log, "--nursery"), self.greeting)
        return self._nursery.birth(task, log)

    def _spawned(self, stdin: int, log: int, *options: str) -> "subprocess.Popen[bytes]":
        environment = {name: os.environ[name] for name in _PASSED if name in os.environ} | {"HOME": str(self.home)}
        return subprocess.Popen(
            [sys.executable, "-m", "stackly_worker", "runner", *options], cwd=self.home, env=environment,
            stdin=stdin, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
