"""What a transaction leaves behind as its last act: events, audit entries, outbox lines, its answer, and a wake-up.

The chain of an account ends in one row of `account_heads`; it is locked here, last, so that it is held only for the commit.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from stackly_server.access import Subject
from stackly_server.clock import uuid7

CHANNEL = "stackly"

Connection = AsyncConnection[TupleRow]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to the thing named `subject`."""

    type: str
    subject: str
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Line:
    """Something to tell others after the commit; `delay` in seconds."""

    kind: str
    key: str
    payload: Mapping[str, Any]
    delay: float


async def flush(
    conn: Connection,
    subject: Subject,
    events: Sequence[Event],
    lines: Sequence[Line],
    wakes: Iterable[str],
    result: Any,
) -> None:
    """Writes all of it. The order matters: the head row comes last but for the notification."""
    if subject.encode is not None and result is not None:
        await _keep_answer(conn, subject, subject.encode(result))
    for id_, line in zip(sorted(uuid7() for _ in lines), lines, strict=True):  # in order, within one millisecond too
        await _put(conn, subject.tenant, id_, line)
    for event in events:
        await _append(conn, subject, event)
    topics = [*wakes, *(("outbox",) if lines else ()), *((f"events/{subject.tenant}",) if events else ())]
    if topics:
        await conn.execute("SELECT pg_notify(%s, topic) FROM unnest(%s::text[]) AS topic", (CHANNEL, topics))


async def _keep_answer(conn: Connection, subject: Subject, response: bytes) -> None:
    keyed = subject.keyed
    if keyed is None:
        return
    await conn.execute(
        """
        INSERT INTO idempotency (account_id, actor, method, request_id, request_hash, response, sealed)
        VALUES (%(account)s, %(actor)s, %(method)s, %(id)s, %(hash)s, %(response)s, %(sealed)s)
        """,
        {
            "account": subject.tenant,
            "actor": subject.actor,
            "method": subject.method,
            "id": keyed.request_id,
            "hash": keyed.request_hash,
            "response": response if keyed.seal is None else keyed.seal(response),
            "sealed": keyed.seal is not None,
        },
    )


async def _put(conn: Connection, account_id: UUID, id_: UUID, line: Line) -> None:
    await conn.execute(
        """
        INSERT INTO outbox (account_id, id, kind, key, payload, due_at)
        VALUES (%s, %s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s))
        """,
        (account_id, id_, line.kind, line.key, Jsonb(dict(line.payload)), line.delay),
    )


async def _append(conn: Connection, subject: Subject, event: Event) -> None:
    await conn.execute(
        """
        WITH head AS (
            UPDATE account_heads
            SET event_sequence = event_sequence + 1,
                audit_sequence = audit_sequence + 1,
                audit_hash = sha256(audit_hash || int8send(audit_sequence + 1) || %(body)s)
            WHERE account_id = %(account)s
            RETURNING account_id, event_sequence, audit_sequence, audit_hash
        ), entry AS (
            INSERT INTO audit_entries (account_id, sequence, hash, body)
            SELECT account_id, audit_sequence, audit_hash, %(body)s FROM head
        )
        INSERT INTO events (account_id, sequence, type, subject, actor, facts, occurred_at)
        SELECT account_id, event_sequence, %(type)s, %(subject)s, %(actor)s, %(facts)s, clock_timestamp() FROM head
        """,
        {
            "account": subject.tenant,
            "body": _audit_body(subject, event),
            "type": event.type,
            "subject": event.subject,
            "actor": subject.actor,
            "facts": Jsonb(dict(event.facts)),
        },
    )


def _audit_body(subject: Subject, event: Event) -> bytes:
    """The canonical JSON of an audit entry: sorted keys, no blanks, UTF-8."""
    entry = {
        "actor": subject.actor,
        "at": datetime.now(UTC).isoformat(),
        "api_key": str(subject.api_key_id or ""),
        "call": subject.call_id,
        "event": event.type,
        "facts": dict(event.facts),
        "method": subject.method,
        "resource": event.subject,
    }
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
