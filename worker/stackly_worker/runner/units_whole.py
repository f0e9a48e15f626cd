"""The whole state of a stack while several batches write parts of it: merged here, offered as the slices that moved."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from stackly_engine import deltas, merging, slices
from stackly_engine.deltas import Delta
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

_RATE = 4 * limits.MIB  # bytes a second of slices on their way, as of documents of a whole root
_LONGEST_PAUSE = 1.0
_LINGER = 0.025
_RETRY = 0.5


class NotTakenError(Exception):
    """The control plane did not take the state: what comes after it must not be said."""


@dataclass
class Part:
    """What one batch wrote last, and what of the whole it may write."""

    share: Share
    version: StateVersion
    _read: Mapping[str, Any] | None = None

    def read(self) -> Mapping[str, Any]:
        if self._read is None:
            self._read = slices.parse(self.version.document)
        return self._read


@dataclass(frozen=True)
class Offer:
    """Slices on their way: sent again as they are until they are answered, whatever was written meanwhile."""

    delta: Delta
    document: Mapping[str, Any]
    taken: int  # how many documents were taken in before

    @property
    def size(self) -> int:
        return sum(len(data or b"") for data in self.delta.slices.values())


@dataclass
class WholeState:
    """One sender; what it offers is the last document taken in with what batches under way have written since.

    All methods are of one loop. `known` is the document of serial `serial`, which the control plane has; `document` the one
    taken in last, settled. What each batch left lies in its own folder until the end: whoever comes back puts that together.
    """

    known: Mapping[str, Any]
    serial: int
    document: Mapping[str, Any]
    place: Place
    plane: ControlPlane
    clock: Clock
    dependencies: Dependencies
    outlined: bool = False  # of slices that no batch touches there is no content
    headless: bool = False  # only slices are ours
    refused: bool = False
    stray: list[str] = field(default_factory=list)  # what could not be merged, kept aside
    _parts: dict[int, Part] = field(default_factory=dict)
    _moved: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _answered: asyncio.Condition = field(default_factory=asyncio.Condition)
    _offer: Offer | None = None
    _taken: int = 0
    _accepted: int = 0
    _ended: bool = False

    def found(self, number: int, share: Share, version: StateVersion) -> None:
        """A batch wrote a whole version of its part."""
        self._parts[number] = Part(share, version)
        self._tell()

    def forget(self, number: int) -> None:
        """The batch's last version is in the document that was taken in last."""
        self._parts.pop(number, None)

    async def take(self, document: Mapping[str, Any]) -> None:
        """The document after a batch has ended is on its way."""
        self.document = document
        self._taken += 1
        self._tell()

    async def opened(self) -> int:
        """The serial of the control plane's state once it has all that was taken in, and be it that a state has begun."""
        self._taken += 1
        self._tell()
        await self.accepted()
        return self.serial

    def overtaken(self, serial: int) -> None:
        """Another runner of this run has written slices, which we write on from here."""
        self.serial = max(self.serial, serial)

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
            await self._refuse()

    async def accepted(self) -> None:
        """Return when the control plane has all that was taken in; NotTakenError when it refuses it."""
        wanted = self._taken
        async with self._answered:
            await self._answered.wait_for(lambda: self.refused or self._accepted >= wanted)
        if self.refused:
            raise NotTakenError("the control plane does not take this run's state any more")

    async def final(self) -> tuple[int, Mapping[str, Any]]:
        """After `run`: what is left is sent until it is answered. The serial that the control plane has, and the document."""
        while not self.refused and (offer := await self._made()) is not None:
            await insist(lambda: self._sent(offer, final=True), self.clock)
        document = self.document if not self._parts else await asyncio.to_thread(self._merged, dict(self._parts))
        if self.refused:
            await asyncio.to_thread(self._lay_aside, document)
        return self.serial, document

    def _tell(self) -> None:
        self._moved = True
        self._news.set()

    async def _look(self) -> None:
        offer = None if self.refused else await self._made()
        if offer is None:
            return
        try:
            await self._sent(offer, final=False)
        except PlaneUnavailableError:
            self._news.set()
            await self.clock.sleep(_RETRY)
        else:
            await self.clock.sleep(min(_LONGEST_PAUSE, offer.size / _RATE))

    async def _made(self) -> Offer | None:
        """What is on its way, else what moved since the control plane took something; None when nothing did."""
        if self._offer is None and self._moved:
            self._moved, taken = False, self._taken
            document = await asyncio.to_thread(self._merged, dict(self._parts))
            delta = await asyncio.to_thread(deltas.between, self.serial, self.known, document)
            if self.headless:
                delta = replace(delta, head=None)
            if delta.empty:
                await self._took(taken)
            else:
                self._offer = Offer(delta, document, taken)
        return self._offer

    def _merged(self, parts: Mapping[int, Part]) -> Mapping[str, Any]:
        shares = [(part.share, part.read()) for part in parts.values()]
        try:
            document = state.all_merged(self.document, shares) if shares else self.document
        except FormatError:
            document = self.document
            for number, part in sorted(parts.items()):
                try:
                    document = state.merged(document, part.share, part.read())
                except FormatError as error:
                    self._set_aside(number, part, error)
        tops = frozenset[str]().union(*(share.tops for share, _ in shares))
        return state.settled(document, self.dependencies, tops)

    def _set_aside(self, number: int, part: Part, error: FormatError) -> None:
        """A part that does not fit is not lost: it lies where unsent states lie, for people."""
        path = self.place.state.with_name(f"stray-{part.version.sha256[:16]}.tfstate")
        write_atomically(path, part.version.document)
        with contextlib.suppress(KeyError):
            del self._parts[number]
        self.stray.append(f"{path.name}: {error}")

    def _lay_aside(self, document: Mapping[str, Any]) -> None:
        """Nobody took it: it stays in the place, for whoever comes next; as one document, unless only parts of it are here."""
        if self.outlined:
            moved = deltas.between(self.serial, self.known, document)
            write_atomically(self.place.state.with_name(f"unsent-slices-{moved.sha256[:16]}.json"), moved.to_bytes())
            return
        version = whole(slices.document_bytes({**document, "serial": self.serial + 1}))
        if version is not None:
            self.place.keep(version)

    async def _sent(self, offer: Offer, *, final: bool) -> None:
        """A refusal or a lost lease is an answer too."""
        try:
            serial = await self.plane.write_slices(offer.delta, final=final)
        except (StateRefusedError, PlaneRefusedError, LeaseLostError):
            self._offer = None
            await self._refuse()
            return
        self.known, self.serial, self._offer = offer.document, max(self.serial, serial), None
        if self._moved:
            self._news.set()
        await self._took(offer.taken)

    async def _took(self, taken: int) -> None:
        async with self._answered:
            self._accepted = max(self._accepted, taken)
            self._answered.notify_all()

    async def _refuse(self) -> None:
        async with self._answered:
            self.refused = True
            self._answered.notify_all()


def starting(laid: ReadState | None, lineage: str, terraform_version: str) -> dict[str, Any]:
    """The state that a run begins with; a new one of this lineage when there is none: batches must share it."""
    return merging.empty(lineage, terraform_version) if laid is None else laid.content
