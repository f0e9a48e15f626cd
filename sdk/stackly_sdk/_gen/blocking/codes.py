# Generated from aio/codes.py by protoc-gen-stackly-sdk; do not edit.
"""Stack codes: root modules with a stack file, in connected repositories."""

from typing import TYPE_CHECKING

from stackly_sdk._gen.blocking.pages import Pager, deferred
from stackly_sdk.presence import there

if TYPE_CHECKING:
    from stackly_sdk._gen.clients.stack_service import StackServiceClient
    from stackly_sdk._gen.stackly.v1 import StackCode, StackCodeVersion, SyncStackCodeResponse
    from stackly_sdk._gen.blocking.client import Stackly


class Codes:
    """The stack codes of an account."""

    def __init__(self, client: "Stackly") -> None:
        self._client = client

    @property
    def api(self) -> "StackServiceClient":
        """Every RPC of StackService."""
        return self._client.stacks.api

    def get(self, code: str) -> "StackCode":
        """Reads one, by its id or name."""
        return there((self.api.get_stack_code(name=self._name(code))).stack_code)

    def list(self) -> "Pager[StackCode]":
        def make() -> "Pager[StackCode]":
            return self.api.list_stack_codes(parent=self._client.account())

        return deferred(make)

    def versions(self, code: str) -> "Pager[StackCodeVersion]":
        """The versions of one, newest first."""

        def make() -> "Pager[StackCodeVersion]":
            return self.api.list_stack_code_versions(parent=self._name(code))

        return deferred(make)

    def register(self, repository: str, *, path: str = "", ref: str = "") -> "StackCode":
        """Registers the stack at a path of a connected repository, as a push would."""
        response = self.api.register_stack_code(
            parent=self._client.account(),
            repository=self._client.name(repository, "repositories"),
            repo_path=path,
            ref=ref,
        )
        return there(response.stack_code)

    def sync(self, code: str) -> "SyncStackCodeResponse":
        """Fetches the repository and takes up what changed, as a push would; starts no run."""
        return self.api.sync_stack_code(name=self._name(code))

    def _name(self, code: str) -> str:
        return self._client.name(code, "stackCodes")
