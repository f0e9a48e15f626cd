"""Every statement about workers, their certificates and challenges, and selectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import errors
from psycopg.rows import kwargs_row
from psycopg.types.json import Jsonb

from stackly_server.database import Connection
from stackly_server.errors import AlreadyExists
from stackly_server.workers.model import Capabilities, Challenge, Selector, Worker, WorkerStatus

_SHOWN = """
    SELECT w.id, w.account_id, w.namespace_id, a.name AS account, n.name AS namespace, n.temporal_namespace, w.slug, w.host,
           w.token_labels, w.allowed_features, w.capabilities, w.verified, w.status, w.schedulable, w.lease_expires_at,
           w.certificate_serial, w.certificate_expires_at, w.challenge_id, w.challenge_nonce, w.challenge_engines,
           w.challenge_failures, w.recheck_until, w.directive_sequence, w.running_runs, w.version, w.created_at, w.updated_at
    FROM {source} AS w
    JOIN namespaces AS n ON n.account_id = w.account_id AND n.id = w.namespace_id
    JOIN accounts AS a ON a.account_id = w.account_id
"""
_WORKERS = _SHOWN.format(source="workers")
_CHANGED = _SHOWN.format(source="changed")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A machine that joins or joins again."""

    worker_id: UUID
    slug: str
    key: bytes
    host: str
    capabilities: Capabilities
    token_labels: Mapping[str, str]
    allowed_features: Sequence[str]
    challenge: Challenge
    lease_seconds: int


def _worker(
    *, challenge_id: UUID | None, challenge_nonce: str | None, challenge_engines: list[str], **columns: Any
) -> Worker:
    challenge = None
    if challenge_id is not None and challenge_nonce is not None:
        challenge = Challenge(challenge_id, challenge_nonce, tuple(challenge_engines))
    columns["allowed_features"] = tuple(columns["allowed_features"])
    columns["capabilities"] = Capabilities.from_json(columns["capabilities"])
    columns["verified"] = Capabilities.from_json(columns["verified"])
    columns["status"] = WorkerStatus(columns["status"])
    columns["running_runs"] = tuple(columns["running_runs"])
    return Worker(challenge=challenge, **columns)


async def _one(conn: Connection, sql: str, facts: Mapping[str, Any]) -> Worker | None:
    async with conn.cursor(row_factory=kwargs_row(_worker)) as cursor:
        await cursor.execute(sql, facts)
        return await cursor.fetchone()


async def _many(conn: Connection, sql: str, facts: Mapping[str, Any]) -> list[Worker]:
    async with conn.cursor(row_factory=kwargs_row(_worker)) as cursor:
        await cursor.execute(sql, facts)
        return await cursor.fetchall()


# --- reading


async def find(conn: Connection, worker_id: UUID) -> Worker | None:
    return await _one(conn, f"{_WORKERS} WHERE w.id = %(id)s", {"id": worker_id})


async def find_by_name(conn: Connection, namespace: str, slug: str) -> Worker | None:
    facts = {"namespace": namespace, "slug": slug}
    return await _one(conn, f"{_WORKERS} WHERE n.name = %(namespace)s AND w.slug = %(slug)s", facts)


async def page(conn: Connection, namespace_id: UUID, before: UUID | None, limit: int) -> list[Worker]:
    """Newest first, after the worker `before`."""
    sql = f"{_WORKERS} WHERE w.namespace_id = %(namespace)s AND (%(before)s::uuid IS NULL OR w.id < %(before)s)"
    facts = {"namespace": namespace_id, "before": before, "limit": limit}
    return await _many(conn, f"{sql} ORDER BY w.id DESC LIMIT %(limit)s", facts)


async def slug(conn: Connection, account_id: UUID, worker_id: UUID) -> str:
    """The last part of the name; empty for one that is forgotten."""
    cursor = await conn.execute("SELECT slug FROM workers WHERE account_id = %s AND id = %s", (account_id, worker_id))
    row = await cursor.fetchone()
    return row[0] if row else ""


