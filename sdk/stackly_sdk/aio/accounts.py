"""What belongs to an account: API keys, members, namespaces, repositories."""

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stackly_sdk.aio.pages import AsyncPager, deferred
from stackly_sdk.durations import Duration, seconds_of
from stackly_sdk.presence import there

if TYPE_CHECKING:
    from stackly_sdk._gen.clients.account_service import AsyncAccountServiceClient
    from stackly_sdk._gen.stackly.v1 import (
        ApiKey,
        ConnectRepositoryResponse,
        CreateApiKeyResponse,
        Member,
        Namespace,
        Repository,
    )
    from stackly_sdk.aio.client import AsyncStackly


class AsyncAccountPart:
    """What the collections below share: their client and its AccountService."""

    def __init__(self, client: "AsyncStackly") -> None:
        self._client = client

    @property
    def api(self) -> "AsyncAccountServiceClient":
        """Every RPC of AccountService."""
        from stackly_sdk._gen.clients.account_service import AsyncAccountServiceClient

        return AsyncAccountServiceClient(self._client.transport)


class AsyncKeys(AsyncAccountPart):
    """API keys."""

    def list(self) -> "AsyncPager[ApiKey]":
        """Lists them, newest first, without their secrets."""

        async def make() -> "AsyncPager[ApiKey]":
            return self.api.list_api_keys(parent=await self._client.account())

        return deferred(make)

    async def create(
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
            member=await self._client.name(member, "members") if member else "",
            permissions=[*permissions],
            expires_at=None if expires_in is None else now + dt.timedelta(seconds=seconds_of(expires_in)),
        )
        return await self.api.create_api_key(parent=await self._client.account(), api_key=key)

    async def revoke(self, key: str) -> None:
        """Revokes it and all tokens made from it, at once."""
        await self.api.revoke_api_key(name=await self._client.name(key, "apiKeys"))


class AsyncMembers(AsyncAccountPart):
    """People and machine users."""

    def list(self) -> "AsyncPager[Member]":
        async def make() -> "AsyncPager[Member]":
            return self.api.list_members(parent=await self._client.account())

        return deferred(make)

    async def set(
        self, member: str, *, roles: Sequence[str], groups: Sequence[str] | None = None, add: bool = False
    ) -> "Member":
        """Gives a member its roles and, where given, groups; `add`: also when it is not there yet."""
        from stackly_sdk._gen.stackly.v1 import Member

        name = await self._client.name(member, "members")
        response = await self.api.update_member(
            member=Member(name=name, roles=[*roles], groups=[*(groups or ())]),
            update_mask=["roles"] if groups is None else ["roles", "groups"],
            allow_missing=add,
        )
        return there(response.member)

    async def remove(self, member: str) -> None:
        """Removes it; its API keys and tokens stop working at once."""
        await self.api.remove_member(name=await self._client.name(member, "members"))


class AsyncNamespaces(AsyncAccountPart):
    """Pools of stacks and workers."""

    def list(self) -> "AsyncPager[Namespace]":
        async def make() -> "AsyncPager[Namespace]":
            return self.api.list_namespaces(parent=await self._client.account())

        return deferred(make)

    async def get(self, namespace: str) -> "Namespace":
        name = await self._client.name(namespace, "namespaces")
        return there((await self.api.get_namespace(name=name)).namespace)


class AsyncRepositories(AsyncAccountPart):
    """Connected Git repositories."""

    def list(self) -> "AsyncPager[Repository]":
        async def make() -> "AsyncPager[Repository]":
            return self.api.list_repositories(parent=await self._client.account())

        return deferred(make)

    async def connect(
        self, clone_url: str, *, full_name: str, external_id: str, default_ref: str = ""
    ) -> "ConnectRepositoryResponse":
        """Connects one; `webhook_secret` of the answer is shown this once."""
        from stackly_sdk._gen.stackly.v1 import Repository

        repository = Repository(
            clone_url=clone_url, full_name=full_name, external_id=external_id, default_ref=default_ref
        )
        return await self.api.connect_repository(parent=await self._client.account(), repository=repository)

    async def disconnect(self, repository: str) -> None:
        """Disconnects it: its webhook is refused from then on."""
        await self.api.disconnect_repository(name=await self._client.name(repository, "repositories"))
