"""Events: what happened in an account."""

from collections.abc import AsyncIterator
from functools import cached_property
from typing import TYPE_CHECKING

from stackly_sdk.aio.pages import AsyncPager, deferred

if TYPE_CHECKING:
    from stackly_sdk._gen.clients.event_service import AsyncEventServiceClient
    from stackly_sdk._gen.stackly.v1 import Event
    from stackly_sdk.aio.client import AsyncStackly


class AsyncEvents:
    """The events of an account; they are kept for 90 days."""

    def __init__(self, client: "AsyncStackly") -> None:
        self._client = client

    @cached_property
    def api(self) -> "AsyncEventServiceClient":
        """Every RPC of EventService."""
        from stackly_sdk._gen.clients.event_service import AsyncEventServiceClient

        return AsyncEventServiceClient(self._client.transport)

    def list(self, *, kind: str = "", subject: str = "") -> "AsyncPager[Event]":
        """Lists them, newest first; `kind` is a type such as `run.created`, or its first word."""

        async def make() -> "AsyncPager[Event]":
            return self.api.list_events(parent=await self._client.account(), type=kind, subject=subject)

        return deferred(make)

    async def watch(self, *, kind: str = "", resume_token: str = "") -> "AsyncIterator[Event]":
        """Gives them as they happen, oldest first, from now or from a token on (`0`: the oldest kept).

        It resumes by itself and has no end.
        """
        parent = await self._client.account()
        async for record in self.api.watch_events(parent=parent, type=kind, resume_token=resume_token):
            if record.event is not None:
                yield record.event