async def proved(conn: Connection, namespace_id: UUID) -> list[Capabilities]:
    """What workers proved that take work."""
    cursor = await conn.execute(
        "SELECT verified FROM workers WHERE namespace_id = %s AND status = 'ACTIVE' AND schedulable", (namespace_id,)
    )
    return [Capabilities.from_json(row[0]) for row in await cursor.fetchall()]


async def fitting(conn: Connection, namespace_id: UUID) -> list[tuple[UUID, Capabilities]]:
    """Workers that take work and were heard from within their lease, with what they proved."""
    cursor = await conn.execute(
        """
        SELECT id, verified FROM workers
        WHERE namespace_id = %s AND status = 'ACTIVE' AND schedulable AND lease_expires_at > clock_timestamp() ORDER BY id
        """,
        (namespace_id,),
    )
    return [(row[0], Capabilities.from_json(row[1])) for row in await cursor.fetchall()]


async def certificate_known(conn: Connection, worker_id: UUID, serial: str) -> bool:
    """Whether a certificate is the worker's and not revoked."""
    cursor = await conn.execute(
        "SELECT FROM worker_certificates WHERE worker_id = %s AND serial = %s AND revoked_at IS NULL",
        (worker_id, serial),
    )
    return await cursor.fetchone() is not None


async def is_banned(conn: Connection, key: bytes) -> bool:
    """Whether a key is banned in any namespace of the account."""
    cursor = await conn.execute("SELECT FROM workers WHERE key_sha256 = %s AND status = 'BANNED'", (key,))
    return await cursor.fetchone() is not None


# --- joining


async def join(conn: Connection, account_id: UUID, namespace_id: UUID, arrival: Arrival) -> Worker | None:
    """A worker of a fresh token; one with the same key becomes it again. None: it is banned."""
    sql = f"""
        WITH changed AS (
            INSERT INTO workers (account_id, id, namespace_id, slug, key_sha256, host, token_labels, allowed_features,
                capabilities, status, lease_expires_at, certificate_serial, certificate_expires_at, challenge_id,
                challenge_nonce, challenge_engines)
            VALUES (%(account)s, %(id)s, %(namespace)s, %(slug)s, %(key)s, %(host)s, %(labels)s, %(features)s,
                %(capabilities)s, 'PENDING', clock_timestamp() + make_interval(secs => %(lease)s), '', clock_timestamp(),
                %(challenge)s, %(nonce)s, %(engines)s)
            ON CONFLICT (account_id, namespace_id, key_sha256) DO UPDATE SET
                token_labels = excluded.token_labels, allowed_features = excluded.allowed_features, {_AGAIN}
            WHERE workers.status <> 'BANNED'
            RETURNING *
        ) {_CHANGED}"""  # noqa: S608  (constants of this file)
    return await _one(conn, sql, {"account": account_id, "namespace": namespace_id, **_facts(arrival)})


async def join_again(conn: Connection, arrival: Arrival) -> Worker | None:
    """A known worker, by the key that its token is bound to. None: there is none, or it is evicted or banned."""
    sql = f"""
        WITH changed AS (
            UPDATE workers SET {_AGAIN.replace("excluded.", "fresh.")}
            FROM (SELECT %(host)s::text AS host, %(capabilities)s::jsonb AS capabilities, %(challenge)s::uuid AS challenge_id,
                    %(nonce)s::text AS challenge_nonce, %(engines)s::text[] AS challenge_engines,
                    clock_timestamp() + make_interval(secs => %(lease)s) AS lease_expires_at) AS fresh
            WHERE workers.id = %(id)s AND key_sha256 = %(key)s AND status NOT IN ('EVICTED', 'BANNED')
            RETURNING workers.*
        ) {_CHANGED}"""  # noqa: S608  (constants of this file)
    return await _one(conn, sql, _facts(arrival))


