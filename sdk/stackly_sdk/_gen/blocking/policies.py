# Generated from aio/policies.py by protoc-gen-stackly-sdk; do not edit.
"""Policies: the account's rules on plans."""

from functools import cached_property
from typing import TYPE_CHECKING

from stackly_sdk._gen.blocking.pages import Pager, deferred
from stackly_sdk.presence import there

if TYPE_CHECKING:
    from stackly_sdk._gen.clients.policy_service import PolicyServiceClient
    from stackly_sdk._gen.stackly.v1 import (
        CreatePolicyResponse,
        Policy,
        UpdatePolicyResponse,
        ValidatePolicyResponse,
    )
    from stackly_sdk._gen.blocking.client import Stackly


class Policies:
    """The policies of an account."""

    def __init__(self, client: "Stackly") -> None:
        self._client = client

    @cached_property
    def api(self) -> "PolicyServiceClient":
        """Every RPC of PolicyService."""
        from stackly_sdk._gen.clients.policy_service import PolicyServiceClient

        return PolicyServiceClient(self._client.transport)

    def list(self) -> "Pager[Policy]":
        def make() -> "Pager[Policy]":
            return self.api.list_policies(parent=self._client.account())

        return deferred(make)

    def get(self, policy: str) -> "Policy":
        """Reads one, by its id or name."""
        return there((self.api.get_policy(name=self._name(policy))).policy)

    def create(self, hcl: str) -> "CreatePolicyResponse":
        """Makes a policy of one `policy` block; its label is the id. Raises PolicyInvalid with line and column."""
        from stackly_sdk._gen.stackly.v1 import Policy

        return self.api.create_policy(parent=self._client.account(), policy=Policy(hcl=hcl))

    def update(self, policy: str, hcl: str, *, etag: str = "") -> "UpdatePolicyResponse":
        """Gives it a new text. Approvals under the old one no longer count."""
        from stackly_sdk._gen.stackly.v1 import Policy

        message = Policy(name=self._name(policy), hcl=hcl, etag=etag)
        return self.api.update_policy(policy=message, update_mask=["hcl"])

    def delete(self, policy: str, *, force: bool = False, etag: str = "") -> None:
        """Deletes it; with `force` also while stack files name it, whose runs are then denied."""
        self.api.delete_policy(name=self._name(policy), force=force, etag=etag)

    def validate(self, hcl: str) -> "ValidatePolicyResponse":
        """Checks a text and writes nothing."""
        return self.api.validate_policy(parent=self._client.account(), hcl=hcl)

    def _name(self, policy: str) -> str:
        return self._client.name(policy, "policies")
