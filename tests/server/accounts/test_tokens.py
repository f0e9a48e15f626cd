"""Tokens: what is ours passes, what is forged does not. Each forgery is first shown to differ from a good token."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stackly_server.accounts.tokens import ACCESS, REFRESH, Tokens, signing_version
from stackly_server.app import Ground
from stackly_server.errors import Unauthenticated, Unavailable

ACCOUNT, FAMILY = uuid4(), uuid4()
ISSUER = "stackly.local"


@dataclass
class Clock:
    """The machine's clock, moved."""

    ahead: timedelta = timedelta()
    ticks: float = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ticks

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Published:
    version: int
    public_pem: str
    created_at: datetime


@dataclass
class LocalSigner:
    """The port of the key service with a key of the test's own, so that forgeries can be signed with the real key too."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    asked: int = 0
    away: bool = False

    async def sign_token(self, _version: int, data: bytes) -> str:
        return b64(es256(self.key, data))

    async def token_keys(self) -> list[Published]:
        self.asked += 1
        if self.away:
            raise Unavailable("VAULT_UNAVAILABLE", "away")
        return [Published(1, pem(self.key), datetime(2026, 1, 1, tzinfo=UTC))]


def pem(key: ec.EllipticCurvePrivateKey) -> str:
    encoding, shape = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(encoding, shape).decode()


def es256(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    head, body, signature = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
    return json.loads(head), json.loads(body), signature


Sign = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Forge:
    """Builds tokens from a good one, by default signed with the very key that the server trusts."""

    good: str
    key: ec.EllipticCurvePrivateKey

    def make(
        self, head: Mapping[str, Any] | None = None, body: Mapping[str, Any] | None = None, sign: Sign | None = None
    ) -> str:
        """Changed head and body; a value of None takes the key away."""
        old_head, old_body, _ = parts(self.good)
        new = [
            json.dumps({k: v for k, v in (old | dict(changes or {})).items() if v is not None}, separators=(",", ":"))
            for old, changes in ((old_head, head), (old_body, body))
        ]
        signed = ".".join(b64(part.encode()) for part in new)
        return f"{signed}.{b64((sign or self.sign)(signed.encode()))}"

    def sign(self, data: bytes) -> bytes:
        return es256(self.key, data)

    def again(self, change: Callable[[list[str]], list[str]]) -> str:
        return ".".join(change(self.good.split(".")))


def _hs256(secret: bytes) -> Sign:
    return lambda data: hmac.digest(secret, data, hashlib.sha256)


def _other(data: bytes) -> bytes:
    return es256(ec.generate_private_key(ec.SECP256R1()), data)


def _p384(data: bytes) -> bytes:
    r, s = utils.decode_dss_signature(ec.generate_private_key(ec.SECP384R1()).sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(48, "big") + s.to_bytes(48, "big")


def _rs256(data: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import padding

    return rsa.generate_private_key(65537, 2048).sign(data, padding.PKCS1v15(), hashes.SHA256())


def _flip(text: str, at: int) -> str:
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


def _spare_bits(signature: str) -> str:
    """The same 64 bytes in another spelling: the last character of 86 has four bits that decode to nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return signature[:-1] + alphabet[alphabet.index(signature[-1]) ^ 1]