_AGAIN = """
    host = excluded.host, capabilities = excluded.capabilities, lease_expires_at = excluded.lease_expires_at,
    challenge_id = excluded.challenge_id, challenge_nonce = excluded.challenge_nonce,
    challenge_engines = excluded.challenge_engines, challenge_failures = 0, recheck_until = NULL, verified = '{}',
    status = CASE workers.status WHEN 'DRAINING' THEN 'DRAINING' ELSE 'PENDING' END,
    directive_sequence = workers.directive_sequence + 1, version = workers.version + 1, updated_at = clock_timestamp()
"""


def _facts(arrival: Arrival) -> dict[str, Any]:
    return {
        "id": arrival.worker_id,
        "slug": arrival.slug,
        "key": arrival.key,
        "host": arrival.host,
        "labels": Jsonb(dict(arrival.token_labels)),
        "features": list(arrival.allowed_features),
        "capabilities": Jsonb(arrival.capabilities.to_json()),
        "challenge": arrival.challenge.id,
        "nonce": arrival.challenge.nonce,
        "engines": list(arrival.challenge.engines),
        "lease": arrival.lease_seconds,
    }


async def keep_certificate(
    conn: Connection, worker: Worker, key: bytes, serial: str, expires_at: datetime
) -> Worker | None:
    """A certificate for a key that is the worker's from now on. None: it is evicted, banned or gone.

    AlreadyExists, when another worker has that key.
    """
    sql = f"""
        WITH changed AS (
            UPDATE workers SET key_sha256 = %(key)s, certificate_serial = %(serial)s, certificate_expires_at = %(expires)s,
                version = version + 1, updated_at = clock_timestamp()
            WHERE id = %(id)s AND status NOT IN ('EVICTED', 'BANNED') RETURNING *
        ), kept AS (
            INSERT INTO worker_certificates (account_id, serial, worker_id, expires_at)
            SELECT account_id, %(serial)s, id, %(expires)s FROM changed
        ) {_CHANGED}"""  # noqa: S608  (constants of this file)
    try:
        return await _one(conn, sql, {"id": worker.id, "key": key, "serial": serial, "expires": expires_at})
    except errors.UniqueViolation as error:
        raise AlreadyExists("ALREADY_EXISTS", "Another worker has this key.") from error


# --- proving and living


async def verified(conn: Connection, worker: Worker, claimed: Capabilities, proof: Capabilities) -> Worker | None:
    """What the worker proved; PENDING becomes ACTIVE. None: the challenge is no longer the one it answered."""
    sql = f"""
        WITH changed AS (
            UPDATE workers SET capabilities = %(claimed)s, verified = %(proof)s, challenge_failures = 0,
                recheck_until = NULL,
                status = CASE status WHEN 'PENDING' THEN 'ACTIVE' ELSE status END,
                directive_sequence = directive_sequence + 1, version = version + 1, updated_at = clock_timestamp()
            WHERE id = %(id)s AND challenge_id = %(challenge)s AND status NOT IN ('EVICTED', 'BANNED') RETURNING *
        ) {_CHANGED}"""  # noqa: S608  (constants of this file)
    facts = {
        "id": worker.id,
        "challenge": worker.challenge.id if worker.challenge else None,
        "claimed": Jsonb(claimed.to_json()),
        "proof": Jsonb(proof.to_json()),
    }
    return await _one(conn, sql, facts)


async def failed_challenge(conn: Connection, worker_id: UUID, failures_max: int) -> Worker | None:
    """One more wrong answer: what it proved before counts no more, and too many evict it."""
    sql = f"""
        WITH changed AS (
            UPDATE workers SET challenge_failures = challenge_failures + 1, verified = '{{}}', recheck_until = NULL,
                status = CASE WHEN challenge_failures + 1 >= %(max)s THEN 'EVICTED'
                    WHEN status = 'ACTIVE' THEN 'PENDING' ELSE status END,
                directive_sequence = directive_sequence + 1, version = version + 1, updated_at = clock_timestamp()
            WHERE id = %(id)s AND status NOT IN ('EVICTED', 'BANNED') RETURNING *
        ) {_CHANGED}"""  # noqa: S608  (constants of this file)
    return await _one(conn, sql, {"id": worker_id, "max": failures_max})


