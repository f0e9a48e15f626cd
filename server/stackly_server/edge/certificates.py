"""The certificate of the worker listener: asked for at start, renewed at half its life, shown from the next handshake on."""

import asyncio
import ipaddress
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from stackly_server.errors import StacklyError

_RETRY_SECONDS = 10.0
_LOG = logging.getLogger(__name__)


class Signed(Protocol):
    """A certificate with its chain, PEM each."""

    @property
    def certificate(self) -> str: ...
    @property
    def chain(self) -> tuple[str, ...]: ...


class Issuer(Protocol):
    """Who signs servers and workers (the PKI)."""

    async def sign_server(self, csr: str, names: Sequence[str], addresses: Sequence[str]) -> Signed: ...
    async def ca_chain(self) -> tuple[str, ...]: ...


class ListenerCertificate:
    """Keeps the worker listener's certificate fresh; `hosts` are the names and addresses that workers reach it by."""

    def __init__(self, issuer: Issuer, hosts: Sequence[str]) -> None:
        self._issuer = issuer
        self._names = [host for host in hosts if not _is_address(host)]
        self._addresses = [host for host in hosts if _is_address(host)]
        self._current: Any = None
        self._shown: Any = None
        self._renewal: asyncio.Task[None] | None = None

    async def open(self) -> grpc.ServerCredentials:
        """Asks for the first one. Clients must show a certificate of the same CA."""
        seconds = await self._issue()
        self._renewal = asyncio.create_task(self._renew_for_ever(seconds))
        self._shown = self._current
        return grpc.dynamic_ssl_server_credentials(self._current, self._fresh, require_client_authentication=True)

    async def close(self) -> None:
        """Stops renewing."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)

    def _fresh(self) -> Any:
        """Called at each handshake, from a thread of grpc's; None keeps what is shown."""
        if self._current is self._shown:
            return None
        self._shown = self._current
        return self._current

    async def _renew_for_ever(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                seconds = await self._issue()
            except StacklyError as error:
                _LOG.warning("the worker listener's certificate was not renewed: %s", error.message)
                seconds = _RETRY_SECONDS

    async def _issue(self) -> float:
        """A new key and certificate; gives the seconds until it should be renewed."""
        key = ec.generate_private_key(ec.SECP256R1())
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
        csr = request.public_bytes(serialization.Encoding.PEM).decode("ascii")
        signed = await self._issuer.sign_server(csr, self._names, self._addresses)
        trusted = "\n".join(await self._issuer.ca_chain())
        chain = "\n".join((signed.certificate, *signed.chain))
        self._current = grpc.ssl_server_certificate_configuration(
            [(_pem(key), chain.encode("ascii"))], root_certificates=trusted.encode("ascii")
        )
        end = x509.load_pem_x509_certificate(signed.certificate.encode("ascii")).not_valid_after_utc
        return max((end - datetime.now(UTC)).total_seconds() / 2, _RETRY_SECONDS)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
