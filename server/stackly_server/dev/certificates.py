"""The certificates of Envoy: asked of OpenBao, put into place by rename, renewed at half their life."""

import ipaddress
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from stackly_server.dev.envoy.tls import certificate_secret, trusted_workers_secret
from stackly_server.dev.home import write_private
from stackly_server.dev.openbao_config import SERVER_ROLE
from stackly_server.dev.vault_client import VaultClient

_ROTATE_LIST_AFTER = timedelta(hours=24)  # it is valid for 168 h; an Envoy with an expired one refuses every worker


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """All in one private folder, so that one watch sees each rename. `ca` is plain PEM, to be shown to users."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def server(self) -> Path:
        return self.folder / "server.sds.json"

    @property
    def trusted_workers(self) -> Path:
        return self.folder / "trusted-workers.sds.json"


class Certificates:
    """Issues once, then keeps fresh. `hosts` are the names and addresses under which users and workers reach us."""

    def __init__(
        self, files: CertificateFiles, trust_domain: str, hosts: tuple[str, ...] = ("localhost", "127.0.0.1")
    ) -> None:
        self.files = files
        self._trust_domain = trust_domain
        self._hosts = hosts
        self._renew_at = datetime.min.replace(tzinfo=UTC)
        self._rotate_at = datetime.now(UTC) + _ROTATE_LIST_AFTER
        self._revoked = ""

    def issue(self, vault: VaultClient) -> None:
        """Write the CA, a fresh server certificate (24 h) and the list of revoked workers."""
        key = ec.generate_private_key(ec.SECP256R1())
        answer = vault.post(f"pki/sign/{SERVER_ROLE}", csr=_request(key), **_names(self._hosts))["data"]
        write_private(self.files.ca, answer["issuing_ca"] + "\n")
        chain = "\n".join([answer["certificate"], *answer.get("ca_chain", [])])
        write_private(self.files.server, json.dumps(certificate_secret(chain, _pem(key))))
        self._renew_at = _half_life(answer["certificate"])
        vault.get("pki/crl/rotate")
        self.refresh_revoked(vault)

    def refresh_revoked(self, vault: VaultClient) -> bool:
        """Fetch the revocation list; True when it changed and was put into place."""
        revoked = vault.get("pki/crl/pem").decode("ascii")
        if revoked == self._revoked:
            return False
        ca = self.files.ca.read_text(encoding="ascii")
        write_private(self.files.trusted_workers, json.dumps(trusted_workers_secret(ca, revoked, self._trust_domain)))
        self._revoked = revoked
        return True

    def expiring(self) -> bool:
        return datetime.now(UTC) >= min(self._renew_at, self._rotate_at)


def _request(key: ec.EllipticCurvePrivateKey) -> str:
    """A CSR that gives the public key only: the role takes the names from the call."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode("ascii")


def _names(hosts: tuple[str, ...]) -> dict[str, str]:
    return {
        "ip_sans": ",".join(host for host in hosts if _is_ip(host)),
        "alt_names": ",".join(host for host in hosts if not _is_ip(host)),
    }


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")


def _half_life(certificate_pem: str) -> datetime:
    certificate = x509.load_pem_x509_certificate(certificate_pem.encode("ascii"))
    return certificate.not_valid_before_utc + (certificate.not_valid_after_utc - certificate.not_valid_before_utc) / 2