async def beat(conn: Connection, worker_id: UUID, running: Sequence[str], lease_seconds: int) -> Worker | None:
    """Renews the lease by the clock of Postgres; one that was given up is back. None: it is evicted, banned or gone."""
    sql = f"""
        WITH changed AS (
            UPDATE workers SET lease_expires_at = clock_timestamp() + make_interval(secs => %(lease)s),
                running_runs = %(running)s,
                status = CASE WHEN status IN ('UNREACHABLE', 'OFFLINE')
                    THEN CASE verified WHEN '{{}}' THEN 'PENDING' ELSE 'ACTIVE' END ELSE status END
            WHERE id = %(id)s AND status NOT IN ('EVICTED', 'BANNED') RETURNING *
        ) {_CHANGED}"""  # noqa: S608  (constants of this file)
    return await _one(conn, sql, {"id": worker_id, "running": list(running), "lease": lease_seconds})


async def ask_again(conn: Connection, worker: Worker, challenge: Challenge, seconds: int) -> Worker | None:
    """Gives a new challenge to a worker that takes work, to be answered in so many seconds. None: it is no longer one."""
    sql = f"""
        WITH changed AS (
            UPDATE workers SET challenge_id = %(challenge)s, challenge_nonce = %(nonce)s, challenge_engines = %(engines)s,
                recheck_until = clock_timestamp() + make_interval(secs => %(seconds)s),
                directive_sequence = directive_sequence + 1
            WHERE id = %(id)s AND status = 'ACTIVE' AND recheck_until IS NULL RETURNING *
        ) {_CHANGED}"""  # noqa: S608  (constants of this file)
    facts = {
        "id": worker.id,
        "challenge": challenge.id,
        "nonce": challenge.nonce,
        "engines": list(challenge.engines),
        "seconds": seconds,
    }
    return await _one(conn, sql, facts)


async def changed_engines(
    conn: Connection, worker: Worker, challenge: Challenge, left: Capabilities, seconds: int
) -> Worker | None:
    """A new challenge about other engines; of the old proof counts what is `left` (nothing: it is PENDING). None: too late."""
    sql = f"""
        WITH changed AS (
            UPDATE workers SET challenge_id = %(challenge)s, challenge_nonce = %(nonce)s, challenge_engines = %(engines)s,
                verified = %(left)s, status = CASE WHEN status = 'ACTIVE' AND NOT %(some)s THEN 'PENDING' ELSE status END,
                recheck_until = CASE WHEN %(some)s THEN clock_timestamp() + make_interval(secs => %(seconds)s) END,
                directive_sequence = directive_sequence + 1, version = version + 1, updated_at = clock_timestamp()
            WHERE id = %(id)s AND version = %(version)s AND status IN ('ACTIVE', 'DRAINING') RETURNING *
        ) {_CHANGED}"""  # noqa: S608  (constants of this file)
    facts = {
        "id": worker.id, "version": worker.version, "challenge": challenge.id, "nonce": challenge.nonce,
        "engines": list(challenge.engines), "left": Jsonb(left.to_json() if left.engines else {}),
        "some": bool(left.engines), "seconds": seconds,
    }  # fmt: skip
    return await _one(conn, sql, facts)


async def unanswered(conn: Connection, worker_id: UUID) -> Worker | None:
    """What a worker proved counts no more when it let the time for a new answer pass. None: it did not."""
    sql = f"""
        WITH changed AS (
            UPDATE workers SET status = 'PENDING', verified = '{{}}', recheck_until = NULL,
                directive_sequence = directive_sequence + 1, version = version + 1, updated_at = clock_timestamp()
            WHERE id = %(id)s AND status = 'ACTIVE' AND recheck_until < clock_timestamp() RETURNING *
        ) {_CHANGED}"""  # noqa: S608  (constants of this file)
    return await _one(conn, sql, {"id": worker_id})


async def set_schedulable(conn: Connection, worker: Worker, *, schedulable: bool) -> Worker | None:
    """None: somebody changed it since it was read."""
    return await _step(conn, worker, "schedulable = %(schedulable)s", schedulable=schedulable)


