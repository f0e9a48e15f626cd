"""Envoy as a part: the public door and the front of Temporal in one process."""

import http.client
import json
import socket
import subprocess
from pathlib import Path

from stackly_server.dev import binaries
from stackly_server.dev.certificates import CertificateFiles, Certificates
from stackly_server.dev.envoy.bootstrap import bootstrap
from stackly_server.dev.envoy.edge_settings import Address, EdgeSettings, PublicDoor, TemporalFront
from stackly_server.dev.home import Home, private_dir, write_private
from stackly_server.dev.part import LocalPart
from stackly_server.dev.parts.openbao import OpenBao
from stackly_server.dev.ports import LOOPBACK, Ports
from stackly_server.dev.problems import PartFailed
from stackly_server.dev.process import Command, clean_environment
from stackly_server.dev.temporal_protos import temporal_descriptors

_VALIDATE_SECONDS = 30
_ADMIN_SECONDS = 1.0


class Envoy(LocalPart):
    """`public_url` for users, `front_address` (host:port, mTLS) for workers, `ca` the PEM file both have to trust."""

    needs = ("openbao",)

    def __init__(
        self,
        home: Home,
        ports: Ports,
        openbao: OpenBao,
        *,
        api_socket: Path,
        descriptors: Path,
        temporal: Address,
        trust_domain: str = "stackly.local",
        name: str = "envoy",
    ) -> None:
        super().__init__(name, home)
        self._openbao = openbao
        self._folder = home.data(name)
        files = CertificateFiles(self._folder / "tls")
        self._certificates = Certificates(files, trust_domain)
        self.ca = files.ca
        self.public_url = f"https://localhost:{ports.public}"
        self.front_address = f"{LOOPBACK}:{ports.temporal_front}"
        self.settings = EdgeSettings(
            admin_socket=home.socket_dir(name) / "admin.sock",
            public=PublicDoor(
                listen=Address(LOOPBACK, ports.public),
                upstream_socket=api_socket,
                descriptors=descriptors,
                certificate=files.server,
            ),
            front=TemporalFront(
                listen=Address(LOOPBACK, ports.temporal_front),
                upstream=temporal,
                descriptors=temporal_descriptors(home.cache),
                certificate=files.server,
                trusted_workers=files.trusted_workers,
                trust_domain=trust_domain,
            ),
        )

    def command(self) -> Command:
        private_dir(self._folder)
        private_dir(self._certificates.files.folder)
        self.renew()
        argv = (*self._envoy(), "--concurrency", "1", "--log-level", "warn", "--disable-hot-restart")
        self.settings.admin_socket.unlink(missing_ok=True)  # a kill leaves it, and Envoy will not bind over it
        return Command(argv, clean_environment(self.home.root), self._folder)

    def answers(self) -> bool:
        """Envoy says LIVE when both listeners are bound and their certificates loaded."""
        return b"LIVE" in self._admin("/ready")

    def tend(self) -> None:
        """Renew the certificate at half its life; take over a changed list of revoked workers."""
        if self._certificates.expiring():
            self.renew()
        else:
            self._certificates.refresh_revoked(self._openbao.anonymous())

    def renew(self) -> None:
        """Put a fresh certificate into place; Envoy shows it from the next handshake on."""
        self._certificates.issue(self._openbao.client("envoy"))

    def validate(self) -> None:
        """Let Envoy itself judge the bootstrap; PartFailed with its words. Certificates must have been issued."""
        judged = subprocess.run(
            [*self._envoy(), "--mode", "validate"],
            env=clean_environment(self.home.root),
            capture_output=True,
            text=True,
            timeout=_VALIDATE_SECONDS,
            check=False,
        )
        if judged.returncode != 0:
            raise PartFailed(self.name, f"the bootstrap is not valid: {judged.stderr.strip()}")

    def _envoy(self) -> tuple[str, ...]:
        """Write the bootstrap and say how Envoy is called with it."""
        document = bootstrap(self.settings, self.settings.public.descriptors.read_bytes())
        file = self._folder / "bootstrap.json"
        write_private(file, json.dumps(document, indent=1))
        return (str(binaries.find("envoy")), "-c", str(file))

    def _admin(self, path: str) -> bytes:
        connection = http.client.HTTPConnection("admin", timeout=_ADMIN_SECONDS)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(_ADMIN_SECONDS)
        try:
            connection.sock.connect(str(self.settings.admin_socket))
            connection.request("GET", path)
            return connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return b""
        finally:
            connection.close()
