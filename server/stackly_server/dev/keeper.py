"""One thread for one part: starts it when what it needs is ready, restarts it when it dies, stops it when told."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from stackly_server.dev.part import Part
from stackly_server.dev.problems import PartFailed

_LOOK_SECONDS = 0.2
_TEND_SECONDS = 3.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 8.0
_STEADY_SECONDS = 60.0  # having lived so long, a part that dies is started again at once


class Happening(StrEnum):
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"  # at the first start: the whole start is off
    DIED = "died"
    RESTARTED = "restarted"
    NEGLECTED = "neglected"  # a certificate or list could not be renewed; tried again
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Report:
    """What happened to a part; `seconds` is how long it took, `text` the whole message of a failure."""

    part: str
    happening: Happening
    seconds: float = 0.0
    text: str = ""


Tell = Callable[[Report], None]


class Halt:
    """The wish to stop, and by when; asked again it is more urgent."""

    def __init__(self) -> None:
        self.wanted = threading.Event()
        self._deadline = float("inf")

    def ask(self, seconds: float) -> None:
        self._deadline = min(self._deadline, time.monotonic() + seconds)
        self.wanted.set()

    def remaining(self) -> float:
        return max(0.0, self._deadline - time.monotonic())


class Keeper:
    """All calls to one part come from this thread: the kernel ties the child to the thread that started it."""

    def __init__(self, part: Part, tell: Tell, halt: Halt) -> None:
        self.part = part
        self.ready = threading.Event()
        self.stopped = threading.Event()
        self.failure: Exception | None = None
        self._complaint = ""
        self._tell = tell
        self._halt = halt
        self._needs: list[Keeper] = []
        self.needed_by: list[Keeper] = []
        self._thread = threading.Thread(target=self._run, name=f"keeper of {part.name}")

    def connect(self, keepers: Mapping[str, "Keeper"]) -> None:
        """Find the keepers of what the part needs; KeyError when one is not there."""
        for need in self.part.needs:
            self._needs.append(keepers[need])
            keepers[need].needed_by.append(self)

    def begin(self) -> None:
        self._thread.start()

    def join(self) -> None:
        if self._thread.ident is not None:
            self._thread.join()

    def depth(self) -> int:
        """How many layers of parts lie below this one."""
        return 1 + max((need.depth() for need in self._needs), default=-1)

    def _run(self) -> None:
        try:
            if self._wait_for_needs() and self._bring_up(Happening.READY):
                self._watch()
        except Exception as error:  # noqa: BLE001  (told, and it ends the whole start)
            if not self._halt.wanted.is_set():  # else it was we who broke off its start
                self.failure = error
                self._say(Happening.FAILED, text=_words(self.part, error))
        finally:
            self._stop()

    def _wait_for_needs(self) -> bool:
        while not all(need.ready.is_set() for need in self._needs):
            if self._halt.wanted.wait(0.02):
                return False
        return not self._halt.wanted.is_set()

    def _bring_up(self, afterwards: Happening) -> bool:
        began = time.monotonic()
        self._say(Happening.STARTING)
        self.part.start()
        self.part.ready()
        self.ready.set()
        self._say(afterwards, seconds=time.monotonic() - began)
        return True

    def _watch(self) -> None:
        pause, since, tended = _FIRST_PAUSE_SECONDS, time.monotonic(), time.monotonic()
        while not self._halt.wanted.wait(_LOOK_SECONDS):
            if failure := self.part.died():
                self.ready.clear()
                self._say(Happening.DIED, text=str(failure))
                pause = _FIRST_PAUSE_SECONDS if time.monotonic() - since > _STEADY_SECONDS else pause
                pause = self._revive(pause)
                since = time.monotonic()
            elif time.monotonic() - tended > _TEND_SECONDS:
                self._tend()
                tended = time.monotonic()

    def _revive(self, pause: float) -> float:
        """Start it again until it is up or we are to stop; each pause is twice the one before. Gives the next pause."""
        while not self._halt.wanted.wait(pause):
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            try:
                self._bring_up(Happening.RESTARTED)
            except Exception as again:  # noqa: BLE001  (said, and tried again after a longer pause)
                self.part.stop()
                if not self._halt.wanted.is_set():
                    self._say(Happening.DIED, text=_words(self.part, again))
            else:
                break
        return pause

    def _tend(self) -> None:
        try:
            self.part.tend()
        except Exception as error:  # noqa: BLE001  (said once, and tried again in a few seconds)
            words = _words(self.part, error)
            if words != self._complaint:
                self._say(Happening.NEGLECTED, text=words)
            self._complaint = words
        else:
            self._complaint = ""

    def _stop(self) -> None:
        """After everything that needs it; the lower layers' share of the time is left to them."""
        for user in self.needed_by:
            user.stopped.wait(self._halt.remaining() + 1 if self._halt.wanted.is_set() else None)
        began = time.monotonic()
        was_up = self.ready.is_set()
        self.ready.clear()
        self.part.stop(max(0.3, self._halt.remaining() - 0.8 * self.depth()))
        if was_up:
            self._say(Happening.STOPPED, seconds=time.monotonic() - began)
        self.stopped.set()

    def _say(self, happening: Happening, *, seconds: float = 0.0, text: str = "") -> None:
        self._tell(Report(self.part.name, happening, seconds, text))


def _words(part: Part, error: Exception) -> str:
    return str(error) if isinstance(error, PartFailed) else f"{part.name}: {error!r}"
