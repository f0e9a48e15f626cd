"""What the clients know of each method: its path, its messages, and what a repeated call does."""

import enum
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Q = TypeVar("Q")
R = TypeVar("R")


class Idempotency(enum.Enum):
    """What a repeated call does; see `stackly.options.v1.Idempotency`."""

    READ = "read"
    KEYED = "keyed"
    NATURAL = "natural"
    STREAM = "stream"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class UnaryMethod(Generic[Q, R]):
    """`anonymous` methods carry no token."""

    path: str
    request: type[Q]
    response: type[R]
    idempotency: Idempotency
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class StreamMethod(Generic[Q, R]):
    """`resume` names the field of the request and that of the record where it goes on; None: it cannot.

    `ends` tells whether a good end record is the last one. None: it is where `resume` is None, else the stream goes on.
    """

    path: str
    request: type[Q]
    response: type[R]
    idempotency: Idempotency
    resume: tuple[str, str] | None = None
    ends: Callable[[Any, Any], bool] | None = None


def request_id_of(given: str) -> str:
    """The caller's id of a call, or a new one. It stands in the request, so each retry carries the same."""
    return given or str(uuid.uuid4())
