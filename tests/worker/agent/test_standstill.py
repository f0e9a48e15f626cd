"""A runner that stands still is killed only when it shows no life and the control plane says that its lease is over."""

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import grpc.aio
import pytest

from stackly_worker.agent.folders import BatchFolder
from stackly_worker.agent.standstill import LOOK_SECONDS, STILL_LOOKS, Standstill
from stackly_worker.runner.main import ALIVE


class OutOfTimeError(Exception):
    """The test's time is over."""


@dataclass
class Plane:
    """The clock of a test, and what the control plane says; `moves` is how often the runner shows life."""

    folder: Path
    over: list[bool | grpc.StatusCode]
    moves: int = 0
    looks: int = 40
    asked_at: list[float] = field(default_factory=list)
    now: float = 0.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.looks -= 1
        if not self.looks:
            raise OutOfTimeError
        if self.moves:
            self.moves -= 1
            (self.folder / ALIVE).touch()
            os.utime(self.folder / ALIVE, (self.now, self.now))

    async def lease_over(self) -> bool:
        self.asked_at.append(self.now)
        word = self.over.pop(0) if len(self.over) > 1 else self.over[0]
        if isinstance(word, bool):
            return word
        raise grpc.aio.AioRpcError(word, grpc.aio.Metadata(), grpc.aio.Metadata())


@pytest.fixture
def runner(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(["sleep", "600"])
    BatchFolder(tmp_path).note_runner(process.pid)
    yield process
    process.kill()
    process.wait()


async def watched(plane: Plane) -> None:
    await Standstill(BatchFolder(plane.folder), plane, plane.lease_over).watch()


async def test_one_that_never_showed_life_is_killed(runner: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    plane = Plane(tmp_path, [True])
    await watched(plane)
    assert runner.wait(10) == -signal.SIGKILL
    assert plane.now == STILL_LOOKS * LOOK_SECONDS


async def test_one_that_stops_showing_life_is_killed(runner: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    plane = Plane(tmp_path, [True], moves=10)
    await watched(plane)
    assert runner.wait(10) == -signal.SIGKILL
    assert plane.asked_at == [(10 + STILL_LOOKS) * LOOK_SECONDS]


async def test_one_that_moves_is_left_alone_and_nobody_is_asked(
    runner: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    plane = Plane(tmp_path, [True], moves=100)
    with pytest.raises(OutOfTimeError):
        await watched(plane)
    assert runner.poll() is None
    assert not plane.asked_at


@pytest.mark.parametrize("word", [False, grpc.StatusCode.UNAVAILABLE])
async def test_one_whose_lease_may_live_is_left_alone(
    runner: "subprocess.Popen[bytes]", tmp_path: Path, word: bool | grpc.StatusCode
) -> None:
    plane = Plane(tmp_path, [word])
    with pytest.raises(OutOfTimeError):
        await watched(plane)
    assert runner.poll() is None
    assert len(plane.asked_at) > STILL_LOOKS


async def test_asked_again_until_it_is_over(runner: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    plane = Plane(tmp_path, [False, grpc.StatusCode.UNAVAILABLE, True])
    await watched(plane)
    assert runner.wait(10) == -signal.SIGKILL
    assert len(plane.asked_at) == 3


async def test_a_process_that_is_not_the_runner_is_not_killed(
    runner: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    """The number of a runner that died is another's by now."""
    note = tmp_path / "runner.json"
    note.write_text(note.read_text().replace('"start": "', '"start": "9'))
    await watched(Plane(tmp_path, [True]))
    assert runner.poll() is None
