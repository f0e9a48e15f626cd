"""Who calls, and what they may do. A service method asks here first, then looks at the thing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from uuid import UUID

from stackly_server.errors import Denied, NotFound

_VIEWER = {"stacks.read", "runs.read", "policies.read", "workers.read", "events.read"}
_OPERATOR = _VIEWER | {"stacks.write", "runs.create", "runs.cancel"}
_APPROVER = _VIEWER | {"runs.approve"}
_ADMIN = (
    _OPERATOR
    | _APPROVER
    | {"stacks.destroy", "state.read", "state.write", "state.secret", "policies.write", "workers.write", "repos.write"}
    | {"keys.write", "audit.read"}
)
_OWNER = _ADMIN | {"account.admin", "members.write"}

ROLES: Mapping[str, frozenset[str]] = {
    "viewer": frozenset(_VIEWER),
    "operator": frozenset(_OPERATOR),
    "approver": frozenset(_APPROVER),
    "admin": frozenset(_ADMIN),
    "owner": frozenset(_OWNER),
}
PERMISSIONS = ROLES["owner"]


class Kind(Enum):
    """Kinds of caller."""

    ANONYMOUS = "anonymous"
    USER = "user"
    WORKER = "worker"
    RUN = "run"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Batch:
    """The batch that a run token stands for, with the epoch under which it was given."""

    run_id: UUID
    plan_number: int
    phase: str
    batch: str
    epoch: int

    @property
    def step(self) -> str:
        """The word for it in steps and logs, such as `plan-1-b1`."""
        return f"{self.phase.lower()}-{self.plan_number}-{self.batch}"


@dataclass(frozen=True, slots=True)
class Keyed:
    """A request that may be repeated: its id, the hash of its body, and how an answer that holds a secret is sealed."""

    request_id: UUID
    request_hash: bytes
    seal: Callable[[bytes], bytes] | None


@dataclass(slots=True)
class Subject:
    """A caller, for the length of one call.

    `actor` is its resource name (`accounts/dev/members/ann`) or `system`. `encode` turns a use case's result into the
    bytes of the answer, for calls that may be repeated; `rpc` files set it. `headers` are those of an HTTP-shaped call
    that is known by a signature (a webhook), lower case, without credentials; empty for all others. `pending` is a worker
    whose certificate is from before it proved what it can do: the door lets it do no more than that.
    """

    kind: Kind
    account_id: UUID | None = None
    account: str = ""
    actor: str = ""
    permissions: frozenset[str] = frozenset()
    groups: tuple[str, ...] = ()
    api_key_id: UUID | None = None
    family_id: UUID | None = None
    expires_at: float = 0.0
    worker_id: UUID | None = None
    namespace_id: UUID | None = None
    pending: bool = False
    batch: Batch | None = None
    method: str = ""
    call_id: str = ""
    keyed: Keyed | None = None
    encode: Callable[[Any], bytes] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def tenant(self) -> UUID:
        """The account of the caller; a caller without one is refused."""
        if self.account_id is None:
            raise Denied("PERMISSION_DENIED", "This call needs a caller that belongs to an account.")
        return self.account_id

    @property
    def member(self) -> str:
        """The login of the member that calls."""
        return self.actor.rpartition("/")[2]

    def may(self, permission: str) -> bool:
        """Whether the caller holds the permission."""
        return self.kind is Kind.SYSTEM or permission in self.permissions


def system(account_id: UUID, account: str = "", method: str = "system") -> Subject:
    """Stackly itself, acting in one account."""
    return Subject(Kind.SYSTEM, account_id, account, "system", method=method)


def require(subject: Subject, permission: str, resource: str = "") -> None:
    """Refuses a caller without the permission, in the same words whether the thing exists or not (AIP-211)."""
    if not subject.may(permission):
        message = f"You need the permission {permission} on {resource or 'this account'}, or it may not exist."
        raise Denied("PERMISSION_DENIED", message, permission=permission, resource=resource)


def own(subject: Subject, name: str, what: str) -> list[str]:
    """The ids of a resource name (`accounts/dev/stackStates/x` gives [`dev`, `x`]); a foreign account's is not found."""
    ids = name.split("/")[1::2]
    if subject.account != ids[0]:
        raise NotFound(what, name)
    return ids
