"""The agent's side of the nursery: the process that forks runners."""

import contextlib
import socket
import subprocess
from collections.abc import Callable

from stackly_worker.runner.nursery import BIRTH, PID, Greeting

_SECONDS = 20.0  # a fork takes milliseconds; the first waits for the nursery's imports


class Nursery:
    """One nursery process. OSError from anything when it is gone."""

    def __init__(self, start: Callable[[int], "subprocess.Popen[bytes]"], greeting: Greeting) -> None:
        self.greeting = greeting
        self._line, far = socket.socketpair()
        self._line.settimeout(_SECONDS)
        with far:
            self._process = start(far.fileno())
        self._line.sendall(greeting.to_line())

    def birth(self, stdin: int, output: int) -> int:
        """The process id of a new runner with these open files; it is in a session of its own."""
        socket.send_fds(self._line, [BIRTH], [stdin, output])
        answer = b""
        while len(answer) < PID.size:
            part = self._line.recv(PID.size - len(answer))
            if not part:
                raise ConnectionResetError("the nursery is gone")
            answer += part
        (pid,) = PID.unpack(answer)
        return int(pid)

    def close(self) -> None:
        """It ends; its runners live on."""
        self._line.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_SECONDS)
