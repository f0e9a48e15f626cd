"""The adapter of Vault against a real OpenBao, under the AppRole of the API."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from stackly_server.dev.parts.openbao import OpenBao
from stackly_server.errors import Unavailable
from stackly_server.outside.vault import Vault


@pytest.fixture
async def vault(openbao: OpenBao) -> AsyncIterator[Vault]:
    role = openbao.approles["api"]
    made = Vault(openbao.url, role.role_id, role.secret_id_file)
    await made.open()
    yield made
    await made.close()


def csr() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


async def test_data_keys(vault: Vault) -> None:
    plain, wrapped = await vault.new_data_key(b"account one")
    assert len(plain) == 32
    assert await vault.unwrap(b"account one", wrapped) == plain


async def test_worker_certificates(vault: Vault) -> None:
    name = "spiffe://stackly.local/accounts/dev/namespaces/default/workers/w1"
    signed = await vault.sign_worker(csr(), name, 3600)
    certificate = x509.load_pem_x509_certificate(signed.certificate.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [name]
    assert int(signed.serial.replace(":", ""), 16) == certificate.serial_number
    (ca,) = await vault.ca_chain()
    assert x509.load_pem_x509_certificate(ca.encode()).subject == certificate.issuer
    await vault.revoke(signed.serial)
    revoked = x509.load_pem_x509_crl((await vault.crl()).encode())
    assert revoked.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None


async def test_a_name_outside_of_the_trust_domain_is_refused(vault: Vault) -> None:
    with pytest.raises(Exception, match="not valid for this role"):
        await vault.sign_worker(csr(), "spiffe://other.domain/accounts/dev", 3600)


async def test_a_lost_login_is_made_anew(vault: Vault) -> None:
    await vault._run(vault._client.auth.token.revoke_self)
    assert len(await vault.token_keys()) == 1


async def test_a_wrong_secret_id(openbao: OpenBao, tmp_path: Path) -> None:
    wrong = tmp_path / "secret-id"
    vault = Vault(openbao.url, openbao.approles["api"].role_id, wrong)
    for text in ("", "wrong"):
        with pytest.raises(Unavailable, match="our role or its secret id"):
            await vault.open()
        wrong.write_text(text or "wrong")
    await vault.close()
