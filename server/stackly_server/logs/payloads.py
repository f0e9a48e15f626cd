"""Temporal payloads opened for people: who may, in which namespace, and that they did."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from temporalio.api.common.v1 import Payload

from stackly_server.access import Subject, require
from stackly_server.database import Database
from stackly_server.errors import Invalid, NotFound
from stackly_server.logs import payload_store
from stackly_server.sealing import BrokenSealError


class Codec(Protocol):
    """Who seals and opens payloads."""

    async def seal(self, account_id: UUID, namespace: str, payloads: Sequence[Payload]) -> list[Payload]:
        """Seals for a Temporal namespace of the account."""
        ...

    async def open(self, account_id: UUID, namespace: str, payloads: Sequence[Payload]) -> list[Payload]:
        """Opens those that are sealed for it; refuses others' ones."""
        ...


class PayloadService:
    """Each call leaves an event, whoever makes it."""

    def __init__(self, database: Database, codec: Codec) -> None:
        self._db = database
        self._codec = codec

    async def encode(self, subject: Subject, namespace: str, payloads: Sequence[Payload]) -> list[Payload]:
        """Seals payloads."""
        name = await self._namespace(subject, namespace)
        sealed = await self._codec.seal(subject.tenant, namespace, payloads)
        await self._tell(subject, "payloads.encoded", name, len(payloads))
        return sealed

    async def decode(self, subject: Subject, namespace: str, payloads: Sequence[Payload]) -> list[Payload]:
        """Opens payloads; the event is there before the caller sees them."""
        name = await self._namespace(subject, namespace)
        try:
            opened = await self._codec.open(subject.tenant, namespace, payloads)
        except BrokenSealError as error:
            raise Invalid("VALIDATION_FAILED", "A payload does not open: it was altered.") from error
        await self._tell(subject, "payloads.decoded", name, len(payloads))
        return opened

    async def _namespace(self, subject: Subject, namespace: str) -> str:
        require(subject, "state.secret", namespace)
        async with self._db.read(subject.tenant) as conn:
            name = await payload_store.namespace_of(conn, namespace)
        if name is None:
            raise NotFound("Temporal namespace", namespace)
        return f"accounts/{subject.account}/namespaces/{name}"

    async def _tell(self, subject: Subject, event: str, name: str, count: int) -> None:
        async with self._db.transaction(subject) as tx:
            tx.tell(event, name, count=str(count))