JWK = {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}
HOUR = 3600
VECTORS: dict[str, Callable[[Forge], str]] = {
    "alg none, no signature": lambda f: f.make({"alg": "none"}, sign=lambda _: b""),
    "alg None in capitals": lambda f: f.make({"alg": "NONE"}, sign=lambda _: b""),
    "alg none, good signature": lambda f: f.make({"alg": "none"}),
    "HS256 with the public key": lambda f: f.make({"alg": "HS256"}, sign=_hs256(_public(f))),
    "HS256 with an empty secret": lambda f: f.make({"alg": "HS256"}, sign=_hs256(b"")),
    "HS512 said, signed ES256": lambda f: f.make({"alg": "HS512"}),
    "RS256 with a key of its own": lambda f: f.make({"alg": "RS256"}, sign=_rs256),
    "EdDSA with a key of its own": lambda f: f.make({"alg": "EdDSA"}, sign=ed25519.Ed25519PrivateKey.generate().sign),
    "ES384 with a key of its own": lambda f: f.make({"alg": "ES384"}, sign=_p384),
    "ES256K said": lambda f: f.make({"alg": "ES256K"}),
    "es256 in lower case": lambda f: f.make({"alg": "es256"}),
    "no alg": lambda f: f.make({"alg": None}),
    "signed by another key": lambda f: f.make(sign=_other),
    "kid is a path": lambda f: f.make({"kid": "../../../../dev/null"}, sign=_hs256(b"")),
    "kid is SQL": lambda f: f.make({"kid": "1' OR '1'='1"}),
    "kid is a number": lambda f: f.make({"kid": 1}),
    "kid is a list": lambda f: f.make({"kid": ["1"]}),
    "kid of a version that is not there": lambda f: f.make({"kid": "7"}),
    "kid with a sign": lambda f: f.make({"kid": "-1"}),
    "kid in other digits": lambda f: f.make({"kid": "١"}),  # noqa: RUF001
    "no kid": lambda f: f.make({"kid": None}),
    "jku": lambda f: f.make({"jku": "https://evil.example/jwks.json"}),
    "x5u": lambda f: f.make({"x5u": "https://evil.example/cert.pem"}),
    "x5c": lambda f: f.make({"x5c": ["MIIB"]}),
    "jwk of its own": lambda f: f.make({"jwk": JWK}, sign=_other),
    "crit unknown": lambda f: f.make({"crit": ["exp"]}),
    "crit empty": lambda f: f.make({"crit": []}),
    "b64 false": lambda f: f.make({"b64": False, "crit": ["b64"]}),
    "typ of a refresh token": lambda f: f.make({"typ": REFRESH}),
    "typ JWT": lambda f: f.make({"typ": "JWT"}),
    "no typ": lambda f: f.make({"typ": None}),
    "other audience": lambda f: f.make(body={"aud": "somebody"}),
    "audiences, ours among them": lambda f: f.make(body={"aud": ["stackly", "somebody"]}),
    "no audience": lambda f: f.make(body={"aud": None}),
    "other issuer": lambda f: f.make(body={"iss": "evil.example"}),
    "no issuer": lambda f: f.make(body={"iss": None}),
    "expired": lambda f: f.make(body={"exp": int(time.time()) - 1}),
    "no exp": lambda f: f.make(body={"exp": None}),
    "exp is text": lambda f: f.make(body={"exp": str(int(time.time()) + HOUR)}),
    "exp is no whole number": lambda f: f.make(body={"exp": time.time() + HOUR}),
    "exp is true": lambda f: f.make(body={"exp": True}),
    "exp has no end": lambda f: f.make(body={"exp": float("inf")}),
    "no iat": lambda f: f.make(body={"iat": None}),
    "no sub": lambda f: f.make(body={"sub": None}),
    "sub is no id": lambda f: f.make(body={"sub": "admin"}),
    "sub is a number": lambda f: f.make(body={"sub": 1}),
    "no family": lambda f: f.make(body={"fam": None}),
    "a claim too many": lambda f: f.make(body={"admin": True}),
    "not before tomorrow": lambda f: f.make(body={"nbf": int(time.time()) + 86400}),
    "altered head, old signature": lambda f: f.again(lambda p: [_flip(p[0], 5), p[1], p[2]]),
    "altered body, old signature": lambda f: f.again(lambda p: [p[0], _flip(p[1], 5), p[2]]),
    "altered signature": lambda f: f.again(lambda p: [p[0], p[1], _flip(p[2], 20)]),
    "another spelling of the signature": lambda f: f.again(lambda p: [p[0], p[1], _spare_bits(p[2])]),
    "padded signature": lambda f: f.again(lambda p: [p[0], p[1], p[2] + "=="]),
    "short signature": lambda f: f.again(lambda p: [p[0], p[1], p[2][:-4]]),
    "no signature": lambda f: f.again(lambda p: [p[0], p[1], ""]),
    "signature of zeros": lambda f: f.make(sign=lambda _: bytes(64)),
    "signature in DER": lambda f: f.make(sign=lambda data: f.key.sign(data, ec.ECDSA(hashes.SHA256()))),
    "two parts": lambda f: f.again(lambda p: p[:2]),
    "four parts": lambda f: f.again(lambda p: [*p, p[2]]),
    "encrypted (five parts)": lambda f: f.again(lambda p: [*p, p[2], p[2]]),
    "a line feed behind": lambda f: f.good + "\n",
    "head is no JSON": lambda f: f.again(lambda p: [b64(b"{"), p[1], p[2]]),
    "head is a list": lambda f: f.again(lambda p: [b64(b"[]"), p[1], p[2]]),
    "empty": lambda _: "",
    "very long": lambda f: f.make(body={"pad": "x" * 100_000}),
    "not ASCII": lambda f: f.good + "é",
}


