"""Stack codes: root modules with a stack file, in connected repositories."""

from typing import TYPE_CHECKING

from stackly_sdk.aio.pages import AsyncPager, deferred
from stackly_sdk.presence import there

if TYPE_CHECKING:
    from stackly_sdk._gen.clients.stack_service import AsyncStackServiceClient
    from stackly_sdk._gen.stackly.v1 import StackCode, StackCodeVersion, SyncStackCodeResponse
    from stackly_sdk.aio.client import AsyncStackly


class AsyncCodes:
    """The stack codes of an account."""

    def __init__(self, client: "AsyncStackly") -> None:
        self._client = client

    @property
    def api(self) -> "AsyncStackServiceClient":
        """Every RPC of StackService."""
        return self._client.stacks.api

    async def get(self, code: str) -> "StackCode":
        """Reads one, by its id or name."""
        return there((await self.api.get_stack_code(name=await self._name(code))).stack_code)

    def list(self) -> "AsyncPager[StackCode]":
        async def make() -> "AsyncPager[StackCode]":
            return self.api.list_stack_codes(parent=await self._client.account())

        return deferred(make)

    def versions(self, code: str) -> "AsyncPager[StackCodeVersion]":
        """The versions of one, newest first."""

        async def make() -> "AsyncPager[StackCodeVersion]":
            return self.api.list_stack_code_versions(parent=await self._name(code))

        return deferred(make)

    async def register(self, repository: str, *, path: str = "", ref: str = "") -> "StackCode":
        """Registers the stack at a path of a connected repository, as a push would."""
        response = await self.api.register_stack_code(
            parent=await self._client.account(),
            repository=await self._client.name(repository, "repositories"),
            repo_path=path,
            ref=ref,
        )
        return there(response.stack_code)

    async def sync(self, code: str) -> "SyncStackCodeResponse":
        """Fetches the repository and takes up what changed, as a push would; starts no run."""
        return await self.api.sync_stack_code(name=await self._name(code))

    async def _name(self, code: str) -> str:
        return await self._client.name(code, "stackCodes")
