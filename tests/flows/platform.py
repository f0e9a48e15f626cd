"""The whole platform as real processes in a home of its own, and what a test does to it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from flows import start
from flows.repository import FlowRepository
from stackly_sdk import AsyncStackly
from stackly_server.dev import kernel, launch
from stackly_server.dev.process import Identity
from waiting import until

ACCOUNT = "dev"
UP_SECONDS, AGAIN_SECONDS = 180, 90
_LAST_WORDS = 2000
_UP = "up.json"


@dataclass
class Platform:
    """`home` is its STACKLY_HOME. Parts are named as in `stackly-server dev`, such as serve, orchestrate, worker."""

    home: Path
    process: "subprocess.Popen[bytes]"
    ports: dict[str, int]
    _names: int = 0
    _workers: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.ports['public']}"

    @property
    def target(self) -> str:
        return f"localhost:{self.ports['public']}"

    @property
    def ca(self) -> Path:
        return self.home / "envoy/tls/ca.pem"

    @property
    def api_key(self) -> str:
        """The owner's."""
        return (self.home / "secrets/api-key").read_text(encoding="ascii").strip()

    def log(self, part: str) -> str:
        return (self.home / "logs" / f"{part}.log").read_text(errors="replace")

    def client(self, api_key: str = "") -> AsyncStackly:
        return AsyncStackly(
            endpoint=self.url, api_key=api_key or self.api_key, ca_file=self.ca, account=ACCOUNT, timeout=60
        )

    def environment(self, api_key: str = "", **more: str) -> dict[str, str]:
        """What a client program is started with."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "STACKLY_ENDPOINT": self.url,
            "STACKLY_CA_FILE": str(self.ca),
            "STACKLY_ACCOUNT": ACCOUNT,
            "STACKLY_API_KEY": api_key or self.api_key,
            **more,
        }

    def name(self, word: str) -> str:
        """A name that no other test has."""
        self._names += 1
        return f"{word}-{self._names}"

    async def member(self, client: AsyncStackly, *roles: str) -> str:
        """The API key of a new member with these roles."""
        name = self.name("member")
        await client.members.set(name, roles=roles, add=True)
        return (await client.keys.create(member=name)).secret

    async def repository(self, client: AsyncStackly) -> FlowRepository:
        """A new connected repository, whose pushes are delivered by its hook."""
        name = self.name("repo")
        repository = FlowRepository(self.home / "repositories" / f"{name}.git", self.home / "clones" / name)
        repository.make()
        external_id = str(10_000 + self._names)
        answer = await client.repositories.connect(
            repository.url, full_name=f"dev/{name}", external_id=external_id, default_ref="main"
        )
        webhook = f"{self.url}/v1/webhooks/github"
        repository.connect(webhook, self.ca, answer.webhook_secret, external_id, f"dev/{name}")
        return repository

    def pid(self, part: str) -> int:
        """The process of a part that runs now; 0 while there is none."""
        try:
            pid, _, started = (self.home / "pids" / f"{part}.pid").read_text(encoding="ascii").partition(" ")
        except FileNotFoundError:
            return 0
        return int(pid) if started and kernel.start_time(int(pid)) == started else 0

    def kill(self, part: str) -> tuple[int, float]:
        """SIGKILL: its pid, and when."""
        pid = self.pid(part)
        assert pid, f"{part} does not run"
        now = time.time()
        os.kill(pid, signal.SIGKILL)
        return pid, now

    @contextmanager
    def api_away(self) -> Iterator[int]:
        """The API is killed, and does not come back within; gives the pid of the dead process."""
        away = self.home / "serve.away"
        away.touch()
        try:
            yield self.kill("serve")[0]
        finally:
            away.unlink()

    async def again(self, part: str, dead: int) -> float:
        """Waits until the supervisor has started a killed part anew and found it ready; how many seconds that took."""
        began = time.monotonic()
        await until(lambda: self.pid(part) not in {0, dead}, AGAIN_SECONDS)
        said = f"{part} restarted"
        await until(lambda: self._said().rpartition(f"{part} died")[2].count(said), AGAIN_SECONDS)
        return time.monotonic() - began

    async def join(
        self, client: AsyncStackly, passed: Mapping[str, str] = MappingProxyType({}), **settings: str
    ) -> "subprocess.Popen[bytes]":
        """One more worker, with settings such as LABELS='{"zone": "eu"}'; stopped with the platform at the latest.

        `passed` are variables of its environment that Terraform gets.
        """
        home = self.home / self.name("worker")
        home.mkdir()
        join_file = home / "join.json"
        join_file.touch(mode=0o600)
        join_file.write_text((await client.workers.create_token(ttl="10m")).join_file)
        given = {
            "HOME": str(home),
            "JOIN_TOKEN_FILE": str(join_file),
            "READY_FILE": str(home / "ready"),
            "PASS_ENVIRONMENT": json.dumps(sorted(passed)),
            **settings,
        }
        environment = {"PATH": os.environ["PATH"], **passed} | {
            f"STACKLY_WORKER_{name}": text for name, text in given.items()
        }
        process = _spawned([sys.executable, "-m", "stackly_worker", "run"], environment, home / "agent.log")
        self._workers.append(process)
        await until((home / "ready").exists, 60)
        return process

    async def leave(self, worker: "subprocess.Popen[bytes]") -> None:
        """Stops a worker that `join` started."""
        worker.terminate()
        await until(lambda: worker.poll() is not None, 60)

    def runners(self) -> dict[str, int]:
        """By batch folder, the process of its runner that lives now; of the platform's own worker."""
        found = {}
        for note in (self.home / "worker").glob("batches/*/*/runner.json"):
            pid = int(json.loads(note.read_text())["pid"])
            if b"stackly_worker" in _command_line(pid):
                found[str(note.parent)] = pid
        return found

    def last_words(self) -> list[tuple[str, str]]:
        """By program, the end of its log; of the platform's worker also what its runners said."""
        names = ("platform", "logs/serve", "logs/orchestrate", "logs/worker", "worker/runners")
        logs = [self.home / f"{name}.log" for name in names]
        return [(log.stem, log.read_text(errors="replace")[-_LAST_WORDS:]) for log in logs if log.exists()]

    def stop(self) -> int:
        """As Ctrl-C does."""
        for worker in self._workers:
            if worker.poll() is None:
                worker.terminate()
                worker.wait(60)
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)

    def _said(self) -> str:
        return (self.home / "platform.log").read_text()


async def started(home: Path, **serve_settings: str) -> Platform:
    """The platform, up. AssertionError with what it said when it does not come up."""
    process = _start(home, serve_settings)
    up = home / _UP
    await until(lambda: up.exists() or process.poll() is not None, UP_SECONDS)
    platform = Platform(home, process, {})
    assert process.poll() is None, platform.last_words()
    platform.ports |= json.loads(up.read_text())
    return platform


def _start(home: Path, serve_settings: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    home.mkdir(mode=0o700, exist_ok=True)
    settings = [f"{name}={value}" for name, value in serve_settings.items()]
    argv = [sys.executable, "-P", start.__file__, str(home), str(home / _UP), *settings]
    return _spawned(argv, {"PATH": os.environ["PATH"], "HOME": str(home)}, home / "platform.log")


def _spawned(argv: list[str], environment: Mapping[str, str], output: Path) -> "subprocess.Popen[bytes]":
    """Ends with the tests, also when they are killed: the programs of the platform end with it in their turn."""
    shim = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), str(int(signal.SIGTERM))]
    with output.open("ab") as log:
        return subprocess.Popen(
            [*shim, Identity.OURS.value, *argv],
            env=dict(environment),
            cwd=output.parent,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
