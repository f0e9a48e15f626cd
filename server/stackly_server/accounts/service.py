"""The use cases of an account: members, API keys, namespaces, repositories."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from stackly_server import limits
from stackly_server.access import Subject, own, require
from stackly_server.accounts import key_store, store
from stackly_server.accounts.model import Account, ApiKey, Member, Namespace, check_grant, permissions_of, secret_hash
from stackly_server.accounts.principals import Principals
from stackly_server.clock import Clock, uuid7
from stackly_server.database import Database, Transaction
from stackly_server.errors import Conflict, Invalid, NotFound, NotNow
from stackly_server.pages import Pages

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """What is asked for: `member` is a login, empty for the caller; no permissions means all of the member's."""

    display_name: str
    member: str
    permissions: tuple[str, ...]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class MemberChange:
    """New roles or groups; None leaves them. `version` None means: whatever it is now."""

    roles: tuple[str, ...] | None
    groups: tuple[str, ...] | None
    version: int | None
    allow_missing: bool


class AccountService:
    """Accounts and what hangs on them, but for repositories (`Repositories`) and sign-in (`SignIn`)."""

    def __init__(self, database: Database, pages: Pages, principals: Principals, clock: Clock) -> None:
        self._db = database
        self._pages = pages
        self._principals = principals
        self._clock = clock

    async def get(self, subject: Subject, name: str) -> Account:
        require(subject, "stacks.read", name)
        own(subject, name, "account")
        return await self.mine(subject)

    async def mine(self, subject: Subject) -> Account:
        """The caller's own account, which every member may see."""
        async with self._db.read(subject.tenant) as conn:
            return await store.account(conn)

    async def namespaces(self, subject: Subject, parent: str, size: int, token: str) -> tuple[list[Namespace], str]:
        require(subject, "stacks.read", parent)
        own(subject, parent, "account")
        scope = "ListNamespaces"
        after = await self._after(token, scope, subject)
        async with self._db.read(subject.tenant) as conn:
            rows = await store.namespaces(conn, after, size + 1)
        return rows[:size], await self._pages.next(rows, size, lambda row: (row.name,), scope, subject)

    async def namespace(self, subject: Subject, name: str) -> Namespace:
        require(subject, "stacks.read", name)
        _, id_ = own(subject, name, "namespace")
        async with self._db.read(subject.tenant) as conn:
            found = await store.find_namespace(conn, id_)
        if found is None:
            raise NotFound("namespace", name)
        return found

    async def members(self, subject: Subject, parent: str, size: int, token: str) -> tuple[list[Member], str]:
        require(subject, "stacks.read", parent)
        own(subject, parent, "account")
        scope = "ListMembers"
        after = await self._after(token, scope, subject)
        async with self._db.read(subject.tenant) as conn:
            rows = await store.members(conn, after, size + 1)
        return rows[:size], await self._pages.next(rows, size, lambda row: (row.login,), scope, subject)

    async def update_member(self, subject: Subject, name: str, change: MemberChange) -> Member:
        """Changes or adds a member. The caller must hold all that it gives, and all that the member has."""
        require(subject, "members.write", name)
        _, login = own(subject, name, "member")
        if change.roles is None and change.groups is None:
            raise Invalid("UPDATE_EMPTY", "The update sets no field: roles or groups.")
        if change.roles is not None and not change.roles:
            raise Invalid("VALIDATION_FAILED", "A member has at least one role; remove it instead.")
        check_grant(permissions_of(change.roles or ()), subject.permissions, f"Giving these roles to {login}")
        async with self._db.transaction(subject) as tx:
            owners = await store.lock_owners(tx.conn)
            known = await store.find_member(tx.conn, login)
            member = await (
                self._add(tx, name, login, change) if known is None else self._change(tx, known, change, owners)
            )
            tx.tell("member.added" if known is None else "member.updated", name, roles=" ".join(sorted(member.roles)))
            tx.wake(f"access/{subject.tenant}")
        self._principals.drop(subject.tenant)
        return member

    async def remove_member(self, subject: Subject, name: str, version: int | None) -> None:
        """Removes a member with its keys and sign-ins; they stop working at once."""
        require(subject, "members.write", name)
        _, login = own(subject, name, "member")
        async with self._db.transaction(subject) as tx:
            owners = await store.lock_owners(tx.conn)
            member = await store.find_member(tx.conn, login)
            if member is None:
                raise NotFound("member", name)
            check_grant(permissions_of(member.roles), subject.permissions, f"Removing {login}")
            _keep_an_owner(owners, login)
            await key_store.revoke_api_keys(tx.conn, member=login)
            if not await store.delete_member(tx.conn, login, member.version if version is None else version):
                raise _other_version(name)
            tx.tell("member.removed", name)
            tx.wake(f"access/{subject.tenant}")
        self._principals.drop(subject.tenant)

    async def create_api_key(self, subject: Subject, parent: str, new: NewApiKey) -> tuple[ApiKey, str]:
        """A new key and its secret, which is kept nowhere."""
        require(subject, "keys.write", parent)
        own(subject, parent, "account")
        login = new.member or subject.member
        if login != subject.member:
            require(subject, "members.write", f"{parent}/members/{login}")
        async with self._db.transaction(subject) as tx:
            member = await store.find_member(tx.conn, login)
            if member is None:
                raise NotFound("member", f"{parent}/members/{login}")
            permissions = self._granted(subject, member, new.permissions)
            key, secret = mint(login, new.display_name, permissions, self._clock.now(), new.expires_at)
            await keep_api_key(tx, key, secret)
            tx.tell("api_key.created", f"{parent}/apiKeys/{key.id.hex}", member=login)
            tx.result = (key, secret)
        return key, secret

    async def api_keys(self, subject: Subject, parent: str, size: int, token: str) -> tuple[list[ApiKey], str]:
        """Newest first."""
        require(subject, "keys.write", parent)
        own(subject, parent, "account")
        scope = "ListApiKeys"
        cursor = await self._pages.open(token, scope, subject)
        before = (datetime.fromisoformat(str(cursor[0])), UUID(str(cursor[1]))) if cursor else None
        async with self._db.read(subject.tenant) as conn:
            rows = await key_store.api_keys(conn, before, size + 1)
        return rows[:size], await self._pages.next(rows, size, lambda row: (row.created_at, row.id), scope, subject)

    async def revoke_api_key(self, subject: Subject, name: str) -> None:
        """Revokes a key and the sign-ins made from it; one that is revoked already stays so."""
        require(subject, "keys.write", name)
        id_ = _uuid(own(subject, name, "API key")[1], name)
        async with self._db.transaction(subject) as tx:
            if await key_store.revoke_api_keys(tx.conn, id_=id_):
                tx.tell("api_key.revoked", name)
                tx.wake(f"access/{subject.tenant}")
            elif not await key_store.api_key_exists(tx.conn, id_):
                raise NotFound("API key", name)
        self._principals.drop(subject.tenant)

    async def _after(self, token: str, scope: str, subject: Subject) -> str:
        cursor = await self._pages.open(token, scope, subject)
        return str(cursor[0]) if cursor else ""

    async def _add(self, tx: Transaction, name: str, login: str, change: MemberChange) -> Member:
        if not change.allow_missing:
            raise NotFound("member", name)
        roles = change.roles or ()
        if not roles:
            raise Invalid("VALIDATION_FAILED", "A new member needs at least one role.")
        return await store.insert_member(
            tx.conn, tx.account_id, uuid7(), login, sorted(set(roles)), sorted(set(change.groups or ()))
        )

    async def _change(self, tx: Transaction, known: Member, change: MemberChange, owners: list[str]) -> Member:
        name = f"accounts/{tx.subject.account}/members/{known.login}"
        roles = known.roles if change.roles is None else tuple(sorted(set(change.roles)))
        groups = known.groups if change.groups is None else tuple(sorted(set(change.groups)))
        check_grant(permissions_of(known.roles), tx.subject.permissions, f"Changing {known.login}")
        if "owner" not in roles:
            _keep_an_owner(owners, known.login)
        version = known.version if change.version is None else change.version
        changed = await store.update_member(tx.conn, known.login, version, roles, groups)
        if changed is None:
            raise _other_version(name)
        return changed

    def _granted(self, subject: Subject, member: Member, asked: tuple[str, ...]) -> tuple[str, ...]:
        """The permissions of a new key: those asked for, or all of the member's; never more than the caller's."""
        roles = permissions_of(member.roles)
        wanted = frozenset(asked) or roles
        check_grant(wanted, subject.permissions & roles, "The key")
        return tuple(sorted(wanted))


