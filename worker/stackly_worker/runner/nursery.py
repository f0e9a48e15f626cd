"""A process that has imported all a runner needs, and forks one at each word of the agent: milliseconds, not an interpreter's start.

Standard input is a stream socket: first one line, the `Greeting`, then a byte for each runner with two open files, its
standard input and where it prints. Each is answered with the runner's process id (4 bytes). It ends with the agent.
"""

import contextlib
import gc
import json
import os
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass

BIRTH = b"r"
PID = struct.Struct("!i")
_FILES = 2
_GREETING_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Greeting:
    """Where runners will call: they connect before they have a task. Nothing of it is secret."""

    public_url: str = ""
    ca: str = ""

    def to_line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


def main() -> int:
    """0 once the agent is gone."""
    from stackly_worker.runner import main as runner  # all that a runner imports; no thread, no connection yet

    agent = socket.socket(fileno=os.dup(0))
    greeting = Greeting(**json.loads(_line(agent)))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries what nobody waits for
    gc.collect()
    gc.freeze()
    while True:
        word, files, _, _ = socket.recv_fds(agent, 1, _FILES)
        if word != BIRTH or len(files) != _FILES:
            return 0
        if os.fork() == 0:
            _begin(agent, files)
            _live(runner.main, greeting)
        for file in files:
            os.close(file)


def _begin(agent: socket.socket, files: list[int]) -> None:
    """As a process of its own: session, standard files, signals. Then the agent is told."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, file in ((0, files[0]), (1, files[1]), (2, files[1])):
        os.dup2(file, number)
    for file in files:
        os.close(file)
    with contextlib.suppress(BrokenPipeError), agent:
        agent.sendall(PID.pack(os.getpid()))


def _live(life: Callable[[Greeting], int], greeting: Greeting) -> None:
    """The child's whole life; never returns to the loop of its parent."""
    code = 1
    try:
        code = life(greeting)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - whatever it is, the process ends here
        traceback.print_exc()
    finally:
        os._exit(code)


def _line(agent: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        part = agent.recv(1)  # byte by byte: what follows carries files
        if not part or len(line) > _GREETING_BYTES:
            raise SystemExit(0)
        line += part
    return line
