"""Reading events, and following them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from stackly_server import limits
from stackly_server.access import Subject, own, require
from stackly_server.clock import Clock
from stackly_server.database import Database
from stackly_server.errors import Invalid, OutOfRange
from stackly_server.events import store
from stackly_server.events.model import Event, EventFilter
from stackly_server.hub import Hub
from stackly_server.pages import Pages

_BATCH = 200


@dataclass(frozen=True, slots=True)
class Followed:
    """One record of a stream: an event, or a sign of life (`event` None). After `sequence` the stream goes on."""

    sequence: int
    event: Event | None


class EventService:
    """What happened in an account. Sequences have no gaps, so nobody who resumes misses one."""

    def __init__(self, database: Database, hub: Hub, pages: Pages, clock: Clock) -> None:
        self._db = database
        self._hub = hub
        self._pages = pages
        self._clock = clock

    async def list(
        self, subject: Subject, parent: str, matching: EventFilter, size: int, token: str
    ) -> tuple[list[Event], str]:
        """Newest first."""
        require(subject, "events.read", parent)
        own(subject, parent, "account")
        scope = f"ListEvents|{matching.type}|{matching.subject}"
        cursor = await self._pages.open(token, scope, subject)
        async with self._db.read(subject.tenant) as conn:
            rows = await store.before(conn, int(cursor[0]) if cursor else None, matching, size + 1)
        return rows[:size], await self._pages.next(rows, size, lambda row: (row.sequence,), scope, subject)

    async def start(self, subject: Subject, parent: str, resume_token: str) -> int:
        """The sequence after which a stream begins; RESUME_EXPIRED when what follows is no longer kept."""
        require(subject, "events.read", parent)
        own(subject, parent, "account")
        asked = _sequence(resume_token)
        async with self._db.read(subject.tenant) as conn:
            oldest, newest = await store.bounds(conn)
        if asked is None:
            return newest
        if asked > newest:
            raise Invalid("PAGE_TOKEN_INVALID", "The resume token is ahead of all events.")
        if 0 < asked < oldest - 1:
            raise OutOfRange("RESUME_EXPIRED", "Events after this token are no longer kept.", oldest=str(oldest))
        return max(asked, oldest - 1)

    async def follow(self, subject: Subject, sequence: int, matching: EventFilter) -> AsyncIterator[Followed]:
        """Events after `sequence` as they happen, with a sign of life every 15 seconds, for an hour."""
        end = self._clock.monotonic() + limits.STREAM_SECONDS
        with self._hub.waiter(f"events/{subject.tenant}") as waiter:
            while self._clock.monotonic() < end:
                async with self._db.read(subject.tenant) as conn:
                    events = await store.after(conn, sequence, _BATCH)
                for event in events:
                    sequence = event.sequence
                    if _matches(event, matching):
                        yield Followed(sequence, event)
                if len(events) < _BATCH and not await waiter.wait(limits.HEARTBEAT_SECONDS):
                    yield Followed(sequence, None)


def _matches(event: Event, matching: EventFilter) -> bool:
    kind = matching.type
    return not kind or event.type == kind or event.type.startswith(f"{kind}.")


def _sequence(token: str) -> int | None:
    if not token:
        return None
    if not (token.isascii() and token.isdecimal() and len(token) < 19):  # noqa: PLR2004
        raise Invalid("PAGE_TOKEN_INVALID", "The resume token is none of ours.")
    return int(token)
