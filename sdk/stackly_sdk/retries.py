"""When a failed call is tried again, and after how long. Pure: time and chance come from outside."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from stackly_sdk.statuses import Canceled, RateLimited, ServerError, StacklyError, Unavailable
from stackly_sdk.wire import Idempotency

_LAGGING = "STREAM_LAGGING"
_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"  # in the words of gRPC; trying again does not help


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Full jitter: a retry comes after a random part of `first` · 2ⁿ seconds, at most `longest`.

    `attempts` bounds one call, or a stream's failures in a row.
    """

    first: float = 0.2
    longest: float = 10.0
    attempts: int = 8

    def ceiling(self, retries: int) -> float:
        return min(self.longest, self.first * 2.0 ** min(retries, 32))


@dataclass(slots=True)
class Budget:
    """At most a tenth of all calls may be retries, after a first allowance: a sick server is not stormed."""

    most: float = 10.0
    share: float = 0.1
    left: float = 10.0

    def earn(self) -> None:
        self.left = min(self.most, self.left + self.share)

    def spend(self) -> bool:
        if self.left < 1.0:
            return False
        self.left -= 1.0
        return True


@dataclass(slots=True)
class Attempts:
    """The attempts of one call. `deadline` is a reading of `clock`; None: no bound."""

    policy: RetryPolicy
    idempotency: Idempotency
    deadline: float | None
    budget: Budget | None = None
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[float, float], float] = random.uniform
    failures: int = field(default=0, init=False)

    def succeeded(self) -> None:
        """A stream gave a record: its failures in a row begin anew."""
        self.failures = 0

    @property
    def pause(self) -> float:
        """Seconds before a stream that ended well is taken up again."""
        return self.policy.first

    def delay(self, error: StacklyError) -> float | None:
        """Seconds until the next attempt; None: the error stands."""
        if not may_repeat(error, self.idempotency) or self.failures + 1 >= self.policy.attempts:
            return None
        delay = max(self.chance(0.0, self.policy.ceiling(self.failures)), error.retry_after or 0.0)
        if self.deadline is not None and self.clock() + delay >= self.deadline:
            return None
        if self.budget is not None and not self.budget.spend():
            return None
        self.failures += 1
        return delay

    def left(self) -> float | None:
        """Seconds until the deadline, 0 at least; None: no bound."""
        return None if self.deadline is None else max(0.0, self.deadline - self.clock())


def may_repeat(error: StacklyError, idempotency: Idempotency) -> bool:
    """Whether a repeated call is safe and can help: the server did not answer, or asked for a later try."""
    if idempotency is Idempotency.NEVER:
        return False
    if isinstance(error, Unavailable):
        return bool(error.reason) or _UNTRUSTED not in error.message
    if isinstance(error, RateLimited) and error.retry_after is not None:
        return True
    return idempotency is Idempotency.STREAM and _cut(error)


def _cut(error: StacklyError) -> bool:
    """A stream that ended without the server's word: a proxy or a restart cut it, or the reader was too slow."""
    return error.reason == _LAGGING or (isinstance(error, Canceled | ServerError) and not error.reason)
