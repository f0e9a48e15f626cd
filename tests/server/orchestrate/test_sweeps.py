"""Sweeps of the ledger: late lines are said, told ones and old answers go."""

import logging
from typing import TYPE_CHECKING

import psycopg
import pytest

from api import FreshDatabase, Tenant
from stackly_server.orchestrate.namespaces import Namespaces
from stackly_server.orchestrate.sweeps import ledger_sweeps
from stackly_server.outside.temporal import Temporal

if TYPE_CHECKING:
    from stackly_server.app import Ground


async def test_what_is_late_is_said_and_what_is_old_goes(
    ground: "Ground",
    dev: Tenant,
    rival: Tenant,
    sealed: Temporal,
    fresh_database: FreshDatabase,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sweeps = ledger_sweeps(ground.database, Namespaces(ground.database, sealed).accounts)
    with psycopg.connect(fresh_database.super_url, autocommit=True) as conn:
        conn.execute(
            """
            INSERT INTO idempotency (account_id, actor, method, request_id, request_hash, response, sealed, created_at)
            SELECT account_id, 'a', 'm', gen_random_uuid(), '', '', false, now() - age
            FROM accounts, unnest(ARRAY[interval '23 hours', interval '25 hours']) AS age
            """
        )
        conn.execute(
            """
            INSERT INTO outbox (account_id, id, kind, key, payload, due_at, done_at)
            SELECT account_id, gen_random_uuid(), 'told', 'k', '{}', now() - interval '9 days', now() - age
            FROM accounts, unnest(ARRAY[interval '6 days', interval '8 days']) AS age
            """
        )
        for late in (0, 2):
            caplog.clear()
            for sweep in sweeps:
                await sweep.run()
            assert [record.getMessage()[:1] for record in caplog.records if record.levelno >= logging.ERROR] == (
                ["2"] if late else []
            )
            conn.execute("UPDATE outbox SET due_at = now() - interval '2 minutes' WHERE kind = 'namespace'")
        left = conn.execute(
            "SELECT (SELECT count(*) FROM idempotency), (SELECT count(*) FROM outbox WHERE kind = 'told')"
        ).fetchone()
    assert left == (2, 2)