def mint(
    login: str, display_name: str, permissions: tuple[str, ...], now: datetime, expires_at: datetime | None
) -> tuple[ApiKey, str]:
    """A fresh key and its secret, `stk_<id>_<32 random bytes>`."""
    end = expires_at or now + timedelta(days=limits.API_KEY_DAYS_DEFAULT)
    if not now < end <= now + timedelta(days=limits.API_KEY_DAYS_MAX):
        raise Invalid(
            "VALIDATION_FAILED", f"A key ends in the future, at most {limits.API_KEY_DAYS_MAX} days from now."
        )
    id_ = uuid7()
    key = ApiKey(id_, login, display_name, permissions, end, now, None, None)
    return key, f"stk_{id_.hex}_{secrets.token_urlsafe(KEY_BYTES)}"


async def keep_api_key(tx: Transaction, key: ApiKey, secret: str) -> None:
    """Stores a minted key by the hash of its secret, and makes it findable."""
    await key_store.insert_api_key(tx.conn, tx.account_id, key, secret_hash(secret))
    await store.insert_route(tx.conn, "api_key", key.id.hex, tx.account_id)


def _keep_an_owner(owners: list[str], leaving: str) -> None:
    if owners == [leaving]:
        raise NotNow("LAST_OWNER", f"{leaving} is the last owner; an account keeps one.", member=leaving)


def _other_version(name: str) -> Conflict:
    return Conflict("ETAG_MISMATCH", "Somebody else changed the member meanwhile: read it again.", resource=name)


def _uuid(text: str, name: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound("API key", name) from error
