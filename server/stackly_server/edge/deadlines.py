"""How long a call may last: one timer for all calls of a length, as a timer of its own costs a tenth of a small call."""

import asyncio
from types import TracebackType


class Deadlines:
    """Ends calls that last longer than `seconds`. As all may last as long, they end in the order in which they began."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._calls: dict[Deadline, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def of_this_call(self) -> "Deadline":
        """The deadline of the running task, from when it is entered until it is left."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can be ended in time")
        return Deadline(self, task)

    def add(self, deadline: "Deadline", loop: asyncio.AbstractEventLoop) -> None:
        """Counts from now."""
        self._calls[deadline] = end = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_at(end, self._look, loop)

    def remove(self, deadline: "Deadline") -> None:
        """Counts no more. The timer stays: it finds somebody else, or nobody."""
        self._calls.pop(deadline, None)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        while self._calls:
            deadline, end = next(iter(self._calls.items()))
            if end > loop.time():
                self._timer = loop.call_at(end, self._look, loop)
                return
            del self._calls[deadline]
            deadline.expire()


class Deadline:
    """As `asyncio.timeout`: TimeoutError in place of the cancellation that it caused, never of somebody else's."""

    __slots__ = ("_all", "_canceling", "_task", "expired")

    def __init__(self, all_: Deadlines, task: "asyncio.Task[object]") -> None:
        self._all = all_
        self._task = task
        self._canceling = task.cancelling()
        self.expired = False

    def expire(self) -> None:
        """Cancels the call."""
        self.expired = True
        self._task.cancel()

    def __enter__(self) -> None:
        self._all.add(self, self._task.get_loop())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._all.remove(self)
        if self.expired and self._task.uncancel() <= self._canceling and kind is asyncio.CancelledError:
            raise TimeoutError from error
