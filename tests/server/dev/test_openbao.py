"""OpenBao as a part: it sets itself up, and each program can do what it must and nothing else."""

import base64
from pathlib import Path
from typing import Any

import hvac
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from hvac.exceptions import Forbidden, InvalidRequest, VaultError

from stackly_server.dev.home import open_home
from stackly_server.dev.part import bring_up
from stackly_server.dev.parts.openbao import OpenBao
from stackly_server.dev.parts.postgres import OPENBAO, Postgres
from stackly_server.dev.ports import free_ports
from stackly_server.dev.problems import PartFailed

ACCOUNT = base64.b64encode(b"account one").decode()
OTHER = base64.b64encode(b"account two").decode()
SPIFFE = "spiffe://stackly.local/accounts/a/temporal/s-1/workers/w"


def client(openbao: OpenBao, approle: str) -> Any:
    role = openbao.approles[approle]
    found = hvac.Client(url=openbao.url)
    found.auth.approle.login(role.role_id, role.secret_id_file.read_text())
    return found


@pytest.fixture(scope="module")
def api(openbao: OpenBao) -> Any:
    return client(openbao, "api")


@pytest.fixture(scope="module")
def orchestrate(openbao: OpenBao) -> Any:
    return client(openbao, "orchestrate")


def csr() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize("program", ["api", "orchestrate"])
def test_data_keys_open_under_their_own_account_only(openbao: OpenBao, program: str) -> None:
    transit = client(openbao, program).secrets.transit
    key = transit.generate_data_key("stackly-accounts", "plaintext", context=ACCOUNT)["data"]
    opened = transit.decrypt_data("stackly-accounts", key["ciphertext"], context=ACCOUNT)["data"]
    assert opened["plaintext"] == key["plaintext"]
    with pytest.raises(InvalidRequest):
        transit.decrypt_data("stackly-accounts", key["ciphertext"], context=OTHER)


def test_api_signs_tokens_and_reads_the_public_key(api: Any) -> None:
    text = base64.b64encode(b"header.payload").decode()
    signed = api.secrets.transit.sign_data(
        "stackly-tokens", text, hash_algorithm="sha2-256", marshaling_algorithm="jws"
    )
    assert signed["data"]["signature"].startswith("vault:v1:")
    assert "BEGIN PUBLIC KEY" in api.secrets.transit.read_key("stackly-tokens")["data"]["keys"]["1"]["public_key"]


def test_worker_certificates_carry_the_name_the_api_gives(api: Any) -> None:
    answer = api.secrets.pki.sign_certificate("worker", csr(), "", extra_params={"uri_sans": SPIFFE})["data"]
    certificate = x509.load_pem_x509_certificate(answer["certificate"].encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [SPIFFE]
    lasts = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert lasts.total_seconds() <= 3600 + 60
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("worker", {"uri_sans": "spiffe://elsewhere/accounts/a/temporal/s/workers/w"}),
        ("worker", {"alt_names": "localhost"}),
        ("worker", {"ip_sans": "127.0.0.1"}),
        ("server", {"uri_sans": SPIFFE}),
        ("server", {"alt_names": "example.com"}),
    ],
)
def test_names_that_a_role_does_not_give(api: Any, role: str, names: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        api.secrets.pki.sign_certificate(role, csr(), "", extra_params=names)


@pytest.mark.parametrize("verb", ["pki/sign/worker", "transit/sign/stackly-tokens", "pki/revoke"])
def test_what_orchestrate_may_not(orchestrate: Any, verb: str) -> None:
    with pytest.raises(Forbidden):
        orchestrate.write_data(verb, data={"csr": csr(), "input": "eA==", "serial_number": "00"})


def test_api_has_no_other_rights(api: Any) -> None:
    for path in (
        "sys/mounts", "sys/policies/acl/stackly-api", "auth/approle/role/stackly-api/secret-id", "pki/roles/worker",
        "transit/keys/stackly-accounts", "transit/export/signing-key/stackly-tokens", "pki/ca/pem/private",
    ):  # fmt: skip
        with pytest.raises(Forbidden):
            api.read(path)
    for path in ("pki/issue/worker", "pki/root/sign-intermediate", "transit/keys/mine", "auth/token/create"):
        with pytest.raises(Forbidden):
            api.write_data(path, data={"csr": csr(), "type": "aes256-gcm96"})


def test_no_root_token_is_left(openbao: OpenBao, postgres: Postgres) -> None:
    assert "revoked lease: lease_id=auth/token/root/" in openbao.log.read_text()
    with pytest.raises(VaultError, match="unsupported operation"):  # nor can one be made
        hvac.Client(url=openbao.url).sys.start_root_token_generation(otp="x" * 28)


def test_secrets_lie_in_private_files_only(openbao: OpenBao) -> None:
    files = list(openbao.home.secrets.iterdir())
    assert {file.stat().st_mode & 0o077 for file in files} == {0}
    config = (openbao.home.data("openbao") / "openbao.json").read_text()
    for role in openbao.approles.values():
        assert role.secret_id not in config


def test_restart_keeps_keys_and_an_interrupted_first_start_begins_anew(tmp_path: Path) -> None:
    home, ports = open_home(tmp_path / "home"), free_ports()
    postgres = Postgres(home)
    bring_up(postgres)
    try:
        half = OpenBao(home, ports, postgres)
        half.start()  # killed long before `initialize` is over
        half.process.stop(0.0)
        openbao = OpenBao(home, ports, postgres)
        bring_up(openbao)
        sealed = client(openbao, "api").secrets.transit.encrypt_data("stackly-accounts", ACCOUNT, context=ACCOUNT)
        openbao.stop()
        again = OpenBao(home, ports, postgres)
        bring_up(again)
        opened = client(again, "api").secrets.transit.decrypt_data(
            "stackly-accounts", sealed["data"]["ciphertext"], context=ACCOUNT
        )
        assert opened["data"]["plaintext"] == ACCOUNT
        again.stop()
        (home.secrets / "openbao-seal.key").unlink()
        with pytest.raises(PartFailed, match="the key that opens it is not"):
            bring_up(OpenBao(home, ports, postgres))
    finally:
        postgres.stop()


def test_values_in_the_database_are_sealed(openbao: OpenBao, postgres: Postgres) -> None:
    readable = "SELECT count(*) FROM openbao_kv_store WHERE encode(value, 'escape') LIKE '%stackly-accounts%'"
    assert int(postgres.sql("SELECT count(*) FROM openbao_kv_store", OPENBAO)) > 10
    assert postgres.sql(readable, OPENBAO) == "0"
