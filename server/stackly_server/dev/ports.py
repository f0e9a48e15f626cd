"""The fixed, documented ports of the development platform, and the check that they are free before anything starts."""

import socket
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields

from stackly_server.dev.problems import PartFailed

DEFAULT_PORT_BASE = 8750
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback ports, in the order of their offsets from STACKLY_PORT_BASE (default 8750)."""

    public: int  # Envoy: REST, gRPC, gRPC-Web over TLS
    temporal_front: int  # Envoy: Temporal for workers, mTLS
    worker: int  # the API's listener for workers, mTLS
    temporal: int
    temporal_http: int
    temporal_metrics: int
    openbao: int


def fixed_ports(base: int = DEFAULT_PORT_BASE) -> Ports:
    return Ports(*(base + offset for offset in range(len(fields(Ports)))))


def free_ports() -> Ports:
    """Ports that nobody listened on a moment ago, for tests."""
    held = []
    for _ in fields(Ports):
        listener = socket.socket()
        listener.bind((LOOPBACK, 0))
        held.append(listener)
    numbers = [listener.getsockname()[1] for listener in held]
    for listener in held:
        listener.close()
    return Ports(*numbers)


def taken_ports(ports: Iterable[int]) -> list[int]:
    return [port for port in ports if not _is_free(port)]


def require_free(ports: Ports) -> None:
    """PartFailed naming each taken port and what it is for."""
    taken = set(taken_ports(astuple(ports)))
    if not taken:
        return
    named = ", ".join(
        f"{getattr(ports, field.name)} ({field.name})" for field in fields(Ports) if getattr(ports, field.name) in taken
    )
    raise PartFailed(
        "ports",
        f"already in use on {LOOPBACK}: {named}",
        hint="stop what listens there, or set STACKLY_PORT_BASE to another number",
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free for a server
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
