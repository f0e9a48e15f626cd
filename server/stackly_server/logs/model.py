"""What an append to a log means: pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from stackly_server.errors import OutOfRange, TooMuch
from stackly_server.limits import LOG_TEXT_BYTES, RUN_LOG_BYTES


@dataclass(frozen=True, slots=True)
class Chunk:
    """A sealed piece of a log: bytes [log_offset, log_offset + size). It lies in the row, or in a blob."""

    log_offset: int
    size: int
    step: str
    sealed: bytes | None
    blob: str | None = None
    received_at: datetime | None = None


def fresh_part(log_size: int, offset: int, data: bytes) -> bytes:
    """The part of an append that the log does not hold yet; empty when it was appended before.

    OutOfRange for a gap, TooMuch when the log would pass its bound.
    """
    if offset > log_size:
        raise OutOfRange("VALIDATION_FAILED", f"The log ends at {log_size}; {offset} leaves a gap.", end=str(log_size))
    fresh = data[log_size - offset :]
    if log_size + len(fresh) > RUN_LOG_BYTES:
        raise TooMuch("LIMIT_EXCEEDED", "The log of a run is at most 1 GiB.", limit="RUN_LOG_BYTES")
    return fresh


@dataclass(frozen=True, slots=True)
class Piece:
    """Plain bytes of a log, from `offset`, written by one step."""

    offset: int
    step: str
    data: bytes
    received_at: datetime | None = None

    @property
    def end(self) -> int:
        """Where the next piece begins."""
        return self.offset + len(self.data)


def mergeable(chunks: Sequence[Chunk], limit: int) -> Sequence[Chunk]:
    """The first chunks that may become one: neighbours of one step, in rows, at most `limit` bytes, at least one."""
    first = next((at for at, chunk in enumerate(chunks) if chunk.blob is None), len(chunks))
    last, size = first, 0
    for chunk in chunks[first:]:
        if chunk.blob is not None or chunk.step != chunks[first].step or (size and size + chunk.size > limit):
            break
        last, size = last + 1, size + chunk.size
    return chunks[first:last]


def texts(pieces: Iterable[Piece]) -> list[tuple[Piece, str]]:
    """Neighbouring pieces as texts of whole characters, at most 64 KiB each.

    A character that is cut at the very end is left for the next read; bytes that are no UTF-8 become U+FFFD.
    """
    found: list[tuple[Piece, str]] = []
    rest = b""
    for piece in pieces:
        start, rest = piece.offset - len(rest), rest + piece.data
        while part := rest[: whole(rest[:LOG_TEXT_BYTES])]:
            found.append((Piece(start, piece.step, part, piece.received_at), part.decode(errors="replace")))
            start, rest = start + len(part), rest[len(part) :]
    return found


def whole(data: bytes) -> int:
    """How many bytes of `data` are whole characters: all but at most three at its end."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte < 0x80:  # noqa: PLR2004
            return len(data)
        if byte >= 0xC0:  # noqa: PLR2004
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4  # noqa: PLR2004
            return len(data) if back >= length else len(data) - back
    return len(data)
