"""What these tests share: an authority, a fake control plane over TLS, real runner processes."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fakes.authority import Authority
from fakes.runner_service import TOKEN, RunnerFake
from fakes.serving import Served
from stackly.worker.v1.runner_service_pb2_grpc import add_RunnerServiceServicer_to_server
from stackly_worker.runner.process import exited
from stackly_worker.runner.task import Task
from stackly_worker.runner.terraform import Engine, find_engine


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority.make()


@pytest.fixture(scope="session")
def engine() -> Engine:
    return find_engine()


@dataclass
class Runners:
    """Starts real runner processes; `environment` is what each gets beside PATH."""

    home: Path
    served: Served
    fake: RunnerFake
    engine: Engine
    environment: dict[str, str] = field(default_factory=dict)
    started: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def task(self, folder: str, *, recover: bool = False, ahead: tuple[str, ...] = ()) -> Task:
        path = self.home / "batches" / folder
        path.mkdir(parents=True, exist_ok=True)
        return Task(
            public_url=self.served.url, ca=self.served.root.decode(), run_token=TOKEN, epoch=1, folder=path,
            work=self.home / "work", engines=(self.engine,), recover=recover, ahead=ahead,
        )  # fmt: skip

    def start(self, folder: str, *, recover: bool = False, ahead: tuple[str, ...] = ()) -> "subprocess.Popen[bytes]":
        clean = {"PATH": os.environ["PATH"]} | self.environment
        process = subprocess.Popen(
            [sys.executable, "-m", "stackly_worker", "runner"], env=clean, stdin=subprocess.PIPE, start_new_session=True
        )
        assert process.stdin is not None
        process.stdin.write(self.task(folder, recover=recover, ahead=ahead).to_line())
        process.stdin.close()
        self.started.append(process)
        return process

    async def run(self, folder: str, *, recover: bool = False) -> int:
        process = self.start(folder, recover=recover)
        await asyncio.wait_for(exited(process.pid), 120)
        return process.wait()

    def said(self, folder: str) -> str:
        return (self.home / "batches" / folder / "runner.log").read_text()

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()


@pytest.fixture
def fake() -> RunnerFake:
    return RunnerFake({})


@pytest.fixture
async def served(authority: Authority, fake: RunnerFake) -> AsyncIterator[Served]:
    chain, key = authority.server()
    root = authority.pem.encode()
    served = Served(chain, key, root, lambda server: add_RunnerServiceServicer_to_server(fake, server))
    await served.start()
    yield served
    await served.stop()


@pytest.fixture
def runners(tmp_path: Path, served: Served, fake: RunnerFake, engine: Engine) -> Iterator[Runners]:
    runners = Runners(tmp_path, served, fake, engine)
    yield runners
    runners.close()
