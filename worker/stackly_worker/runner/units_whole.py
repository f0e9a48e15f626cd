"""The whole state of a stack while several batches write parts of it: merged, durable here, then offered."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stackly_engine import merging, slices
from stackly_engine.dependencies import Dependencies
from stackly_engine.driving import state
from stackly_engine.driving.ports import Share
from stackly_engine.exact import FormatError
from stackly_worker.runner import limits
from stackly_worker.runner.clock import Clock
from stackly_worker.runner.place import Place, write_atomically
from stackly_worker.runner.ports import (
    ControlPlane,
    LeaseLostError,
    PlaneRefusedError,
    PlaneUnavailableError,
    StateRefusedError,
)
from stackly_worker.runner.shipping import insist
from stackly_worker.runner.statewatch import ReadState, StateVersion, whole
from stackly_worker.runner.units_folder import WHOLE

_RATE = 4 * limits.MIB  # bytes a second of versions on their way, as for a whole root
_LONGEST_PAUSE = 1.0
_LINGER = 0.025
_RETRY = 0.5


class NotTakenError(Exception):
    """The control plane did not take the state: what comes after it must not be said."""


@dataclass(frozen=True)
class Part:
    """What one batch wrote last, and what of the whole it may write."""

    share: Share
    version: StateVersion


@dataclass
class WholeState:
    """One sender; each version is the last document taken in with what batches under way have written since.

    All methods are of one loop. `serial` is that of the version made last: it strictly rises.
    """

    document: Mapping[str, Any]
    folder: Path
    place: Place
    plane: ControlPlane
    clock: Clock
    dependencies: Dependencies
    serial: int
    refused: bool = False
    stray: list[str] = field(default_factory=list)  # what could not be merged, kept aside
    last: StateVersion | None = None
    _parts: dict[int, Part] = field(default_factory=dict)
    _moved: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)
    _sent: asyncio.Condition = field(default_factory=asyncio.Condition)
    _accepted: int = 0
    _ended: bool = False

    def found(self, number: int, share: Share, version: StateVersion) -> None:
        """A batch wrote a whole version of its part."""
        self._parts[number] = Part(share, version)
        self._moved = True
        self._news.set()

    def forget(self, number: int) -> None:
        """The batch's last version is in the document that was taken in last."""
        self._parts.pop(number, None)

    async def take(self, document: Mapping[str, Any]) -> None:
        """The document after a batch has ended; durable when this returns, and on its way."""
        async with self._making:
            self.document = document
            data = slices.document_bytes(document)
            await asyncio.to_thread(write_atomically, self.folder / WHOLE, data)
            self._moved = True
        await self._make()
        self._news.set()

    def end(self) -> None:
        """No batch lives any more: what there is is sent, once."""
        self._ended = True
        self._news.set()

    async def run(self) -> None:
        """Until `end`: make and send. What is refused is kept in quarantine there, and in the place here."""
        try:
            while not self._ended:
                await self._news.wait()
                await self.clock.sleep(_LINGER)
                self._news.clear()
                await self._look()
        except (OSError, ValueError) as error:  # a full disk, a defect: nobody may wait for this, nothing new is begun
            self.stray.append(f"the state could not be put together: {error}")
            self.refused = True
            async with self._sent:
                self._sent.notify_all()

    async def accepted(self) -> None:
        """Return when the control plane has all that was taken in; NotTakenError when it refuses it."""
        wanted = self.serial
        async with self._sent:
            await self._sent.wait_for(lambda: self.refused or self._accepted >= wanted or self.last is None)
        if self.refused:
            raise NotTakenError("the control plane does not take this run's state any more")

    async def final(self) -> StateVersion | None:
        """After `run`: the last version is sent again and again until it is answered."""
        if self._moved:
            await self._make()
        version = self.last
        if version is not None and version.serial > self._accepted:
            await insist(lambda: self._sent_once(version, final=True), self.clock)
        return version

    async def _look(self) -> None:
        if self._moved:
            await self._make()
        if self.last is not None and self.last.serial > self._accepted and not await self._send(self.last):
            self._news.set()
            await self.clock.sleep(_RETRY)

    async def _make(self) -> None:
        """A version of what is known now, durable in the place."""
        async with self._making:
            self._moved = False
            document = await asyncio.to_thread(self._merged, dict(self._parts))
            serial = max(self.serial + 1, int(document["serial"]))
            data = await asyncio.to_thread(slices.document_bytes, {**document, "serial": serial})
            version = whole(data)
            if version is None:
                raise FormatError("the state that was put together is no whole document")
            await asyncio.to_thread(self.place.keep, version)
            self.serial, self.last = serial, version

    def _merged(self, parts: Mapping[int, Part]) -> Mapping[str, Any]:
        document = self.document
        for number, part in sorted(parts.items()):
            try:
                document = state.merged(document, part.share, slices.parse(part.version.document))
            except FormatError as error:
                self._set_aside(number, part, error)
        return state.settled(document, self.dependencies)

    def _set_aside(self, number: int, part: Part, error: FormatError) -> None:
        """A part that does not fit is not lost: it lies where unsent states lie, for people."""
        path = self.place.state.with_name(f"stray-{part.version.sha256[:16]}.tfstate")
        write_atomically(path, part.version.document)
        with contextlib.suppress(KeyError):
            del self._parts[number]
        self.stray.append(f"{path.name}: {error}")

    async def _send(self, version: StateVersion) -> bool:
        try:
            await self._sent_once(version, final=False)
        except PlaneUnavailableError:
            return False
        await self.clock.sleep(min(_LONGEST_PAUSE, len(version.document) / _RATE))
        return True

    async def _sent_once(self, version: StateVersion, *, final: bool) -> None:
        """A refusal or a lost lease is an answer too."""
        try:
            await self.plane.write_state(version, final=final)
        except (StateRefusedError, PlaneRefusedError, LeaseLostError):
            self.refused = True
        else:
            self.place.accepted(version.sha256)
        async with self._sent:
            self._accepted = version.serial
            self._sent.notify_all()


def starting(laid: ReadState | None, lineage: str, terraform_version: str) -> dict[str, Any]:
    """The state that a run begins with; a new one of this lineage when there is none: batches must share it."""
    return merging.empty(lineage, terraform_version) if laid is None else laid.content
