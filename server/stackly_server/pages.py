"""Page tokens: sealed cursors that only this account's same list, within three days, can open."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from stackly_server import limits
from stackly_server.access import Subject
from stackly_server.clock import Clock
from stackly_server.errors import Invalid, NotNow
from stackly_server.sealing import BrokenSealError

Key = str | int | datetime | UUID
T = TypeVar("T")


class PageSeal(Protocol):
    """Who seals (the account's keys)."""

    async def seal(self, account_id: UUID, purpose: str, place: str, data: bytes) -> bytes: ...
    async def open(self, account_id: UUID, purpose: str, place: str, sealed: bytes) -> bytes: ...


class Pages:
    """Keyset paging: read `size + 1` rows after the cursor, show `size` of them, and `next` makes the token.

    `scope` names the list and all its other arguments (`ListRuns|accounts/dev/stackStates/x|FAILED`): a token of
    another list, account or filter is refused with PAGE_TOKEN_INVALID.
    """

    def __init__(self, keys: PageSeal, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    @staticmethod
    def size(asked: int) -> int:
        """How many rows a page has: 50 unless asked, never more than 200."""
        return min(asked or limits.PAGE_DEFAULT, limits.PAGE_MAX)

    async def open(self, token: str, scope: str, subject: Subject) -> tuple[str | int, ...] | None:
        """The sort key that the page starts after, times and UUIDs as text; None for the first page."""
        if not token:
            return None
        try:
            sealed = base64.urlsafe_b64decode(token.encode("ascii"))
            data = json.loads(await self._keys.open(subject.tenant, "secret", f"page/{scope}", sealed))
        except (BrokenSealError, NotNow, ValueError, binascii.Error) as error:
            raise _invalid() from error
        if self._clock.now().timestamp() > data["until"]:
            raise _invalid()
        return tuple(data["key"])

    async def next(
        self, rows: Sequence[T], size: int, key_of: Callable[[T], tuple[Key, ...]], scope: str, subject: Subject
    ) -> str:
        """The token of the page after the first `size` rows; empty when there are no more rows than that."""
        if len(rows) <= size:
            return ""
        key = [part if isinstance(part, int) else _text(part) for part in key_of(rows[size - 1])]
        data = {"key": key, "until": int(self._clock.now().timestamp()) + limits.PAGE_TOKEN_SECONDS}
        sealed = await self._keys.seal(subject.tenant, "secret", f"page/{scope}", json.dumps(data).encode())
        return base64.urlsafe_b64encode(sealed).decode("ascii")


def _text(part: str | datetime | UUID) -> str:
    return part.isoformat() if isinstance(part, datetime) else str(part)


def _invalid() -> Invalid:
    return Invalid("PAGE_TOKEN_INVALID", "The page token is altered, too old, or of another list. Begin anew.")