async def set_status(conn: Connection, worker: Worker, status: WorkerStatus) -> Worker | None:
    """None: somebody changed it since it was read. What was proved is void, unless it only drains."""
    proof = "verified" if status is WorkerStatus.DRAINING else "'{}'"
    return await _step(conn, worker, f"status = %(status)s, verified = {proof}", status=status.value)


async def _step(conn: Connection, worker: Worker, change: str, **facts: Any) -> Worker | None:
    sql = f"""
        WITH changed AS (
            UPDATE workers SET {change}, directive_sequence = directive_sequence + 1, version = version + 1,
                updated_at = clock_timestamp()
            WHERE id = %(id)s AND version = %(version)s RETURNING *
        ) {_CHANGED}"""  # noqa: S608  (constants of this file)
    return await _one(conn, sql, {"id": worker.id, "version": worker.version, **facts})


async def delete(conn: Connection, worker: Worker) -> bool:
    """Forgets a worker that takes no work; False when it does, or somebody changed it."""
    cursor = await conn.execute(
        """
        DELETE FROM workers
        WHERE id = %s AND version = %s AND status IN ('OFFLINE', 'EVICTED', 'BANNED')
        """,
        (worker.id, worker.version),
    )
    return cursor.rowcount == 1


async def revoke_certificates(conn: Connection, worker_id: UUID) -> list[str]:
    """Serials of all certificates of a worker that have not ended; they count as revoked from now on."""
    cursor = await conn.execute(
        """
        UPDATE worker_certificates SET revoked_at = coalesce(revoked_at, clock_timestamp())
        WHERE worker_id = %s AND expires_at > clock_timestamp() RETURNING serial
        """,
        (worker_id,),
    )
    return [row[0] for row in await cursor.fetchall()]


# --- sweeps


async def silent(conn: Connection, offline_seconds: int) -> list[Worker]:
    """Gives up workers that are not heard from: ACTIVE ones once their lease is over, and after a while all of them."""
    sql = f"""
        WITH changed AS (
            UPDATE workers SET version = version + 1, updated_at = clock_timestamp(),
                status = CASE WHEN lease_expires_at < clock_timestamp() - make_interval(secs => %(offline)s)
                    THEN 'OFFLINE' ELSE 'UNREACHABLE' END
            WHERE (status = 'ACTIVE' AND lease_expires_at < clock_timestamp())
               OR (status IN ('PENDING', 'UNREACHABLE', 'DRAINING')
                   AND lease_expires_at < clock_timestamp() - make_interval(secs => %(offline)s))
            RETURNING *
        ) {_CHANGED}"""  # noqa: S608  (constants of this file)
    return await _many(conn, sql, {"offline": offline_seconds})


async def forget_certificates(conn: Connection) -> int:
    """Deletes certificates that have ended."""
    cursor = await conn.execute("DELETE FROM worker_certificates WHERE expires_at < clock_timestamp()")
    return cursor.rowcount


# --- selectors


async def add_selector(conn: Connection, account_id: UUID, namespace_id: UUID, selector: Selector) -> bool:
    """False when it is known already."""
    cursor = await conn.execute(
        """
        INSERT INTO selectors (account_id, namespace_id, hash, selector) VALUES (%s, %s, %s, %s)
        ON CONFLICT DO NOTHING
        """,
        (account_id, namespace_id, selector.hash, Jsonb(selector.to_json())),
    )
    return cursor.rowcount == 1


async def selectors(conn: Connection, namespace_id: UUID) -> list[Selector]:
    cursor = await conn.execute("SELECT selector FROM selectors WHERE namespace_id = %s", (namespace_id,))
    return [Selector.from_json(row[0]) for row in await cursor.fetchall()]


async def selector(conn: Connection, account_id: UUID, namespace_id: UUID, hash_: str) -> Selector | None:
    cursor = await conn.execute(
        "SELECT selector FROM selectors WHERE account_id = %s AND namespace_id = %s AND hash = %s",
        (account_id, namespace_id, hash_),
    )
    row = await cursor.fetchone()
    return Selector.from_json(row[0]) if row else None
