"""Policies: the account's rules on plans."""

from functools import cached_property
from typing import TYPE_CHECKING

from stackly_sdk.aio.pages import AsyncPager, deferred
from stackly_sdk.presence import there

if TYPE_CHECKING:
    from stackly_sdk._gen.clients.policy_service import AsyncPolicyServiceClient
    from stackly_sdk._gen.stackly.v1 import (
        CreatePolicyResponse,
        Policy,
        UpdatePolicyResponse,
        ValidatePolicyResponse,
    )
    from stackly_sdk.aio.client import AsyncStackly


class AsyncPolicies:
    """The policies of an account."""

    def __init__(self, client: "AsyncStackly") -> None:
        self._client = client

    @cached_property
    def api(self) -> "AsyncPolicyServiceClient":
        """Every RPC of PolicyService."""
        from stackly_sdk._gen.clients.policy_service import AsyncPolicyServiceClient

        return AsyncPolicyServiceClient(self._client.transport)

    def list(self) -> "AsyncPager[Policy]":
        async def make() -> "AsyncPager[Policy]":
            return self.api.list_policies(parent=await self._client.account())

        return deferred(make)

    async def get(self, policy: str) -> "Policy":
        """Reads one, by its id or name."""
        return there((await self.api.get_policy(name=await self._name(policy))).policy)

    async def create(self, hcl: str) -> "CreatePolicyResponse":
        """Makes a policy of one `policy` block; its label is the id. Raises PolicyInvalid with line and column."""
        from stackly_sdk._gen.stackly.v1 import Policy

        return await self.api.create_policy(parent=await self._client.account(), policy=Policy(hcl=hcl))

    async def update(self, policy: str, hcl: str, *, etag: str = "") -> "UpdatePolicyResponse":
        """Gives it a new text. Approvals under the old one no longer count."""
        from stackly_sdk._gen.stackly.v1 import Policy

        message = Policy(name=await self._name(policy), hcl=hcl, etag=etag)
        return await self.api.update_policy(policy=message, update_mask=["hcl"])

    async def delete(self, policy: str, *, force: bool = False, etag: str = "") -> None:
        """Deletes it; with `force` also while stack files name it, whose runs are then denied."""
        await self.api.delete_policy(name=await self._name(policy), force=force, etag=etag)

    async def validate(self, hcl: str) -> "ValidatePolicyResponse":
        """Checks a text and writes nothing."""
        return await self.api.validate_policy(parent=await self._client.account(), hcl=hcl)

    async def _name(self, policy: str) -> str:
        return await self._client.name(policy, "policies")
