"""Repeated calls: the first answer again, and no second effect."""

from collections.abc import Awaitable, Callable
from typing import Protocol
from uuid import UUID

from google.protobuf.message import Message

from stackly_server import sealing
from stackly_server.access import Keyed, Subject
from stackly_server.database import Database
from stackly_server.edge import store
from stackly_server.edge.rules import Rule
from stackly_server.errors import Conflict, Invalid, StacklyError
from stackly_server.sealing import DataKey

_PURPOSE = "secret"


class AnswerKeys(Protocol):
    """Who seals answers that hold a secret (the account's keys)."""

    async def current(self, account_id: UUID, purpose: str) -> DataKey: ...
    async def open(self, account_id: UUID, purpose: str, place: str, sealed: bytes) -> bytes: ...


class Answers:
    """Runs KEYED calls: by (account, caller, method, request_id), with the hash of the request beside it."""

    def __init__(self, database: Database, keys: AnswerKeys) -> None:
        self._db = database
        self._keys = keys

    async def once(
        self, rule: Rule, request: Message, subject: Subject, run: Callable[[], Awaitable[Message]]
    ) -> Message | bytes:
        """The kept answer, or that of `run`, which keeps it in its own transaction."""
        request_id = getattr(request, "request_id", "")
        if not request_id:
            return await run()
        subject.keyed = await self._keyed(rule, request, subject, UUID(request_id))
        if (kept := await self._find(subject, subject.keyed)) is not None:
            return kept
        try:
            return await run()
        except Exception as error:
            # a call beside this one may have been faster, which shows as any kind of clash
            if not (isinstance(error, StacklyError) or store.clashes(error)):
                raise
            if (kept := await self._find(subject, subject.keyed)) is not None:
                return kept
            if store.clashes(error):
                raise Conflict("CONCURRENT_CHANGE", "Somebody else was faster: read again.") from error
            raise

    async def _keyed(self, rule: Rule, request: Message, subject: Subject, request_id: UUID) -> Keyed:
        seal = None
        if rule.returns_secret:
            key = await self._keys.current(subject.tenant, _PURPOSE)  # before the transaction, not within it
            place = _place(subject, request_id)

            def seal(data: bytes) -> bytes:
                return sealing.seal(key, place, data)

        return Keyed(request_id, rule.request_hash(request), seal)

    async def _find(self, subject: Subject, keyed: Keyed) -> bytes | None:
        async with self._db.read(subject.tenant) as conn:
            answer = await store.find_answer(conn, subject.actor, subject.method, keyed.request_id)
        if answer is None:
            return None
        if bytes(answer.request_hash) != keyed.request_hash:
            raise Invalid("REQUEST_ID_REUSED", "This request_id was used before with another request.")
        response = bytes(answer.response)
        if not answer.sealed:
            return response
        place = _place(subject, keyed.request_id)
        return await self._keys.open(subject.tenant, _PURPOSE, place, response)


def _place(subject: Subject, request_id: UUID) -> str:
    return f"answer/{subject.actor}{subject.method}/{request_id}"
