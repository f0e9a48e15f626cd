"""One installation of the embedded platform: its home, its ports and its parts, put together."""

import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stackly_server.dev.envoy.edge_settings import Address
from stackly_server.dev.home import Home, open_home
from stackly_server.dev.part import ExternalPart, Part
from stackly_server.dev.parts.envoy import Envoy
from stackly_server.dev.parts.openbao import OpenBao
from stackly_server.dev.parts.postgres import Postgres
from stackly_server.dev.parts.temporal import Temporal
from stackly_server.dev.ports import LOOPBACK, Ports, fixed_ports, require_free
from stackly_server.dev.problems import PartFailed
from stackly_server.dev.settings import DevSettings

_ENOUGH_BYTES = 300 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Installation:
    """The embedded parts and where they are. `api_socket` is where the API has to listen for Envoy."""

    home: Home
    ports: Ports
    trust_domain: str
    postgres: Postgres
    openbao: OpenBao
    temporal: Part
    temporal_target: str
    envoy: Envoy
    api_socket: Path

    @property
    def parts(self) -> tuple[Part, ...]:
        return (self.postgres, self.openbao, self.temporal, self.envoy)


def install(settings: DevSettings, descriptors: Path, ports: Ports | None = None) -> Installation:
    """Make the home and put the parts together; starts nothing. `ports` instead of the fixed ones, for tests."""
    home = open_home(settings.home)
    ports = ports or fixed_ports(settings.port_base)
    postgres = Postgres(home)
    openbao = OpenBao(home, ports, postgres, trust_domain=settings.trust_domain)
    target = settings.temporal_target or f"{LOOPBACK}:{ports.temporal}"
    api_socket = home.socket_dir("api") / "api.sock"
    return Installation(
        home=home,
        ports=ports,
        trust_domain=settings.trust_domain,
        postgres=postgres,
        openbao=openbao,
        temporal=_external_temporal(target) if settings.temporal_target else Temporal(home, ports),
        temporal_target=target,
        envoy=Envoy(
            home,
            ports,
            openbao,
            api_socket=api_socket,
            descriptors=descriptors,
            temporal=_address(target),
            trust_domain=settings.trust_domain,
        ),
        api_socket=api_socket,
    )


def check_before_start(installation: Installation, programs: Sequence[Part] = ()) -> None:
    """Stop what a dead supervisor left, then look at disk and ports. PartFailed, before anything has been started.

    The caller holds the home's lock: whatever the pid files name is nobody's any more.
    """
    for part in (*programs, *reversed(installation.parts)):
        part.stop_leftover()
    free = _free_bytes(installation.home.root)
    if free < _ENOUGH_BYTES:
        raise PartFailed(
            "home",
            f"only {free // 1_048_576} MiB are free at {installation.home.root}, {_ENOUGH_BYTES // 1_048_576} are needed",
            hint="free some space, or set STACKLY_HOME to another disk",
        )
    require_free(installation.ports)


def _free_bytes(path: Path) -> int:
    return shutil.disk_usage(path).free


def _address(target: str) -> Address:
    host, _, port = target.rpartition(":")
    return Address(host, int(port))


def _external_temporal(target: str) -> ExternalPart:
    address = _address(target)

    def answers() -> bool:
        try:
            with socket.create_connection((address.host, address.port), timeout=1.0):
                return True
        except OSError:
            return False

    return ExternalPart("temporal", target, answers)
