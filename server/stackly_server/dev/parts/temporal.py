"""Temporal's development server: SQLite with WAL, loopback only, no TLS (workers come through Envoy's front)."""

import socket

from stackly_server.dev import binaries
from stackly_server.dev.home import Home
from stackly_server.dev.part import LocalPart
from stackly_server.dev.ports import LOOPBACK, Ports
from stackly_server.dev.process import Command, clean_environment

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # and empty SETTINGS
_SETTINGS_FRAME = 4


class Temporal(LocalPart):
    """`address` is host:port of the plain gRPC front end."""

    def __init__(self, home: Home, ports: Ports) -> None:
        super().__init__("temporal", home)
        self._ports = ports
        self.address = f"{LOOPBACK}:{ports.temporal}"

    def command(self) -> Command:
        database = self.home.data("temporal") / "temporal.db"
        database.parent.mkdir(mode=0o700, exist_ok=True)
        options = {
            "--ip": LOOPBACK,
            "--port": self._ports.temporal,
            "--http-port": self._ports.temporal_http,
            "--metrics-port": self._ports.temporal_metrics,
            "--db-filename": database,
            "--log-level": "warn",
            "--log-format": "text",
        }
        # WAL with NORMAL loses at most the last commits at a power cut, nothing at a kill, and doubles the throughput
        pragmas = ["--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL"]
        argv = [str(binaries.find("temporal")), "server", "start-dev", "--headless", *pragmas]
        argv += [str(word) for option in options.items() for word in option]
        return Command(tuple(argv), clean_environment(self.home.root), self.home.root)

    def answers(self) -> bool:
        """Its HTTP/2 listener speaks; the front end opens it only when its services are up."""
        try:
            with socket.create_connection((LOOPBACK, self._ports.temporal), timeout=0.5) as connection:
                connection.sendall(_PREFACE)
                head = connection.recv(9)
        except OSError:
            return False
        return len(head) == 9 and head[3] == _SETTINGS_FRAME  # noqa: PLR2004  (a frame's head is nine bytes)
