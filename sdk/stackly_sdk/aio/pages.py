"""Lists that come in pages."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page. `next_page_token` gives the next; empty on the last."""

    items: list[T]
    next_page_token: str


class AsyncPager(Generic[T]):
    """A list on the server. It is read page by page while it is iterated; iterate it again to read it again."""

    def __init__(self, fetch: Callable[[str], Awaitable[Page[T]]], page_token: str = "") -> None:
        self._fetch = fetch
        self._first_token = page_token

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page.items:
                yield item

    async def pages(self) -> AsyncIterator[Page[T]]:
        token = self._first_token
        while True:
            page = await self._fetch(token)
            yield page
            token = page.next_page_token
            if not token:
                return

    async def page(self, token: str = "") -> Page[T]:
        """One page: the one that `token` leads to, or the first."""
        return await self._fetch(token)

    async def limit(self, count: int) -> AsyncIterator[T]:
        """The first `count` items; no page is read beyond them."""
        left = count
        if left <= 0:
            return
        async for item in self:
            yield item
            left -= 1
            if not left:
                return

    async def first(self) -> T | None:
        """The first item; None when there is none."""
        async for item in self.limit(1):
            return item
        return None

    def map(self, wrap: Callable[[T], U]) -> "AsyncPager[U]":
        """The same list with each item put through `wrap`."""

        async def fetch(token: str) -> Page[U]:
            page = await self._fetch(token)
            return Page([wrap(item) for item in page.items], page.next_page_token)

        return AsyncPager(fetch, self._first_token)


def deferred(make: Callable[[], Awaitable[AsyncPager[T]]]) -> AsyncPager[T]:
    """A pager whose arguments ask for a call first, such as the account's name; it is made when a page is read."""

    async def fetch(token: str) -> Page[T]:
        return await (await make()).page(token)

    return AsyncPager(fetch)
