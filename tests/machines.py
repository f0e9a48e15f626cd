"""The worker registry as a test uses it, and machines that join it."""

import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

from stackly_server.access import Kind, Subject
from stackly_server.workers.joining import Joined, JoinService
from stackly_server.workers.living import LivingService
from stackly_server.workers.model import Capabilities, Challenge, NewToken, Worker
from stackly_server.workers.ports import Plant
from stackly_server.workers.service import WorkerService

if TYPE_CHECKING:
    from api import Tenant

PLANT = Plant("https://localhost:8750", "localhost:8752", "localhost:8751", "stackly.local", 3600, 45)
CLAIM = Capabilities(
    features=frozenset({"terraform"}), labels={"zone": "eu"}, engines=("terraform 1.11.4",), platform="linux_amd64"
)
NOBODY = Subject(Kind.ANONYMOUS, actor="anonymous", method="/stackly.v1.WorkerRegistry/RegisterWorker", call_id="c")


def request_of(key: CertificateIssuerPrivateKeyTypes) -> str:
    """A certificate request whose subject asks for what it will not get."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "admin")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def right_answers(challenge: Challenge) -> dict[str, str]:
    """What a working engine computes."""
    return {engine: sha256(f"{challenge.nonce}:{engine}".encode()).hexdigest() for engine in challenge.engines}


@dataclass
class Machine:
    """A machine with a key of its own."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def csr(self) -> str:
        return request_of(self.key)


@dataclass
class Registry:
    """The services, and shortcuts through them."""

    joining: JoinService
    living: LivingService
    workers: WorkerService
    tenant: "Tenant"

    @property
    def parent(self) -> str:
        return f"accounts/{self.tenant.name}/namespaces/default"

    async def token(self, **changes: object) -> str:
        """The secret of a new join token."""
        facts: dict[str, object] = {"display_name": "t", "labels": {}, "allowed_features": (), "seconds": 0, **changes}
        made = await self.joining.create_token(self.tenant.subject(), self.parent, NewToken(**facts))  # type: ignore[arg-type]
        return str(json.loads(made.join_file)["token"])

    async def register(self, token: str, csr: str, claim: Capabilities = CLAIM) -> Joined:
        """Joins with a token."""
        return await self.joining.register(NOBODY, token, csr, claim, "host-1")

    async def join(self, machine: Machine | None = None, claim: Capabilities = CLAIM, **token: object) -> Joined:
        """Joins with a new token."""
        return await self.register(await self.token(**token), (machine or Machine()).csr, claim)

    async def caller(self, joined: Joined) -> Subject:
        """Who the certificate's holder is."""
        certificate = x509.load_pem_x509_certificate(joined.certificate_chain.encode())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        (spiffe_id,) = names.get_values_for_type(x509.UniformResourceIdentifier)
        return await self.workers.identify_worker(spiffe_id, f"{certificate.serial_number:x}")

    async def active(self, claim: Capabilities = CLAIM, **token: object) -> tuple[Subject, Worker, tuple[str, ...]]:
        """A worker that proved what it claims and has the certificate of one that did, with its queues."""
        machine = Machine()
        joined = await self.join(machine, claim, **token)
        challenge = joined.worker.challenge
        assert challenge is not None
        subject = await self.caller(joined)
        _, queues = await self.living.verify(subject, str(challenge.id), right_answers(challenge), claim)
        rotated = await self.joining.rotate(subject, machine.csr)
        return await self.caller(rotated), rotated.worker, queues
