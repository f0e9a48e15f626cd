"""Vault or OpenBao: data keys, token signatures, certificates. Calls of hvac run in a small pool of threads."""

import asyncio
import base64
import contextlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import hvac
import requests
from hvac import exceptions

from stackly_server.errors import Unavailable

_THREADS = 4
_TIMEOUT_SECONDS = 5
_RETRY_SECONDS = 5.0
_ACCOUNTS_KEY = "stackly-accounts"
_TOKENS_KEY = "stackly-tokens"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TokenKey:
    """One version of the key that signs tokens."""

    version: int
    public_pem: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SignedCertificate:
    """A certificate with the chain that signed it (PEM each, leaf first) and its serial, as `aa:bb:…`."""

    certificate: str
    chain: tuple[str, ...]
    serial: str


class Vault:
    """One AppRole's view. `open` logs in; the token is renewed at half its life, and made anew when it is refused.

    Every method raises Unavailable VAULT_UNAVAILABLE when Vault does not answer, is sealed or refuses our login.
    """

    def __init__(self, url: str, role_id: str, secret_id_file: Path) -> None:
        session = requests.Session()
        session.trust_env = False  # no proxy and no foreign CA on the way to the keys
        self._client = hvac.Client(url=url, session=session, timeout=_TIMEOUT_SECONDS)
        self._role_id = role_id
        self._secret_id_file = secret_id_file
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="vault")
        self._renewal: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Logs in."""
        seconds = await self._run(self._log_in)
        self._renewal = asyncio.create_task(self._renew_for_ever(seconds))

    async def close(self) -> None:
        """Gives the token back and stops the threads."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)
            with contextlib.suppress(Unavailable):  # it ends by itself within its hour
                await self._run(self._client.auth.token.revoke_self)
        self._pool.shutdown(wait=True)
        self._client.adapter.close()

    async def new_data_key(self, context: bytes) -> tuple[bytes, str]:
        """A fresh key of 32 bytes, and the same one wrapped for `context`, which `unwrap` needs again."""
        body = {"context": _base64(context), "bits": 256}
        data = await self._write(f"transit/datakey/plaintext/{_ACCOUNTS_KEY}", body)
        return base64.b64decode(data["plaintext"]), str(data["ciphertext"])

    async def unwrap(self, context: bytes, wrapped: str) -> bytes:
        """The key that was wrapped for the context."""
        body = {"context": _base64(context), "ciphertext": wrapped}
        data = await self._write(f"transit/decrypt/{_ACCOUNTS_KEY}", body)
        return base64.b64decode(data["plaintext"])

    async def sign_token(self, version: int, data: bytes) -> str:
        """The ES256 signature (JWS form, base64url without padding) by one version of the tokens' key."""
        body = {
            "input": _base64(data),
            "key_version": version,
            "hash_algorithm": "sha2-256",
            "marshaling_algorithm": "jws",
        }
        answer = await self._write(f"transit/sign/{_TOKENS_KEY}", body)
        return str(answer["signature"]).rpartition(":")[2].rstrip("=")

    async def token_keys(self) -> tuple[TokenKey, ...]:
        """All published versions of the tokens' key, oldest first."""
        data = await self._read(f"transit/keys/{_TOKENS_KEY}")
        keys = ((int(version), key) for version, key in data["keys"].items())
        return tuple(
            TokenKey(version, key["public_key"], datetime.fromisoformat(key["creation_time"]))
            for version, key in sorted(keys, key=lambda pair: pair[0])
        )

    async def sign_worker(self, csr: str, spiffe_id: str, seconds: int) -> SignedCertificate:
        """Signs the public key of a request for a worker. Only the key is taken from the request."""
        return await self._sign("worker", {"csr": csr, "uri_sans": spiffe_id, "ttl": f"{seconds}s"})

    async def sign_server(self, csr: str, names: Sequence[str], addresses: Sequence[str]) -> SignedCertificate:
        """Signs the public key of a request for a server under these DNS names and IP addresses."""
        body = {"csr": csr, "alt_names": ",".join(names), "ip_sans": ",".join(addresses)}
        return await self._sign("server", body)

    async def ca_chain(self) -> tuple[str, ...]:
        """The certificates that sign workers and servers, PEM each."""
        text = await self._run(lambda: self._text("pki/ca_chain") or self._text("pki/ca/pem"))
        end = "-----END CERTIFICATE-----"
        return tuple(f"{part.strip()}\n{end}\n" for part in text.split(end) if part.strip())

    async def crl(self) -> str:
        """The list of revoked certificates, PEM."""
        return await self._run(lambda: self._text("pki/crl/pem"))

    async def revoke(self, serial: str) -> None:
        """Puts a certificate on the list of revoked ones; the list shows it at once."""
        await self._write("pki/revoke", {"serial_number": serial})

    async def _sign(self, role: str, body: Mapping[str, Any]) -> SignedCertificate:
        data = await self._write(f"pki/sign/{role}", {**body, "format": "pem"})
        chain = data.get("ca_chain") or [data["issuing_ca"]]
        return SignedCertificate(data["certificate"], tuple(chain), data["serial_number"])

    async def _write(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = await self._run(lambda: self._client.write_data(path, data=dict(body)))
        return _data(answer)

    async def _read(self, path: str) -> dict[str, Any]:
        return _data(await self._run(lambda: self._client.read(path)))

    def _text(self, path: str) -> str:
        return str(self._client.adapter.get(f"/v1/{path}").text)

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._attempt, call)

    def _attempt(self, call: Callable[[], T]) -> T:
        """One call; a refused token is made anew once. Runs in a thread of the pool."""
        try:
            try:
                return call()
            except (exceptions.Forbidden, exceptions.Unauthorized):
                self._log_in()
                return call()
        except exceptions.InvalidRequest:
            raise  # our own mistake, or altered bytes: not a matter of waiting
        except (exceptions.VaultError, requests.RequestException, OSError) as error:
            raise Unavailable("VAULT_UNAVAILABLE", "The key service does not answer.", retry_after=1.0) from error

    def _log_in(self) -> float:
        """Gives the seconds for which the new token is good."""
        try:
            secret_id = self._secret_id_file.read_text("ascii").strip()
            answer = self._client.auth.approle.login(self._role_id, secret_id)
        except (exceptions.InvalidRequest, FileNotFoundError, PermissionError) as error:
            message = "The key service does not know us: our role or its secret id is wrong."
            raise Unavailable("VAULT_UNAVAILABLE", message, retry_after=10.0) from error
        return float(answer["auth"]["lease_duration"])

    async def _renew_for_ever(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(max(seconds / 2, 1.0))
            try:
                answer = await self._run(self._client.auth.token.renew_self)
                seconds = float(answer["auth"]["lease_duration"])
            except (Unavailable, exceptions.InvalidRequest):
                seconds = 2 * _RETRY_SECONDS  # try again soon: each call logs in by itself meanwhile


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _data(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise Unavailable("VAULT_UNAVAILABLE", "The key service gave no answer.", retry_after=1.0)
    data: dict[str, Any] = answer["data"]
    return data