def _public(forge: Forge) -> bytes:
    return pem(forge.key).encode()


@pytest.fixture
async def forge() -> tuple[Tokens, Forge]:
    signer = LocalSigner()
    tokens = Tokens(signer, ISSUER, Clock())
    good = await tokens.issue(ACCESS, ACCOUNT, FAMILY, int(time.time()) + HOUR)
    return tokens, Forge(good, signer.key)


@pytest.mark.parametrize("name", VECTORS)
async def test_forged(forge: tuple[Tokens, Forge], name: str) -> None:
    tokens, make = forge
    assert (await tokens.check(ACCESS, make.good)).account_id == ACCOUNT
    assert (await tokens.check(ACCESS, make.make())).account_id == ACCOUNT  # what we sign ourselves passes
    forged = VECTORS[name](make)
    assert forged != make.good
    with pytest.raises(Unauthenticated) as caught:
        await tokens.check(ACCESS, forged)
    assert caught.value.reason == ("TOKEN_EXPIRED" if name == "expired" else "TOKEN_INVALID")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
async def test_any_other_character_anywhere(forge: tuple[Tokens, Forge], data: st.DataObject) -> None:
    tokens, make = forge
    at = data.draw(st.integers(0, len(make.good) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda found: found != make.good[at]))
    with pytest.raises(Unauthenticated):
        await tokens.check(ACCESS, make.good[:at] + other + make.good[at + 1 :])


async def test_signed_by_transit(ground: Ground) -> None:
    """The real key service: what it signs passes, and its public keys are in the JWK set."""
    tokens = Tokens(ground.vault, ISSUER, ground.clock)
    end = int(time.time()) + HOUR
    for typ, counter in ((ACCESS, 0), (REFRESH, 3)):
        token = await tokens.issue(typ, ACCOUNT, FAMILY, end, counter)
        claims = await tokens.check(typ, token)
        assert (claims.account_id, claims.family_id, claims.counter, claims.expires_at) == (
            ACCOUNT,
            FAMILY,
            counter,
            end,
        )
        assert len(token) <= 400
    (jwk,) = json.loads(await tokens.jwks())["keys"]
    assert (jwk["kid"], jwk["kty"], jwk["alg"], "d" in jwk) == ("1", "EC", "ES256", False)


async def test_unknown_versions_do_not_hammer_the_key_service() -> None:
    signer, clock = LocalSigner(), Clock()
    tokens = Tokens(signer, ISSUER, clock)
    forge = Forge(await tokens.issue(ACCESS, ACCOUNT, FAMILY, int(time.time()) + HOUR), signer.key)
    clock.ticks = 60
    for _ in range(20):
        with pytest.raises(Unauthenticated):
            await tokens.check(ACCESS, forge.make({"kid": "9"}))
    assert signer.asked == 2


async def test_callers_stay_signed_in_while_the_key_service_is_away() -> None:
    signer, clock = LocalSigner(), Clock()
    tokens = Tokens(signer, ISSUER, clock)
    token = await tokens.issue(ACCESS, ACCOUNT, FAMILY, int(time.time()) + HOUR)
    signer.away = True
    for clock.ticks in (301.0, 305.0, 400.0):
        await tokens.check(ACCESS, token)
    assert signer.asked == 3  # at the start, then each time ten seconds had gone by
    with pytest.raises(Unavailable):
        await Tokens(signer, ISSUER, clock).check(ACCESS, token)


def test_a_new_key_is_published_before_it_signs() -> None:
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    fresh, known, old = now - timedelta(minutes=9), now - timedelta(minutes=11), now - timedelta(days=9)
    assert signing_version({1: old, 2: known, 3: fresh}, now) == 2
    assert signing_version({1: fresh}, now) == 1  # a fresh installation has no other
