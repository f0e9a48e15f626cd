"""Runner processes, some of them warm: imported and waiting for their task on standard input."""

import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stackly_worker.runner.task import Task

_PASSED = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV", "STACKLY_CRASH", "GRPC_VERBOSITY",
           "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY")  # fmt: skip


@dataclass
class Runner:
    """A process of its own session that outlives this one once it has a task; without one it ends with this one."""

    process: "subprocess.Popen[bytes]"

    @property
    def pid(self) -> int:
        return self.process.pid

    def give(self, task: Task) -> None:
        """The task, token included, goes over the pipe only. BrokenPipeError when the process is gone."""
        pipe = self.process.stdin
        if pipe is None or pipe.closed:
            raise BrokenPipeError("this runner had its task")
        pipe.write(task.to_line())
        pipe.close()


@dataclass
class Pool:
    """`warm` runners wait. Taking one starts the next, so a task never waits for an interpreter."""

    home: Path
    warm: int = 1
    _waiting: deque[Runner] = field(default_factory=deque)
    _given: list[Runner] = field(default_factory=list)

    def fill(self) -> None:
        self._given = [runner for runner in self._given if runner.process.poll() is None]
        while len(self._waiting) < self.warm:
            self._waiting.append(self._start())

    def take(self) -> Runner:
        """A runner that lives; it has no task yet."""
        living = (runner for runner in self._drawn() if runner.process.poll() is None)
        runner = next(living, None) or self._start()
        self._given.append(runner)
        return runner

    def _drawn(self) -> Iterator[Runner]:
        while self._waiting:
            yield self._waiting.popleft()

    def close(self) -> None:
        """End those that wait; those that work are left alone."""
        for runner in self._waiting:
            if runner.process.stdin is not None:
                runner.process.stdin.close()
        self._waiting.clear()

    def _start(self) -> Runner:
        environment = {name: os.environ[name] for name in _PASSED if name in os.environ} | {"HOME": str(self.home)}
        log = os.open(self.home / "runners.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "stackly_worker", "runner"], cwd=self.home, env=environment,
                stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(log)
        return Runner(process)
