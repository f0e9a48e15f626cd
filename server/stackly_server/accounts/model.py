"""The nouns of an account, and what may be granted to whom."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from stackly_server.access import ROLES
from stackly_server.errors import Denied

KEY_PREFIX = "stk_"
ID = re.compile(r"[a-z]([a-z0-9_-]{0,61}[a-z0-9])?")
LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Account:
    """A tenant."""

    account_id: UUID
    name: str
    display_name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Namespace:
    """A pool of stacks and workers; `temporal_namespace` is what Temporal calls it. Status: PROVISIONING or ACTIVE."""

    id: UUID
    name: str
    temporal_namespace: str
    status: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in an account, by login."""

    id: UUID
    login: str
    roles: tuple[str, ...]
    groups: tuple[str, ...]
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key for programs; `permissions` are all that it has, however much its member may."""

    id: UUID
    member: str
    display_name: str
    permissions: tuple[str, ...]
    expires_at: datetime
    created_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Repository:
    """A connected Git repository. `external_id` is the code host's own id of it."""

    id: UUID
    slug: str
    clone_url: str
    full_name: str
    external_id: str
    default_ref: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Principal:
    """Who stands behind a token family, as the database says now."""

    account_id: UUID
    account: str
    member: str
    permissions: frozenset[str]
    groups: tuple[str, ...]
    api_key_id: UUID
    family_id: UUID


@dataclass(frozen=True, slots=True)
class Family:
    """One sign-in: `counter` is that of its newest refresh token."""

    account_id: UUID
    id: UUID
    counter: int
    expires_at: datetime


def permissions_of(roles: Iterable[str]) -> frozenset[str]:
    """All that the roles allow."""
    return frozenset().union(*(ROLES[role] for role in roles))


def check_grant(wanted: Iterable[str], own: frozenset[str], what: str) -> None:
    """Refuses to give (or take) what the granter does not have."""
    beyond = sorted(set(wanted) - own)
    if beyond:
        message = f"{what} takes permissions that you do not have yourself: {', '.join(beyond)}."
        raise Denied("PERMISSION_DENIED", message, permission=beyond[0])


def secret_hash(key: str) -> bytes:
    """What is kept of an API key. A plain hash is enough: the key holds 256 random bits."""
    return hashlib.sha256(key.encode()).digest()


def key_id(key: str) -> str | None:
    """The id (hex) inside an API key; None when it has not the shape of one."""
    match = re.fullmatch(r"stk_([0-9a-f]{32})_[A-Za-z0-9_-]{43}", key)
    return match[1] if match else None


def temporal_namespace(account_id: UUID, namespace_id: UUID) -> str:
    """The Temporal namespace of a namespace: short, and of no word of the user's."""
    return "s-" + hashlib.sha256(account_id.bytes + namespace_id.bytes).hexdigest()[:12]


def repository_slug(full_name: str, external_id: str) -> str:
    """An id made of the code host's name of a repository, with a short hash against clashes."""
    words = re.sub(r"[^a-z0-9]+", "-", full_name.lower()).strip("-")
    words = words if words[:1].isalpha() else f"r-{words}".strip("-")
    return f"{words[:50].rstrip('-')}-{hashlib.sha256(external_id.encode()).hexdigest()[:6]}"
