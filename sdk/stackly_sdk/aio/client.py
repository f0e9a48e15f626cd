"""The client: one connection to a server, one account, and what can be reached from there."""

import os
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from stackly_sdk.aio.accounts import AsyncKeys, AsyncMembers, AsyncNamespaces, AsyncRepositories
from stackly_sdk.aio.codes import AsyncCodes
from stackly_sdk.aio.credentials import AsyncApiKeyTokens, AsyncStaticToken
from stackly_sdk.aio.events import AsyncEvents
from stackly_sdk.aio.policies import AsyncPolicies
from stackly_sdk.aio.runs import AsyncRuns
from stackly_sdk.aio.stacks import AsyncStacks
from stackly_sdk.aio.states import AsyncState
from stackly_sdk.aio.transport import DEFAULT_TIMEOUT, AsyncConnections, AsyncTokenSource, AsyncTransport
from stackly_sdk.aio.workers import AsyncWorkers
from stackly_sdk.channel import target_of
from stackly_sdk.config import Settings, load
from stackly_sdk.names import full_name
from stackly_sdk.retries import RetryPolicy
from stackly_sdk.statuses import LoginRequired
from stackly_sdk.tasks import Channel

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import WhoAmIResponse


class AsyncStackly:
    """A client of one Stackly server. Use it in a `with` block, or close it.

    What is not given comes from STACKLY_ENDPOINT, STACKLY_API_KEY, STACKLY_CA_FILE and STACKLY_ACCOUNT, then from the
    profile that `stackly login` wrote. Raises LoginRequired when there is nothing, ConfigError when it is wrong.
    """

    def __init__(
        self,
        *,
        endpoint: str = "",
        account: str = "",
        api_key: str = "",
        ca_file: str | os.PathLike[str] | None = None,
        token: "str | AsyncTokenSource | None" = None,
        channel: Channel | None = None,
        profile: str = "",
        timeout: float = DEFAULT_TIMEOUT,
        retries: RetryPolicy | None = None,
    ) -> None:
        """`endpoint` is `https://host:port`, `timeout` seconds for a call with its retries.

        A `channel` of yours is used for all calls and left open. A `token` is an access token or a source of them.
        """
        settings = Settings(endpoint, account.removeprefix("accounts/"), api_key, Path(ca_file) if ca_file else None)
        if channel is None:
            settings = settings.over(load(profile))
            if not settings.endpoint:
                raise LoginRequired("no server is known")
        self._account_id = settings.account
        self._connections = AsyncConnections(
            None if channel is not None else target_of(settings.endpoint, settings.ca_file), channel
        )
        anonymous = AsyncTransport(self._connections, timeout=timeout, policy=retries)
        self._transport = AsyncTransport(
            self._connections, _tokens(anonymous, settings.api_key, token), timeout=timeout, policy=retries
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the channels, but for one that was given."""
        await self._connections.close()

    @property
    def transport(self) -> AsyncTransport:
        """What the generated clients take: `RunServiceClient(s.transport)` reaches every RPC."""
        return self._transport

    async def whoami(self) -> "WhoAmIResponse":
        """Who the caller is and what it may do."""
        from stackly_sdk._gen.clients.auth_service import AsyncAuthServiceClient

        return await AsyncAuthServiceClient(self._transport).who_am_i()

    async def account(self) -> str:
        """The account as `accounts/…`: that of the settings, else that of the credentials."""
        if not self._account_id:
            self._account_id = (await self.whoami()).account.removeprefix("accounts/")
        return f"accounts/{self._account_id}"

    async def name(self, given: str, *parts: str) -> str:
        """The whole name of a short id: `name("hello", "stackStates")`."""
        return given if given.startswith("accounts/") else full_name(given, *parts, parent=await self.account())

    @cached_property
    def stacks(self) -> AsyncStacks:
        """Stack states: deployed instances."""
        return AsyncStacks(self)

    @cached_property
    def codes(self) -> AsyncCodes:
        """Stack codes: root modules in connected repositories."""
        return AsyncCodes(self)

    @cached_property
    def runs(self) -> AsyncRuns:
        return AsyncRuns(self)

    @cached_property
    def workers(self) -> AsyncWorkers:
        return AsyncWorkers(self)

    @cached_property
    def policies(self) -> AsyncPolicies:
        return AsyncPolicies(self)

    @cached_property
    def keys(self) -> AsyncKeys:
        """API keys."""
        return AsyncKeys(self)

    @cached_property
    def members(self) -> AsyncMembers:
        return AsyncMembers(self)

    @cached_property
    def namespaces(self) -> AsyncNamespaces:
        return AsyncNamespaces(self)

    @cached_property
    def repositories(self) -> AsyncRepositories:
        return AsyncRepositories(self)

    @cached_property
    def events(self) -> AsyncEvents:
        return AsyncEvents(self)

    def state(self, stack: str) -> AsyncState:
        """The Terraform state of a stack, by its id or name."""
        return AsyncState(self, stack)


def _tokens(anonymous: AsyncTransport, api_key: str, token: "str | AsyncTokenSource | None") -> AsyncTokenSource | None:
    if token is not None:
        return AsyncStaticToken(token) if isinstance(token, str) else token
    if not api_key:
        return _NoCredentials()
    from stackly_sdk._gen.clients.auth_service import AsyncAuthServiceClient

    return AsyncApiKeyTokens(AsyncAuthServiceClient(anonymous), api_key)


class _NoCredentials:
    """Says so at the first call that needs some; anonymous calls go through."""

    async def token(self) -> str:
        raise LoginRequired("there are no credentials for this server")

    def forget(self, token: str) -> bool:  # noqa: ARG002  # there is none
        return False
