# Generated from aio/states.py by protoc-gen-stackly-sdk; do not edit.
"""The Terraform state of a stack: versions, export, lock, outputs."""

import datetime as dt
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from stackly_sdk._gen.blocking.pages import Pager, deferred
from stackly_sdk.durations import Duration, seconds_of
from stackly_sdk.presence import there

if TYPE_CHECKING:
    from stackly_sdk._gen.clients.state_service import StateServiceClient
    from stackly_sdk._gen.stackly.v1 import ListOutputsResponse, StateLock, StateVersion
    from stackly_sdk._gen.blocking.client import Stackly


class State:
    """The state of one stack. It holds secrets: reading it whole needs state.secret and is audited."""

    def __init__(self, client: "Stackly", stack: str) -> None:
        self._client = client
        self._stack = stack

    @cached_property
    def api(self) -> "StateServiceClient":
        """Every RPC of StateService."""
        from stackly_sdk._gen.clients.state_service import StateServiceClient

        return StateServiceClient(self._client.transport)

    def versions(self) -> "Pager[StateVersion]":
        """The stored serials, newest first."""

        def make() -> "Pager[StateVersion]":
            return self.api.list_state_versions(parent=self._name())

        return deferred(make)

    def export(self, serial: int | None = None) -> bytes:
        """The whole Terraform document of a serial, by default the newest: what `terraform` takes as its state file."""
        return b"".join([chunk for chunk in self.export_chunks(serial)])

    def export_chunks(self, serial: int | None = None) -> Iterator[bytes]:
        """The same in pieces of at most 256 KiB. An exception at its end means: what came is not the whole."""
        version = "-" if serial is None else str(serial)
        for record in self.api.export_state_version(name=f"{self._name()}/stateVersions/{version}"):
            if record.chunk is not None:
                yield record.chunk

    def lock(self, *, reason: str = "", ttl: Duration | None = None) -> "StateLock":
        """Locks it: no run applies until it is unlocked, or `ttl` (such as `2h`, at most 7 days) is over."""
        seconds = None if ttl is None else dt.timedelta(seconds=seconds_of(ttl))
        return there((self.api.lock_state(name=self._name(), reason=reason, ttl=seconds)).lock)

    def unlock(self, lock_id: str = "", *, force: bool = False) -> None:
        """Gives the lock back by the id that `lock` gave; with `force` also another member's."""
        self.api.unlock_state(name=self._name(), lock_id=lock_id, force=force)

    def outputs(self, *, include_sensitive: bool = False) -> "ListOutputsResponse":
        """The outputs of the newest state, as messages, with its serial."""
        return self.api.list_outputs(parent=self._name(), include_sensitive=include_sensitive)

    def _name(self) -> str:
        return self._client.name(self._stack, "stackStates")
