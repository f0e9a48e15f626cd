"""Page tokens: only the same account's same list opens them, and only for three days."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from api import Tenant
from stackly_server.app import Ground
from stackly_server.errors import Invalid
from stackly_server.pages import Pages

ROWS = list("abcde")


@dataclass
class Clock:
    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pages(ground: Ground, clock: Clock) -> Pages:
    return Pages(ground.keys, clock)


def test_sizes() -> None:
    assert [Pages.size(asked) for asked in (0, 1, 200, 500)] == [50, 1, 200, 200]


async def test_there_and_back(pages: Pages, dev: Tenant) -> None:
    subject = dev.subject()
    assert await pages.open("", "ListRuns", subject) is None
    assert await pages.next(ROWS, 5, lambda row: (row,), "ListRuns", subject) == ""
    id_, at = uuid4(), datetime.now(UTC)
    token = await pages.next(ROWS, 2, lambda row: (row, 7, at, id_), "ListRuns", subject)
    assert await pages.open(token, "ListRuns", subject) == ("b", 7, at.isoformat(), str(id_))


async def test_altered_or_used_elsewhere(pages: Pages, clock: Clock, dev: Tenant, rival: Tenant) -> None:
    token = await pages.next(ROWS, 2, lambda row: (row,), "ListRuns|x", dev.subject())
    assert await pages.open(token, "ListRuns|x", dev.subject()) == ("b",)
    raw = base64.urlsafe_b64decode(token)
    altered = [raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :] for at in range(len(raw))]
    bad = [base64.urlsafe_b64encode(each).decode() for each in altered] + ["b", "é", "AAAA", token[4:], "0" * 2000]
    for each in bad:
        with pytest.raises(Invalid) as caught:
            await pages.open(each, "ListRuns|x", dev.subject())
        assert caught.value.reason == "PAGE_TOKEN_INVALID"
    for scope, subject in (("ListRuns|y", dev.subject()), ("ListRuns|x", rival.subject())):
        with pytest.raises(Invalid):
            await pages.open(token, scope, subject)
    clock.ahead = timedelta(days=3, seconds=1)
    with pytest.raises(Invalid):
        await pages.open(token, "ListRuns|x", dev.subject())
