"""A certificate authority of a test: a root, server certificates, worker certificates."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOOPBACK = "127.0.0.1"


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@dataclass(frozen=True)
class Authority:
    """One root; `server()` gives a certificate and key for the loopback, `worker` one for a CSR."""

    key: ec.EllipticCurvePrivateKey
    root: x509.Certificate

    @classmethod
    def make(cls) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        builder = _builder("test root", "test root", key.public_key(), timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        builder = builder.add_extension(usage, critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        return cls(key, builder.sign(key, hashes.SHA256()))

    @property
    def pem(self) -> str:
        return self.root.public_bytes(serialization.Encoding.PEM).decode()

    def server(self) -> tuple[bytes, bytes]:
        """Chain and key, PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.IPAddress(ip_address(LOOPBACK)), x509.DNSName("localhost")]
        return self._signed(key.public_key(), names, ExtendedKeyUsageOID.SERVER_AUTH, timedelta(hours=1)), key_pem(key)

    def worker(self, csr_pem: str, spiffe_id: str, life: timedelta) -> str:
        """The chain for the key of the request, whatever else it asks for."""
        csr = x509.load_pem_x509_csr(csr_pem.encode())
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(spiffe_id)]
        key = csr.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        return self._signed(key, names, ExtendedKeyUsageOID.CLIENT_AUTH, life).decode()

    def _signed(
        self, key: ec.EllipticCurvePublicKey, names: list[x509.GeneralName], usage: x509.ObjectIdentifier,
        life: timedelta,
    ) -> bytes:  # fmt: skip
        builder = _builder("leaf", "test root", key, life)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
        )
        leaf = builder.sign(self.key, hashes.SHA256())
        return leaf.public_bytes(serialization.Encoding.PEM)


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePublicKey, life: timedelta) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer)).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - timedelta(minutes=1)).not_valid_after(now + life)
