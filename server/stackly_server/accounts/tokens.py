"""Signed tokens (ES256): made by the key service, checked here against its public keys.

The header has exactly `alg`, `kid` and `typ`; whatever else comes is not ours. The key decides the algorithm.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from stackly_server import limits
from stackly_server.clock import Clock
from stackly_server.errors import Unauthenticated, Unavailable

ACCESS = "at+jwt"
REFRESH = "rt+jwt"
_AUDIENCE = "stackly"
_PUBLISHED_BEFORE_USE = timedelta(minutes=10)
_KEYS_SECONDS = 300.0
_ASK_AGAIN_SECONDS = 10.0
_COORDINATE_BYTES = 32
_TOKEN_CHARACTERS = 2048


class PublishedKey(Protocol):
    """One version of the signing key."""

    @property
    def version(self) -> int: ...
    @property
    def public_pem(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...


class Signer(Protocol):
    """Who holds the signing key (Vault Transit)."""

    async def sign_token(self, version: int, data: bytes) -> str: ...
    async def token_keys(self) -> Sequence[PublishedKey]: ...


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says: the account, the sign-in, for a refresh token its counter, and its end (Unix seconds)."""

    account_id: UUID
    family_id: UUID
    counter: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class _Key:
    public: EllipticCurvePublicKey
    created_at: datetime


class Tokens:
    """Makes and checks tokens. Public keys are asked for every five minutes, and when an unknown one is named."""

    def __init__(self, signer: Signer, issuer: str, clock: Clock) -> None:
        self._signer = signer
        self._issuer = issuer
        self._clock = clock
        self._keys: dict[int, _Key] = {}
        self._asked_at = float("-inf")

    async def issue(self, typ: str, account_id: UUID, family_id: UUID, expires_at: int, counter: int = 0) -> str:
        """A signed token. A refresh token stays below 400 characters."""
        keys = await self._published()
        version = signing_version({v: key.created_at for v, key in keys.items()}, self._clock.now())
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": _AUDIENCE,
            "iat": int(self._clock.now().timestamp()),
            "exp": expires_at,
            "sub": _pack(account_id.bytes),
            "fam": _pack(family_id.bytes),
        }
        if typ == REFRESH:
            claims["n"] = counter
        head = {"alg": "ES256", "kid": str(version), "typ": typ}
        signed = f"{_segment(head)}.{_segment(claims)}"
        return f"{signed}.{await self._signer.sign_token(version, signed.encode('ascii'))}"

    async def check(self, typ: str, token: str) -> Claims:
        """What a token of ours says; TOKEN_EXPIRED or TOKEN_INVALID otherwise."""
        version = _version(typ, token)
        key = await self._key(version)
        if key is None:
            raise _invalid()
        try:
            claims = jwt.decode(
                token,
                key.public,
                algorithms=["ES256"],
                audience=_AUDIENCE,
                issuer=self._issuer,
                options={"require": ["iss", "aud", "exp", "iat", "sub"], "verify_exp": False, "verify_iat": False},
            )
            found = _claims(typ, claims)
        except (jwt.InvalidTokenError, ValueError, TypeError, KeyError) as error:
            raise _invalid() from error
        if found.expires_at <= self._clock.now().timestamp():
            raise Unauthenticated("TOKEN_EXPIRED", "The token's time is over: refresh it, or sign in again.")
        return found

    async def jwks(self) -> bytes:
        """All public keys as a JWK set, JSON."""
        keys = [_jwk(version, key.public) for version, key in sorted((await self._published()).items())]
        return json.dumps({"keys": keys}, separators=(",", ":")).encode()

    async def _key(self, version: int) -> _Key | None:
        known = await self._published()
        if version not in known and self._clock.monotonic() - self._asked_at > _ASK_AGAIN_SECONDS:
            known = await self._ask()
        return known.get(version)

    async def _published(self) -> Mapping[int, _Key]:
        if self._clock.monotonic() - self._asked_at < _KEYS_SECONDS:
            return self._keys
        try:
            return await self._ask()
        except Unavailable:
            if not self._keys:
                raise
            # public keys do not spoil: callers who have signed in stay so while the key service is away
            self._asked_at = self._clock.monotonic() - _KEYS_SECONDS + _ASK_AGAIN_SECONDS
            return self._keys

    async def _ask(self) -> Mapping[int, _Key]:
        keys = await self._signer.token_keys()
        self._keys = {key.version: _Key(_public(key.public_pem), key.created_at) for key in keys}
        self._asked_at = self._clock.monotonic()
        return self._keys


def signing_version(created: Mapping[int, datetime], now: datetime) -> int:
    """The newest version that has been published for ten minutes, so that all who check know it; else the oldest."""
    known = [version for version, at in created.items() if at <= now - _PUBLISHED_BEFORE_USE]
    return max(known) if known else min(created)


def access_end(now: datetime) -> int:
    """When an access token made now ends, in Unix seconds."""
    return int(now.timestamp()) + limits.ACCESS_TOKEN_SECONDS


def _version(typ: str, token: str) -> int:
    """The key version that a token names, if it has our shape to the last bit."""
    parts = token.split(".")
    if len(token) > _TOKEN_CHARACTERS or len(parts) != 3 or not all(_canonical(part) for part in parts):  # noqa: PLR2004
        raise _invalid()
    try:
        head = json.loads(_unpack(parts[0]))
    except ValueError as error:
        raise _invalid() from error
    if not isinstance(head, dict) or head.keys() != {"alg", "kid", "typ"}:
        raise _invalid()
    kid = head["kid"]
    ours = isinstance(kid, str) and kid.isascii() and kid.isdecimal() and len(kid) < 7  # noqa: PLR2004
    if head["alg"] != "ES256" or head["typ"] != typ or not ours:
        raise _invalid()
    return int(kid)


def _claims(typ: str, claims: Mapping[str, Any]) -> Claims:
    wanted = {"iss", "aud", "iat", "exp", "sub", "fam"} | ({"n"} if typ == REFRESH else set())
    counter, end = claims.get("n", 0), claims["exp"]
    if claims.keys() != wanted or claims["aud"] != _AUDIENCE or type(counter) is not int or type(end) is not int:
        raise ValueError("claims of another shape")
    return Claims(UUID(bytes=_unpack(claims["sub"])), UUID(bytes=_unpack(claims["fam"])), counter, end)


def _invalid() -> Unauthenticated:
    return Unauthenticated("TOKEN_INVALID", "The token is not one of ours, or is revoked.")


def _public(pem: str) -> EllipticCurvePublicKey:
    key = load_pem_public_key(pem.encode("ascii"))
    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise TypeError("the tokens' key is not of P-256")
    return key


def _jwk(version: int, key: EllipticCurvePublicKey) -> dict[str, str]:
    numbers = key.public_numbers()
    x, y = (_pack(number.to_bytes(_COORDINATE_BYTES, "big")) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": str(version), "x": x, "y": y}


def _segment(data: Mapping[str, Any]) -> str:
    return _pack(json.dumps(data, separators=(",", ":")).encode())


def _pack(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _unpack(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _canonical(part: str) -> bool:
    """Whether base64url text is the only spelling of its bytes, so that no two tokens mean the same."""
    try:
        return part.isascii() and _pack(_unpack(part)) == part
    except (ValueError, binascii.Error):
        return False
