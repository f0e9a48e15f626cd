"""Access tokens: a fixed one, or one exchanged for an API key and refreshed before it ends."""

import datetime as dt
from typing import TYPE_CHECKING

from stackly_sdk.statuses import FailedPrecondition, LoginRequired, NotFound, PermissionDenied
from stackly_sdk.tasks import Lock

if TYPE_CHECKING:
    from stackly_sdk._gen.clients.auth_service import AsyncAuthServiceClient
    from stackly_sdk._gen.stackly.v1 import Tokens

# A token is renewed this long before it ends, so that it outlives the call it goes with.
_MARGIN = dt.timedelta(seconds=60)
# What a refresh token that is no longer good is answered with.
_SPENT = (LoginRequired, PermissionDenied, NotFound, FailedPrecondition)


class AsyncStaticToken:
    """A token that somebody else looks after."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __repr__(self) -> str:
        return "AsyncStaticToken(…)"

    async def token(self) -> str:
        return self._token

    def forget(self, token: str) -> bool:  # noqa: ARG002  # there is no other
        return False


class AsyncApiKeyTokens:
    """Exchanges an API key. Calls that come together share one exchange or refresh."""

    def __init__(self, auth: "AsyncAuthServiceClient", api_key: str) -> None:
        self._auth = auth
        self._api_key = api_key
        self._tokens: Tokens | None = None
        self._lock = Lock()

    def __repr__(self) -> str:
        return "AsyncApiKeyTokens(…)"

    async def token(self) -> str:
        if (token := self._good()) is not None:
            return token
        async with self._lock:
            if (token := self._good()) is None:
                self._tokens = await self._renewed()
                token = self._tokens.access_token
        return token

    def forget(self, token: str) -> bool:
        if self._tokens is not None and self._tokens.access_token == token:
            self._tokens.access_expires_at = None
        return True

    def _good(self) -> str | None:
        tokens = self._tokens
        if tokens is None or tokens.access_expires_at is None:
            return None
        return tokens.access_token if tokens.access_expires_at - _MARGIN > _now() else None

    async def _renewed(self) -> "Tokens":
        if self._tokens is not None and self._tokens.refresh_token:
            try:
                refreshed = await self._auth.refresh_token(refresh_token=self._tokens.refresh_token)
                return _present(refreshed.tokens)
            except _SPENT:
                self._tokens = None
        exchanged = await self._auth.exchange_token(api_key=self._api_key)
        return _present(exchanged.tokens)


def _present(tokens: "Tokens | None") -> "Tokens":
    if tokens is None or not tokens.access_token:
        raise LoginRequired("the server gave no token", hint="The server may be of another version.")
    return tokens


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
