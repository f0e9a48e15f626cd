"""Who calls: from the metadata or the client certificate to a Subject, by what the rooms say."""

import functools
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from stackly.options.v1 import options_pb2
from stackly_server.access import Kind, Subject
from stackly_server.errors import Unauthenticated

RUN_TOKEN_PREFIX = "stkr_"  # noqa: S105  (a prefix, not a token)
PUBLIC = frozenset(
    {
        options_pb2.AUDIENCE_ANONYMOUS,
        options_pb2.AUDIENCE_USER,
        options_pb2.AUDIENCE_BOOT,
        options_pb2.AUDIENCE_RUN,
        options_pb2.AUDIENCE_HMAC,
    }
)
WORKERS = frozenset({options_pb2.AUDIENCE_WORKER})
PENDING = frozenset(
    f"/stackly.v1.WorkerRegistry/{method}"
    for method in ("VerifyCapabilities", "Heartbeat", "RotateCertificate", "DeregisterWorker")
)
"""All that a worker may call under the certificate that it has before it proved anything."""
_BEARER = re.compile(r"[Bb]earer ([A-Za-z0-9._~+/=-]{1,2048})")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a call brings along: its metadata (lower-case keys) and, on the worker listener, the certificate (PEM)."""

    metadata: Mapping[str, str]
    certificate: bytes = b""


@dataclass(frozen=True, slots=True)
class Identifiers:
    """Ports: who knows callers. An audience without one cannot be served."""

    user: Callable[[str], Awaitable[Subject]] | None = None
    run: Callable[[str], Awaitable[Subject]] | None = None
    worker: Callable[[str, str], Awaitable[Subject]] | None = None

    def missing(self, audiences: Iterable[int]) -> list[str]:
        """Names of audiences that nobody can identify."""
        ports: dict[int, object] = {
            options_pb2.AUDIENCE_USER: self.user,
            options_pb2.AUDIENCE_RUN: self.run,
            options_pb2.AUDIENCE_WORKER: self.worker,
        }
        return [options_pb2.Audience.Name(a) for a in sorted(set(audiences)) if a in ports and ports[a] is None]

    async def identify(self, audience: int, served: frozenset[int], credentials: Credentials) -> Subject:
        """The caller of a method for `audience`, on a listener that answers `served`."""
        if audience not in served:
            raise Unauthenticated("CERTIFICATE_INVALID", "This call is answered on the other listener.")
        if audience == options_pb2.AUDIENCE_USER and self.user is not None:
            return await self.user(_bearer(credentials, run=False))
        if audience == options_pb2.AUDIENCE_RUN and self.run is not None:
            return await self.run(_bearer(credentials, run=True))
        if audience == options_pb2.AUDIENCE_WORKER and self.worker is not None:
            spiffe_id, serial = worker_certificate(credentials.certificate, datetime.now(UTC))
            return await self.worker(spiffe_id, serial)
        if audience == options_pb2.AUDIENCE_HMAC:
            return Subject(Kind.ANONYMOUS, actor="anonymous", headers=_without_secrets(credentials.metadata))
        if audience in {options_pb2.AUDIENCE_ANONYMOUS, options_pb2.AUDIENCE_BOOT}:
            return Subject(Kind.ANONYMOUS, actor="anonymous")
        raise Unauthenticated("TOKEN_INVALID", "Nobody here knows such callers.")


def metadata_of(pairs: Iterable[tuple[str, str | bytes]] | None) -> dict[str, str]:
    """Text metadata by key; of a key given twice the first counts."""
    found: dict[str, str] = {}
    for key, value in pairs or ():
        if isinstance(value, str):
            found.setdefault(key, value)
    return found


def worker_certificate(pem: bytes, now: datetime) -> tuple[str, str]:
    """(SPIFFE id, serial as `aa:bb:…`) of a client certificate that the listener has checked against its CA."""
    if not pem:
        raise Unauthenticated("CERTIFICATE_INVALID", "The call needs a worker's certificate.")
    spiffe_id, serial, ends_at = _parsed(pem)
    if now >= ends_at:  # a connection may outlive the certificate it was opened with
        raise Unauthenticated("CERTIFICATE_INVALID", "The certificate's time is over.")
    return spiffe_id, serial


@functools.lru_cache(maxsize=4096)
def _parsed(pem: bytes) -> tuple[str, str, datetime]:
    certificate = x509.load_pem_x509_certificate(pem)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except x509.ExtensionNotFound:
        uris = []
    if len(uris) != 1 or not uris[0].startswith("spiffe://"):
        raise Unauthenticated("CERTIFICATE_INVALID", "The certificate names no worker.")
    digits = f"{certificate.serial_number:x}"
    digits = digits.zfill(len(digits) + len(digits) % 2)
    serial = ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))
    return uris[0], serial, certificate.not_valid_after_utc


def _bearer(credentials: Credentials, *, run: bool) -> str:
    header = credentials.metadata.get("authorization")
    if header is None:
        raise Unauthenticated("TOKEN_MISSING", "Sign in: the call needs `authorization: Bearer …`.")
    match = _BEARER.fullmatch(header)
    if match is None or match[1].startswith(RUN_TOKEN_PREFIX) is not run:
        raise Unauthenticated("TOKEN_INVALID", "The token is not one of ours, or not for this call.")
    return match[1]


def _without_secrets(metadata: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in metadata.items() if key not in {"authorization", "cookie"}}
