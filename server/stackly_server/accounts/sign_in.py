"""Signing in: API key → tokens → the caller of each call."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from stackly_server import limits
from stackly_server.access import Kind, Subject
from stackly_server.accounts import key_store
from stackly_server.accounts.model import Family, Principal, key_id, secret_hash
from stackly_server.accounts.principals import Principals
from stackly_server.accounts.routing import Routes
from stackly_server.accounts.tokens import ACCESS, REFRESH, Claims, Tokens, access_end
from stackly_server.clock import Clock, uuid7
from stackly_server.database import Database
from stackly_server.errors import Unauthenticated

_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class TokenPair:
    """An access token and the refresh token that gives the next pair, with their ends."""

    access: str
    access_expires_at: datetime
    refresh: str
    refresh_expires_at: datetime


class SignIn:
    """Exchanges credentials, and says who a bearer of an access token is."""

    def __init__(
        self, database: Database, tokens: Tokens, routes: Routes, principals: Principals, clock: Clock
    ) -> None:
        self._db = database
        self._tokens = tokens
        self._routes = routes
        self._principals = principals
        self._clock = clock
        self._checked: OrderedDict[bytes, Claims] = OrderedDict()

    async def exchange(self, api_key: str) -> TokenPair:
        """Tokens for an API key; TOKEN_INVALID in the same words whether it is unknown, ended, revoked or wrong."""
        id_ = key_id(api_key)
        account_id = await self._routes.find("api_key", id_) if id_ else None
        if id_ is None or account_id is None:
            raise _refused()
        family = Family(account_id, uuid7(), 1, self._clock.now() + timedelta(seconds=limits.REFRESH_TOKEN_SECONDS))
        async with self._db.transaction(Subject(Kind.SYSTEM, account_id, actor="system")) as tx:
            used = await key_store.use_api_key(tx.conn, UUID(id_), secret_hash(api_key))
            if used is not None:
                await key_store.insert_family(tx.conn, family, used[0], UUID(id_))
        if used is None:
            raise _refused()
        return await self._pair(family)

    async def refresh(self, token: str) -> TokenPair:
        """The next pair. A token used twice, but for 30 seconds after its first use, revokes its family."""
        claims = await self._tokens.check(REFRESH, token)
        async with self._db.transaction(Subject(Kind.SYSTEM, claims.account_id, actor="system")) as tx:
            family = await key_store.rotate_family(
                tx.conn, claims.family_id, claims.counter, limits.REFRESH_REUSE_SECONDS
            )
            killed = family is None and await key_store.revoke_family(tx.conn, claims.family_id)
            if killed:
                tx.tell("sign_in.revoked", f"signIns/{claims.family_id}", reason="refresh token used twice")
                tx.wake(f"access/{claims.account_id}")
        if killed:
            self._principals.drop(claims.account_id)
            raise Unauthenticated("TOKEN_REUSED", "This refresh token was used before; sign in again.")
        if family is None or await self._principals.find(family.account_id, family.id) is None:
            raise Unauthenticated("TOKEN_INVALID", "The token is not one of ours, or is revoked.")
        return await self._pair(family)

    async def revoke(self, subject: Subject, token: str) -> None:
        """Ends the sign-in of a refresh token of the caller's own; one that has ended already stays so."""
        claims = await self._tokens.check(REFRESH, token)
        if claims.account_id != subject.tenant:
            raise Unauthenticated("TOKEN_INVALID", "The token is not yours.")
        async with self._db.transaction(subject) as tx:
            if await key_store.revoke_family(tx.conn, claims.family_id, subject.member):
                tx.tell("sign_in.revoked", f"signIns/{claims.family_id}", reason="asked for")
                tx.wake(f"access/{claims.account_id}")
        self._principals.drop(claims.account_id)

    async def identify_user(self, bearer: str) -> Subject:
        """The caller behind an access token; a fresh Subject each time."""
        claims = await self._check(bearer)
        principal = await self._principals.find(claims.account_id, claims.family_id)
        if principal is None:
            raise Unauthenticated("TOKEN_INVALID", "The token is not one of ours, or is revoked.")
        return _subject(principal, claims.expires_at)

    async def _check(self, bearer: str) -> Claims:
        """Checks a signature once: a known token is good until it ends."""
        digest = sha256(bearer.encode()).digest()
        known = self._checked.get(digest)
        if known is not None and known.expires_at > self._clock.now().timestamp():
            return known
        claims = await self._tokens.check(ACCESS, bearer)
        self._checked[digest] = claims
        while len(self._checked) > _REMEMBERED:
            self._checked.popitem(last=False)
        return claims

    async def _pair(self, family: Family) -> TokenPair:
        end = min(access_end(self._clock.now()), int(family.expires_at.timestamp()))
        refresh_end = int(family.expires_at.timestamp())
        access = await self._tokens.issue(ACCESS, family.account_id, family.id, end)
        refresh = await self._tokens.issue(REFRESH, family.account_id, family.id, refresh_end, family.counter)
        return TokenPair(access, _at(end), refresh, _at(refresh_end))


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _refused() -> Unauthenticated:
    return Unauthenticated("TOKEN_INVALID", "The API key is unknown, revoked or too old.")


def _subject(principal: Principal, expires_at: int) -> Subject:
    return Subject(
        Kind.USER,
        principal.account_id,
        principal.account,
        f"accounts/{principal.account}/members/{principal.member}",
        principal.permissions,
        principal.groups,
        api_key_id=principal.api_key_id,
        family_id=principal.family_id,
        expires_at=float(expires_at),
    )
