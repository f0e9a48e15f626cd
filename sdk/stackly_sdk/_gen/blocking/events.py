# Generated from aio/events.py by protoc-gen-stackly-sdk; do not edit.
"""Events: what happened in an account."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from stackly_sdk._gen.blocking.pages import Pager, deferred

if TYPE_CHECKING:
    from stackly_sdk._gen.clients.event_service import EventServiceClient
    from stackly_sdk._gen.stackly.v1 import Event
    from stackly_sdk._gen.blocking.client import Stackly


class Events:
    """The events of an account; they are kept for 90 days."""

    def __init__(self, client: "Stackly") -> None:
        self._client = client

    @cached_property
    def api(self) -> "EventServiceClient":
        """Every RPC of EventService."""
        from stackly_sdk._gen.clients.event_service import EventServiceClient

        return EventServiceClient(self._client.transport)

    def list(self, *, kind: str = "", subject: str = "") -> "Pager[Event]":
        """Lists them, newest first; `kind` is a type such as `run.created`, or its first word."""

        def make() -> "Pager[Event]":
            return self.api.list_events(parent=self._client.account(), type=kind, subject=subject)

        return deferred(make)

    def watch(self, *, kind: str = "", resume_token: str = "") -> "Iterator[Event]":
        """Gives them as they happen, oldest first, from now or from a token on (`0`: the oldest kept).

        It resumes by itself and has no end.
        """
        parent = self._client.account()
        for record in self.api.watch_events(parent=parent, type=kind, resume_token=resume_token):
            if record.event is not None:
                yield record.event
