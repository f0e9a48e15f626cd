# Generated from aio/pages.py by protoc-gen-stackly-sdk; do not edit.
"""Lists that come in pages."""

from collections.abc import Iterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page. `next_page_token` gives the next; empty on the last."""

    items: list[T]
    next_page_token: str


class Pager(Generic[T]):
    """A list on the server. It is read page by page while it is iterated; iterate it again to read it again."""

    def __init__(self, fetch: Callable[[str], Page[T]], page_token: str = "") -> None:
        self._fetch = fetch
        self._first_token = page_token

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            for item in page.items:
                yield item

    def pages(self) -> Iterator[Page[T]]:
        token = self._first_token
        while True:
            page = self._fetch(token)
            yield page
            token = page.next_page_token
            if not token:
                return

    def page(self, token: str = "") -> Page[T]:
        """One page: the one that `token` leads to, or the first."""
        return self._fetch(token)

    def limit(self, count: int) -> Iterator[T]:
        """The first `count` items; no page is read beyond them."""
        left = count
        if left <= 0:
            return
        for item in self:
            yield item
            left -= 1
            if not left:
                return

    def first(self) -> T | None:
        """The first item; None when there is none."""
        for item in self.limit(1):
            return item
        return None

    def map(self, wrap: Callable[[T], U]) -> "Pager[U]":
        """The same list with each item put through `wrap`."""

        def fetch(token: str) -> Page[U]:
            page = self._fetch(token)
            return Page([wrap(item) for item in page.items], page.next_page_token)

        return Pager(fetch, self._first_token)


def deferred(make: Callable[[], Pager[T]]) -> Pager[T]:
    """A pager whose arguments ask for a call first, such as the account's name; it is made when a page is read."""

    def fetch(token: str) -> Page[T]:
        return (make()).page(token)

    return Pager(fetch)
