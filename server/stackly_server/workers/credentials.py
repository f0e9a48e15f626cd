"""What a worker shows: join tokens, requests for certificates, names in certificates. Pure."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_TOKEN = re.compile(r"stj_([0-9a-f]{32})_([A-Za-z0-9_-]{43})", re.ASCII)
_SPIFFE = re.compile(
    r"spiffe://([^/]+)/accounts/([0-9a-f-]{36})/(?:pending|temporal/([a-z0-9.-]{1,100}))/workers/([0-9a-f-]{36})"
)


class BadRequestError(ValueError):
    """The request for a certificate is none of ours; the text says why."""


@dataclass(frozen=True, slots=True)
class TokenSecret:
    """A join token as its holder has it."""

    id: UUID
    secret: str = field(repr=False)

    @classmethod
    def make(cls, id_: UUID) -> "TokenSecret":
        """256 random bits."""
        return cls(id_, secrets.token_urlsafe(32))

    @classmethod
    def parse(cls, text: str) -> "TokenSecret | None":
        """None when the text has not its shape."""
        match = _TOKEN.fullmatch(text)
        return cls(UUID(match[1]), match[2]) if match else None

    def __str__(self) -> str:
        return f"stj_{self.id.hex}_{self.secret}"

    @property
    def hash(self) -> bytes:
        """What is kept. A plain hash is enough for 256 random bits."""
        return hashlib.sha256(self.secret.encode()).digest()


@dataclass(frozen=True, slots=True)
class WorkerId:
    """Who a worker's certificate says it is. `temporal_namespace` is None until it has proved what it can do."""

    account_id: UUID
    temporal_namespace: str | None
    worker_id: UUID

    def spiffe(self, trust_domain: str) -> str:
        """The name in the certificate; Envoy's Temporal front reads it part by part, and takes none without a namespace."""
        home = "pending" if self.temporal_namespace is None else f"temporal/{self.temporal_namespace}"
        return f"spiffe://{trust_domain}/accounts/{self.account_id}/{home}/workers/{self.worker_id}"

    @classmethod
    def parse(cls, spiffe_id: str, trust_domain: str) -> "WorkerId | None":
        """None when it is not a worker's name in our trust domain."""
        match = _SPIFFE.fullmatch(spiffe_id)
        if match is None or match[1] != trust_domain:
            return None
        try:
            return cls(UUID(match[2]), match[3], UUID(match[4]))
        except ValueError:
            return None


def key_of_request(csr_pem: str) -> bytes:
    """SHA-256 of the public key (SubjectPublicKeyInfo) of a request that its key has signed; EC P-256 only."""
    try:
        request = x509.load_pem_x509_csr(csr_pem.encode())
        signed, key = request.is_signature_valid, request.public_key()
    except Exception as error:  # the parser of foreign bytes raises many kinds, none of them documented
        raise BadRequestError("It is not a certificate request in PEM.") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadRequestError("The key must be of the curve P-256.")
    if not signed:
        raise BadRequestError("The request is not signed by its own key.")
    return _spki_hash(key)


def pin(bundle: Sequence[str]) -> str:
    """`sha256:<hex>` of the root's public key: what a join file holds."""
    roots = [certificate for pem in bundle if (certificate := _certificate(pem)).issuer == certificate.subject]
    key = roots[0].public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise BadRequestError("The CA's key is no EC key.")
    return f"sha256:{_spki_hash(key).hex()}"


def ends_at(certificate_pem: str) -> datetime:
    """When a certificate ends."""
    return _certificate(certificate_pem).not_valid_after_utc


def plain_serial(serial: str) -> str:
    """A serial number as it is kept: hex, lower case, without colons and leading zeros."""
    return serial.replace(":", "").lower().lstrip("0")


def colon_serial(serial: str) -> str:
    """The same as Vault wants it: `0a:bc`."""
    digits = serial.zfill(len(serial) + len(serial) % 2)
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def _certificate(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def _spki_hash(key: ec.EllipticCurvePublicKey) -> bytes:
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
