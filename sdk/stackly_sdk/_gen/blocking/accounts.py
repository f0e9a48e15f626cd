# Generated from aio/accounts.py by protoc-gen-stackly-sdk; do not edit.
"""What belongs to an account: API keys, members, namespaces, repositories."""

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stackly_sdk._gen.blocking.pages import Pager, deferred
from stackly_sdk.durations import Duration, seconds_of
from stackly_sdk.presence import there

if TYPE_CHECKING:
    from stackly_sdk._gen.clients.account_service import AccountServiceClient
    from stackly_sdk._gen.stackly.v1 import (
        ApiKey,
        ConnectRepositoryResponse,
        CreateApiKeyResponse,
        Member,
        Namespace,
        Repository,
    )
    from stackly_sdk._gen.blocking.client import Stackly


class AccountPart:
    """What the collections below share: their client and its AccountService."""

    def __init__(self, client: "Stackly") -> None:
        self._client = client

    @property
    def api(self) -> "AccountServiceClient":
        """Every RPC of AccountService."""
        from stackly_sdk._gen.clients.account_service import AccountServiceClient

        return AccountServiceClient(self._client.transport)


class Keys(AccountPart):
    """API keys."""

    def list(self) -> "Pager[ApiKey]":
        """Lists them, newest first, without their secrets."""

        def make() -> "Pager[ApiKey]":
            return self.api.list_api_keys(parent=self._client.account())

        return deferred(make)

    def create(
        self,
        *,
        display_name: str = "",
        member: str = "",
        permissions: Sequence[str] = (),
        expires_in: Duration | None = None,
    ) -> "CreateApiKeyResponse":
        """Makes a key; `secret` of the answer is shown this once. `expires_in`: such as `30d`; by default 90 days."""
        from stackly_sdk._gen.stackly.v1 import ApiKey

        now = dt.datetime.now(dt.UTC)
        key = ApiKey(
            display_name=display_name,
            member=self._client.name(member, "members") if member else "",
            permissions=[*permissions],
            expires_at=None if expires_in is None else now + dt.timedelta(seconds=seconds_of(expires_in)),
        )
        return self.api.create_api_key(parent=self._client.account(), api_key=key)

    def revoke(self, key: str) -> None:
        """Revokes it and all tokens made from it, at once."""
        self.api.revoke_api_key(name=self._client.name(key, "apiKeys"))


class Members(AccountPart):
    """People and machine users."""

    def list(self) -> "Pager[Member]":
        def make() -> "Pager[Member]":
            return self.api.list_members(parent=self._client.account())

        return deferred(make)

    def set(
        self, member: str, *, roles: Sequence[str], groups: Sequence[str] | None = None, add: bool = False
    ) -> "Member":
        """Gives a member its roles and, where given, groups; `add`: also when it is not there yet."""
        from stackly_sdk._gen.stackly.v1 import Member

        name = self._client.name(member, "members")
        response = self.api.update_member(
            member=Member(name=name, roles=[*roles], groups=[*(groups or ())]),
            update_mask=["roles"] if groups is None else ["roles", "groups"],
            allow_missing=add,
        )
        return there(response.member)

    def remove(self, member: str) -> None:
        """Removes it; its API keys and tokens stop working at once."""
        self.api.remove_member(name=self._client.name(member, "members"))


class Namespaces(AccountPart):
    """Pools of stacks and workers."""

    def list(self) -> "Pager[Namespace]":
        def make() -> "Pager[Namespace]":
            return self.api.list_namespaces(parent=self._client.account())

        return deferred(make)

    def get(self, namespace: str) -> "Namespace":
        name = self._client.name(namespace, "namespaces")
        return there((self.api.get_namespace(name=name)).namespace)


class Repositories(AccountPart):
    """Connected Git repositories."""

    def list(self) -> "Pager[Repository]":
        def make() -> "Pager[Repository]":
            return self.api.list_repositories(parent=self._client.account())

        return deferred(make)

    def connect(
        self, clone_url: str, *, full_name: str, external_id: str, default_ref: str = ""
    ) -> "ConnectRepositoryResponse":
        """Connects one; `webhook_secret` of the answer is shown this once."""
        from stackly_sdk._gen.stackly.v1 import Repository

        repository = Repository(
            clone_url=clone_url, full_name=full_name, external_id=external_id, default_ref=default_ref
        )
        return self.api.connect_repository(parent=self._client.account(), repository=repository)

    def disconnect(self, repository: str) -> None:
        """Disconnects it: its webhook is refused from then on."""
        self.api.disconnect_repository(name=self._client.name(repository, "repositories"))
