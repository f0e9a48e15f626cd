"""What the worker is: its key, made here and never sent, its certificate, and what the control plane told it."""

import json
import os
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from stackly_worker.runner.journal import write_synced
from stackly_worker.runner.place import write_atomically
from stackly_worker.wire import Identity

_ACCOUNT = re.compile(r"spiffe://[^/]+/accounts/([^/]+)/(temporal/)?")


@dataclass(frozen=True)
class Facts:
    """What registration and verification told; `temporal_address` is empty until the capabilities are proved."""

    name: str
    uid: str
    server: str
    worker_address: str
    temporal_address: str = ""
    temporal_namespace: str = ""
    public_url: str = ""
    task_queues: tuple[str, ...] = ()


@dataclass(frozen=True)
class Certificate:
    """A worker certificate with those above it (PEM)."""

    chain: bytes

    @property
    def leaf(self) -> x509.Certificate:
        return x509.load_pem_x509_certificates(self.chain)[0]

    @property
    def ends(self) -> float:
        """Seconds since the epoch."""
        return self.leaf.not_valid_after_utc.timestamp()

    @property
    def account(self) -> str:
        """The account's UUID, from the SPIFFE id `spiffe://domain/accounts/<uuid>/…`; ValueError without one."""
        return self._spiffe()[1]

    @property
    def opens_temporal(self) -> bool:
        """Whether it names a Temporal namespace; the first one does not, as nothing is proved by then."""
        return self._spiffe()[2] is not None

    def _spiffe(self) -> re.Match[str]:
        names = self.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        for uri in names.get_values_for_type(x509.UniformResourceIdentifier):
            if found := _ACCOUNT.match(uri):
                return found
        raise ValueError("the certificate has no SPIFFE id of a worker")

    def good_at(self, when: datetime) -> bool:
        leaf = self.leaf
        return leaf.not_valid_before_utc <= when < leaf.not_valid_after_utc


class IdentityStore:
    """A folder (0700): key.pem, certificate.pem, ca.pem, worker.json, each 0600 and replaced whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def key_pem(self) -> bytes:
        """The worker's key; made at the first call, the same ever after."""
        path = self._folder / "key.pem"
        if not path.exists():
            write_synced(path, new_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return path.read_bytes()

    def csr(self) -> str:
        """A request that carries the key and nothing else."""
        return csr_of(_load(self.key_pem()))

    def certificate(self) -> Certificate | None:
        path = self._folder / "certificate.pem"
        return Certificate(path.read_bytes()) if path.exists() else None

    def certificate_life(self) -> tuple[float, float] | None:
        """From when it came to its end, in seconds since the epoch; its own beginning is set back, against wrong clocks."""
        certificate = self.certificate()
        if certificate is None:
            return None
        return (self._folder / "certificate.pem").stat().st_mtime, certificate.ends

    def ca(self) -> bytes:
        return (self._folder / "ca.pem").read_bytes()

    def facts(self) -> Facts | None:
        path = self._folder / "worker.json"
        if not path.exists():
            return None
        found = json.loads(path.read_text(encoding="utf-8"))
        return Facts(**{**found, "task_queues": tuple(found["task_queues"])})

    def wire_identity(self) -> Identity:
        certificate = self.certificate()
        if certificate is None:
            raise LookupError("this worker has no certificate yet")
        return Identity(certificate.chain, self.key_pem())

    def keep_certificate(self, chain: str, ca: str) -> Certificate:
        """Both at once is not possible; the bundle first, as it holds the old root too."""
        if ca:
            write_atomically(self._folder / "ca.pem", ca.encode())
        write_atomically(self._folder / "certificate.pem", chain.encode())
        return Certificate(chain.encode())

    def keep_facts(self, facts: Facts) -> Facts:
        write_atomically(self._folder / "worker.json", json.dumps(asdict(facts)).encode())
        return facts

    def usable(self) -> bool:
        """A certificate that is good now, and all that is needed to work on with it."""
        certificate, facts = self.certificate(), self.facts()
        good = certificate is not None and certificate.good_at(datetime.now(UTC)) and certificate.opens_temporal
        return good and facts is not None and bool(facts.temporal_address) and os.access(self._folder, os.W_OK)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def csr_of(key: ec.EllipticCurvePrivateKey) -> str:
    """A PKCS #10 request (PEM) with an empty name."""
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.PEM).decode()


def _load(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("key.pem holds no EC key")
    return key
