# Generated from aio/client.py by protoc-gen-stackly-sdk; do not edit.
"""The client: one connection to a server, one account, and what can be reached from there."""

import os
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from stackly_sdk._gen.blocking.accounts import Keys, Members, Namespaces, Repositories
from stackly_sdk._gen.blocking.codes import Codes
from stackly_sdk._gen.blocking.credentials import ApiKeyTokens, StaticToken
from stackly_sdk._gen.blocking.events import Events
from stackly_sdk._gen.blocking.policies import Policies
from stackly_sdk._gen.blocking.runs import Runs
from stackly_sdk._gen.blocking.stacks import Stacks
from stackly_sdk._gen.blocking.states import State
from stackly_sdk._gen.blocking.transport import DEFAULT_TIMEOUT, Connections, TokenSource, Transport
from stackly_sdk._gen.blocking.workers import Workers
from stackly_sdk.channel import target_of
from stackly_sdk.config import Settings, load
from stackly_sdk.names import full_name
from stackly_sdk.retries import RetryPolicy
from stackly_sdk.statuses import LoginRequired
from stackly_sdk.threads import Channel

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import WhoAmIResponse


class Stackly:
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
        token: "str | TokenSource | None" = None,
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
        self._connections = Connections(
            None if channel is not None else target_of(settings.endpoint, settings.ca_file), channel
        )
        anonymous = Transport(self._connections, timeout=timeout, policy=retries)
        self._transport = Transport(
            self._connections, _tokens(anonymous, settings.api_key, token), timeout=timeout, policy=retries
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the channels, but for one that was given."""
        self._connections.close()

    @property
    def transport(self) -> Transport:
        """What the generated clients take: `RunServiceClient(s.transport)` reaches every RPC."""
        return self._transport

    def whoami(self) -> "WhoAmIResponse":
        """Who the caller is and what it may do."""
        from stackly_sdk._gen.clients.auth_service import AuthServiceClient

        return AuthServiceClient(self._transport).who_am_i()

    def account(self) -> str:
        """The account as `accounts/…`: that of the settings, else that of the credentials."""
        if not self._account_id:
            self._account_id = (self.whoami()).account.removeprefix("accounts/")
        return f"accounts/{self._account_id}"

    def name(self, given: str, *parts: str) -> str:
        """The whole name of a short id: `name("hello", "stackStates")`."""
        return given if given.startswith("accounts/") else full_name(given, *parts, parent=self.account())

    @cached_property
    def stacks(self) -> Stacks:
        """Stack states: deployed instances."""
        return Stacks(self)

    @cached_property
    def codes(self) -> Codes:
        """Stack codes: root modules in connected repositories."""
        return Codes(self)

    @cached_property
    def runs(self) -> Runs:
        return Runs(self)

    @cached_property
    def workers(self) -> Workers:
        return Workers(self)

    @cached_property
    def policies(self) -> Policies:
        return Policies(self)

    @cached_property
    def keys(self) -> Keys:
        """API keys."""
        return Keys(self)

    @cached_property
    def members(self) -> Members:
        return Members(self)

    @cached_property
    def namespaces(self) -> Namespaces:
        return Namespaces(self)

    @cached_property
    def repositories(self) -> Repositories:
        return Repositories(self)

    @cached_property
    def events(self) -> Events:
        return Events(self)

    def state(self, stack: str) -> State:
        """The Terraform state of a stack, by its id or name."""
        return State(self, stack)


def _tokens(anonymous: Transport, api_key: str, token: "str | TokenSource | None") -> TokenSource | None:
    if token is not None:
        return StaticToken(token) if isinstance(token, str) else token
    if not api_key:
        return _NoCredentials()
    from stackly_sdk._gen.clients.auth_service import AuthServiceClient

    return ApiKeyTokens(AuthServiceClient(anonymous), api_key)


class _NoCredentials:
    """Says so at the first call that needs some; anonymous calls go through."""

    def token(self) -> str:
        raise LoginRequired("there are no credentials for this server")

    def forget(self, token: str) -> bool:  # noqa: ARG002  # there is none
        return False
