"""Workers and the tokens they join with."""

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from stackly_sdk.aio.pages import AsyncPager, deferred
from stackly_sdk.durations import Duration, seconds_of
from stackly_sdk.presence import there

if TYPE_CHECKING:
    from stackly_sdk._gen.clients.worker_registry import AsyncWorkerRegistryClient
    from stackly_sdk._gen.stackly.v1 import CreateJoinTokenResponse, JoinToken, Worker
    from stackly_sdk.aio.client import AsyncStackly


class AsyncWorkers:
    """The workers of an account. A worker is named by its whole name, or by its id in the namespace `default`."""

    def __init__(self, client: "AsyncStackly") -> None:
        self._client = client

    @cached_property
    def api(self) -> "AsyncWorkerRegistryClient":
        """Every RPC of WorkerRegistry that is for people."""
        from stackly_sdk._gen.clients.worker_registry import AsyncWorkerRegistryClient

        return AsyncWorkerRegistryClient(self._client.transport)

    def list(self, namespace: str = "default") -> "AsyncPager[Worker]":
        async def make() -> "AsyncPager[Worker]":
            return self.api.list_workers(parent=await self._client.name(namespace, "namespaces"))

        return deferred(make)

    async def get(self, worker: str, *, namespace: str = "default") -> "Worker":
        return there((await self.api.get_worker(name=await self._name(worker, namespace))).worker)

    async def drain(self, worker: str, *, namespace: str = "default") -> "Worker":
        """Lets it finish what it has and take nothing new."""
        return there((await self.api.drain_worker(name=await self._name(worker, namespace))).worker)

    async def evict(self, worker: str, *, namespace: str = "default", reason: str = "") -> "Worker":
        """Revokes its certificate; it may join again with a new token."""
        name = await self._name(worker, namespace)
        return there((await self.api.evict_worker(name=name, reason=reason)).worker)

    async def ban(self, worker: str, *, namespace: str = "default", reason: str = "") -> "Worker":
        """Revokes its certificate and blocks its key."""
        name = await self._name(worker, namespace)
        return there((await self.api.ban_worker(name=name, reason=reason)).worker)

    async def delete(self, worker: str, *, namespace: str = "default") -> None:
        """Forgets one that is offline, evicted or banned; lifts a ban."""
        await self.api.delete_worker(name=await self._name(worker, namespace))

    async def create_token(
        self,
        *,
        namespace: str = "default",
        display_name: str = "",
        labels: Mapping[str, str] | None = None,
        allowed_features: Sequence[str] = (),
        ttl: Duration | None = None,
    ) -> "CreateJoinTokenResponse":
        """Makes a token for one machine; `join_file` of the answer is shown this once. `ttl`: at most 24 h, else 10 m."""
        from stackly_sdk._gen.stackly.v1 import JoinToken

        token = JoinToken(display_name=display_name, labels=dict(labels or {}), allowed_features=list(allowed_features))
        return await self.api.create_join_token(
            parent=await self._client.name(namespace, "namespaces"),
            join_token=token,
            ttl=None if ttl is None else dt.timedelta(seconds=seconds_of(ttl)),
        )

    def tokens(self, namespace: str = "default") -> "AsyncPager[JoinToken]":
        """The join tokens, newest first, without their secrets."""

        async def make() -> "AsyncPager[JoinToken]":
            return self.api.list_join_tokens(parent=await self._client.name(namespace, "namespaces"))

        return deferred(make)

    async def revoke_token(self, token: str, *, namespace: str = "default") -> None:
        name = await self._client.name(token, "namespaces", namespace, "joinTokens")
        await self.api.revoke_join_token(name=name)

    async def _name(self, worker: str, namespace: str) -> str:
        return await self._client.name(worker, "namespaces", namespace, "workers")
